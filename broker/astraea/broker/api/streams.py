"""Events as they happen: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from ..events import Event, Events
from .common import TheBroker, Viewer

router = APIRouter(prefix="/v1")

_KEEP_ALIVE_S = 15.0
"""So that proxies don't take silence for the end."""


@router.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def events(broker: TheBroker, _: Viewer, last_event_id: Annotated[int, Header(ge=0)] = 0) -> StreamingResponse:
    """What happens in the fleet, beginning with what happened lately."""
    return StreamingResponse(_lines(broker.events, last_event_id), media_type="text/event-stream")


async def _lines(events: Events, after: int) -> AsyncIterator[str]:
    watching = events.watch(after)
    upcoming = asyncio.ensure_future(anext(watching))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=_KEEP_ALIVE_S)
            if not done:
                yield ": still here\n\n"
                continue
            yield _line(upcoming.result())
            upcoming = asyncio.ensure_future(anext(watching))
    finally:
        upcoming.cancel()


def _line(event: Event) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n"
