"""`/streams`: videos that the server reads itself, for cameras that can't send theirs here."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..errors import BadInputError, BusyError
from ..exchange import read_body
from ..inputs import explain
from .extra import load
from .session import Outcome
from .sources import Sources, shown
from .video import Picture, Video, Videos, check_takes_pictures

if TYPE_CHECKING:
    from .reader import Reader

_logger = logging.getLogger(__name__)

_MAX_BODY_BYTES = 8 * 1024
_MOST = 16  # each has a thread and a decoder


class StreamRequest(BaseModel):
    """The body of `POST /streams`."""

    model_config = ConfigDict(extra="forbid")

    source: str
    """An rtsp, rtsps, http, https or file URL."""


class _Pulled:
    """A video that is being read."""

    def __init__(self, source: str, video: Video, reader: "Reader") -> None:
        self.source = shown(source)
        self.video = video
        self.reader = reader

    def document(self) -> dict[str, Any]:
        session_id = self.video.session.id
        return {
            "id": session_id,
            "source": self.source,
            "state": self.reader.state,
            "trouble": self.reader.trouble,
            "results": f"/results/{session_id}",
            "video": f"/video/{session_id}",
        }


class Pulling:
    """What an instance reads.

    Args:
        videos: Where the videos are opened.
        sources: Which may be read.
    """

    def __init__(self, videos: Videos, sources: Sources) -> None:
        self._videos = videos
        self._sources = sources
        self._pulled: dict[str, _Pulled] = {}

    @property
    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/streams", self._either, methods=["GET", "POST"]),
            Route("/streams/{session}", self._delete, methods=["DELETE"]),
        ]

    def close(self) -> None:
        """End all of them."""
        for session_id in tuple(self._pulled):
            self._end(session_id, "the instance has ended")

    async def _either(self, request: Request) -> Response:
        return await self._start(request) if request.method == "POST" else await self._list(request)

    async def _start(self, request: Request) -> Response:
        check_takes_pictures(self._videos.sessions.api.loaded())
        body = await read_body(dict(request.scope["headers"]), request.receive, _MAX_BODY_BYTES)
        try:
            source = StreamRequest.model_validate_json(body).source
        except ValidationError as error:
            raise BadInputError(explain(error)) from None
        await asyncio.to_thread(self._sources.check, source)
        if len(self._pulled) >= _MOST:
            raise BusyError(f"{_MOST} sources are read; no more may be")
        reading = await load("streams.reader")
        video = self._videos.open("pull", _ignore)
        session_id = video.session.id
        loop = asyncio.get_running_loop()
        count = iter(range(2**63))

        def on_picture(picture: Picture) -> None:
            loop.call_soon_threadsafe(video.put, next(count), picture)

        def on_end(reason: str) -> None:
            loop.call_soon_threadsafe(self._end, session_id, reason)

        pulled = _Pulled(source, video, reading.Reader(source, self._sources.check, on_picture, on_end))
        self._pulled[session_id] = pulled
        pulled.reader.start()
        _logger.info("stream %s: reading %s", session_id, pulled.source)
        return JSONResponse(pulled.document(), 201, {"location": f"streams/{session_id}"})

    async def _list(self, _request: Request) -> Response:
        return JSONResponse({"streams": [pulled.document() for pulled in self._pulled.values()]})

    async def _delete(self, request: Request) -> Response:
        session_id = request.path_params["session"]
        if session_id not in self._pulled:
            raise HTTPException(404, "there is no such stream, or it has ended")
        self._end(session_id, "it was deleted")
        return Response(status_code=204)

    def _end(self, session_id: str, reason: str) -> None:
        pulled = self._pulled.pop(session_id, None)
        if pulled is None:
            return
        _logger.info("stream %s: ended: %s", session_id, reason)
        pulled.reader.stop()
        self._videos.close(pulled.video)


def _ignore(_outcome: Outcome) -> None:
    """Nobody but its followers waits for the results of a video that the server reads."""
