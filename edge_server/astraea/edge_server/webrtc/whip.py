"""`/whip`: video is published by the WebRTC-HTTP ingestion protocol, https://www.rfc-editor.org/rfc/rfc9725."""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..deadline import deadline_of
from ..errors import UnsupportedTypeError
from ..exchange import Headers, read_body
from ..streams.extra import load
from ..streams.video import Videos, check_takes_pictures
from ..trace import trace_of
from .fragments import FRAGMENT_MEDIA_TYPE, MAX_SDP_BYTES, SDP_MEDIA_TYPE, check_offer, parse_fragment
from .ice import IceServers

if TYPE_CHECKING:
    from .peer import Peer

_logger = logging.getLogger(__name__)

_MOST_REASONS = 256  # of sessions that have ended: why, for those who ask


@dataclass
class _Published:
    peer: "Peer"
    etag: str
    """Of its ICE session; another after a restart."""


class Whip:
    """What is published to an instance.

    Args:
        videos: Where the videos are opened.
        ice_servers: That publishers are told, and this side uses.
    """

    def __init__(self, videos: Videos, ice_servers: IceServers) -> None:
        self._videos = videos
        self._ice_servers = ice_servers
        self._published: dict[str, _Published] = {}
        self._reasons: dict[str, str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def routes(self) -> list[Route]:
        """For the application."""
        return [
            # One route a path, so that 405 allows all its methods.
            Route("/whip", self._collection, methods=["OPTIONS", "POST"]),
            Route("/whip/{session}", self._one, methods=["DELETE", "PATCH"]),
        ]

    async def close(self) -> None:
        """End all sessions."""
        for session_id in tuple(self._published):
            self._end(session_id, "the instance has ended")
        await asyncio.gather(*self._closing)

    async def _collection(self, request: Request) -> Response:
        return await self._publish(request) if request.method == "POST" else await self._options(request)

    async def _one(self, request: Request) -> Response:
        return await self._patch(request) if request.method == "PATCH" else await self._delete(request)

    async def _options(self, _request: Request) -> Response:
        response = Response(status_code=204, headers={"accept-post": SDP_MEDIA_TYPE, "allow": "OPTIONS, POST"})
        return self._linked(response)

    async def _publish(self, request: Request) -> Response:
        headers = _headers(request)
        _check_type(headers, SDP_MEDIA_TYPE)
        api = self._videos.sessions.api
        check_takes_pictures(api.loaded())
        now_s = perf_counter()
        deadline_s = deadline_of(headers, now_s) - now_s
        offer = check_offer(await self._body(request))
        peers = await load("webrtc.peer")
        peer: Peer = peers.Peer(
            self._videos,
            self._ice_servers.usable_now(time.time()),
            deadline_s=deadline_s,
            trace=trace_of(headers),
            on_end=self._ended,
        )
        published = _Published(peer, _etag())
        session_id = peer.video.session.id
        self._published[session_id] = published
        try:
            answer = await peer.answer(offer)
        except BaseException:
            self._end(session_id, "its offer could not be answered")
            raise
        _logger.info("stream %s: published over WebRTC", session_id)
        response = Response(answer, 201, {"etag": published.etag, "location": f"whip/{session_id}"})
        response.headers["content-type"] = SDP_MEDIA_TYPE
        response.headers["accept-patch"] = FRAGMENT_MEDIA_TYPE
        response.headers["astraea-instance"] = api.instance().id
        response.headers["astraea-revision"] = api.instance().revision
        return self._linked(response)

    async def _patch(self, request: Request) -> Response:
        published = self._find(request)
        _check_type(_headers(request), FRAGMENT_MEDIA_TYPE)
        condition = request.headers.get("if-match")
        if condition is None:
            raise HTTPException(428, "If-Match must have the ETag of the ICE session, or * to restart it")
        fragment = parse_fragment(await self._body(request))
        if condition == "*" or published.peer.restarts(fragment):
            answer = await published.peer.restart(fragment)
            published.etag = _etag()
            return Response(answer, 200, {"etag": published.etag}, FRAGMENT_MEDIA_TYPE)
        if condition != published.etag:
            raise HTTPException(412, "the ICE session was restarted since; its ETag is another")
        await published.peer.add_candidates(fragment)
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        self._find(request)
        self._end(request.path_params["session"], "its publisher has ended it")
        return Response(status_code=200)

    async def _body(self, request: Request) -> bytes:
        async with asyncio.timeout(self._videos.sessions.api.limits.body_s):
            return await read_body(_headers(request), request.receive, MAX_SDP_BYTES)

    def _find(self, request: Request) -> _Published:
        session_id = request.path_params["session"]
        published = self._published.get(session_id)
        if published is None:
            reason = self._reasons.get(session_id)
            raise HTTPException(404) if reason is None else HTTPException(410, f"the session has ended: {reason}")
        return published

    def _ended(self, peer: "Peer", reason: str) -> None:
        self._end(peer.video.session.id, reason)

    def _end(self, session_id: str, reason: str) -> None:
        published = self._published.pop(session_id, None)
        if published is None:
            return
        _logger.info("stream %s: ended: %s", session_id, reason)
        if len(self._reasons) >= _MOST_REASONS:
            del self._reasons[next(iter(self._reasons))]
        self._reasons[session_id] = reason
        self._videos.close(published.peer.video)
        task = asyncio.create_task(published.peer.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _linked(self, response: Response) -> Response:
        for server in self._ice_servers.usable_now(time.time()):
            response.headers.append("link", server.to_link())
        return response


def _headers(request: Request) -> Headers:
    return dict(request.scope["headers"])


def _check_type(headers: Headers, wanted: str) -> None:
    found = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if found != wanted:
        raise UnsupportedTypeError(f"the body must be {wanted}, not {found[:80] or 'of no type'}")


def _etag() -> str:
    return f'"{secrets.token_urlsafe(9)}"'
