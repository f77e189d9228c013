"""Following a session: its results as Server-Sent Events, its video with the boxes drawn."""

import asyncio
from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .annotation import annotated_jpeg
from .results import encode_result
from .session import Session, Sessions
from .video import Video, Videos

_KEEP_ALIVE_S = 15.0  # proxies cut connections that are silent for longer, often after 30 or 60 s
_BOUNDARY = "frame"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # the latter: nginx must not collect events


def watching_routes(sessions: Sessions, videos: Videos) -> list[Route]:
    """`GET /results/{session}` and `GET /video/{session}`."""

    async def results(request: Request) -> Response:
        session = sessions.find(request.path_params["session"])
        if session is None:
            raise HTTPException(404, "there is no such session, or it has ended")
        return StreamingResponse(_events(session), 200, _HEADERS, "text/event-stream")

    async def video(request: Request) -> Response:
        found = videos.find(request.path_params["session"])
        if found is None:
            raise HTTPException(404, "there is no such session, it has ended, or it has no video")
        return StreamingResponse(_pictures(found), 200, _HEADERS, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")

    return [Route("/results/{session}", results), Route("/video/{session}", video)]


async def _events(session: Session) -> AsyncIterator[bytes]:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html: one event a result, and `end` as the last."""
    follower = session.follow()
    try:
        yield b": the results of this session follow\n\n"
        while True:
            try:
                async with asyncio.timeout(_KEEP_ALIVE_S):
                    outcome = await anext(follower)
            except TimeoutError:
                yield b":\n\n"
                continue
            except StopAsyncIteration:
                yield b"event: end\ndata: {}\n\n"
                return
            yield b"id: %d\ndata: %b\n\n" % (outcome.frame_id, encode_result(outcome))
    finally:
        session.unfollow(follower)


async def _pictures(video: Video) -> AsyncIterator[bytes]:
    """Motion JPEG, as cameras send it: what answers, with the boxes drawn."""
    async for view in video.views():
        jpeg = await asyncio.to_thread(annotated_jpeg, view)
        head = f"--{_BOUNDARY}\r\ncontent-type: image/jpeg\r\ncontent-length: {len(jpeg)}\r\n\r\n"
        yield head.encode() + jpeg + b"\r\n"
