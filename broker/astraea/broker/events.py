"""What happens in the fleet, for those who watch it: the last few hundred events, and each new one as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

_KEPT = 500
_UNREAD = 1000
"""Events that a watcher may fall behind; one that falls further misses the oldest."""

EventKind = Literal[
    "instance-registered",
    "instance-gone",
    "instance-expired",
    "service-changed",
    "node-draining",
    "node-back",
    "access",
]


class Event(BaseModel):
    """One thing that happened."""

    model_config = ConfigDict(frozen=True)

    number: int
    """Counted by this broker since its start."""
    at: datetime
    kind: EventKind
    subject: str
    """The instance, service or node it is about."""
    detail: str = ""


class Events:
    """Everything that happened lately at this broker; `clock` tells the time of day."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._watchers: set[asyncio.Queue[Event]] = set()
        self._count = 0

    def tell(self, kind: EventKind, subject: str, detail: str = "") -> None:
        """Note an event, and pass it to all that watch."""
        self._count += 1
        event = Event(number=self._count, at=self._clock(), kind=kind, subject=subject, detail=detail)
        self._kept.append(event)
        for watcher in self._watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(event)

    def last(self, count: int = _KEPT, after: int = 0) -> list[Event]:
        """The newest events, in the order in which they happened, those up to the number `after` left out."""
        return [event for event in self._kept if event.number > after][-count:]

    async def watch(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """Every event from now on; with `after`, first those since that number that are still known."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_UNREAD)
        self._watchers.add(queue)
        try:
            for event in self.last(after=after) if after is not None else ():
                yield event
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)
