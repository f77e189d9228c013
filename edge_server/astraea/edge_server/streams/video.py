"""Pictures of a video, answered newest first: what WebRTC brings, and what the server reads itself."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError, SupersededError, TooLargeError, UnsupportedTypeError
from ..exchange import RawHeaders
from ..inputs import decode_image
from ..service import Form, Service
from .session import Deliver, Outcome, Session, Sessions


class Picture(Protocol):
    """A decoded frame: what is used of an `av.VideoFrame`."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    def to_ndarray(self, *, format: str) -> NDArray[Any]:  # noqa: A002 - PyAV's name
        """Its pixels, H x W x 3 for `rgb24`."""


class View(NamedTuple):
    """A picture that was answered."""

    picture: Picture
    outcome: Outcome


class _PictureForm:
    """A payload is a picture; the answer is written as that of `POST /predict`."""

    def __init__(self, native: Form) -> None:
        self.headers: RawHeaders = native.headers
        self.encode = native.encode

    def decode(self, body: Any) -> NDArray[np.uint8]:
        return np.asarray(body.to_ndarray(format="rgb24"), np.uint8)


class _Waiting(NamedTuple):
    frame_id: int
    picture: Picture
    deadline_s: float


class Video:
    """The pictures of one sender; made by `Videos.open`.

    Args:
        sessions: Where its session is opened.
        transport: What carries it, e.g. `webrtc`.
        deliver: Is told what became of each picture.
        trace: The W3C trace context that all of it belongs to.
    """

    def __init__(self, sessions: Sessions, transport: str, deliver: Deliver, trace: bytes | None = None) -> None:
        self._api = sessions.api
        self._deliver = deliver
        self._trace = trace
        self._waiting: _Waiting | None = None
        self._pictures: dict[int, Picture] = {}
        self._viewers: set[asyncio.Queue[View | None]] = set()
        check_takes_pictures(self._api.loaded())
        self.session: Session = sessions.open(transport, self._delivered)

    def put(self, frame_id: int, picture: Picture, deadline_s: float = math.inf) -> None:
        """Have a picture answered, now or next; the one that would have been next before it is passed over.

        Args:
            frame_id: What its sender calls it; a number that is in flight already is ignored with its picture.
            picture: What it shows.
            deadline_s: When an answer is of no use any more, by `time.perf_counter`.
        """
        if self.session.closed or frame_id in self.session.in_flight:
            return
        waiting = _Waiting(frame_id, picture, deadline_s)
        if len(self.session.in_flight) < self._api.pool.capacity:
            self._submit(waiting)
            return
        older, self._waiting = self._waiting, waiting
        if older is not None:
            self.session.refuse(older.frame_id, SupersededError("a newer frame came before it was begun"), self._trace)

    async def views(self) -> AsyncIterator[View]:
        """The pictures that are answered from now on, each with its answer; a slow viewer gets the newest."""
        viewer: asyncio.Queue[View | None] = asyncio.Queue(1)
        self._viewers.add(viewer)
        try:
            while not self.session.closed and (view := await viewer.get()) is not None:
                yield view
        finally:
            self._viewers.discard(viewer)

    def end(self) -> None:
        """There are no more pictures; called by `Videos.close`."""
        self._waiting = None
        self._pictures.clear()
        for viewer in self._viewers:
            _replace(viewer, None)

    def _submit(self, waiting: _Waiting) -> None:
        frame_id, picture, deadline_s = waiting
        pixels = picture.width * picture.height
        size_bytes = 3 * pixels
        try:
            if pixels > self._api.limits.image_px:
                raise TooLargeError(
                    f"a frame has {pixels / 1e6:.1f} Mpx; at most {self._api.limits.image_px / 1e6:.1f} Mpx"
                )
            form = _PictureForm(self._api.loaded().form)
            self._api.hold(size_bytes)
        except RequestError as error:
            self.session.refuse(frame_id, error, self._trace)
            return
        if self._viewers:
            self._pictures[frame_id] = picture
        self.session.submit(
            frame_id, picture, deadline_s=deadline_s, trace=self._trace, form=form, held_bytes=size_bytes
        )

    def _delivered(self, outcome: Outcome) -> None:
        self._deliver(outcome)
        picture = self._pictures.pop(outcome.frame_id, None)
        if picture is not None and outcome.status == 200:
            for viewer in self._viewers:
                _replace(viewer, View(picture, outcome))
        if self._waiting is not None and len(self.session.in_flight) < self._api.pool.capacity:
            waiting, self._waiting = self._waiting, None
            self._submit(waiting)


class Videos:
    """The videos of an instance that are being answered.

    Args:
        sessions: Where their sessions are opened.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._videos: dict[str, Video] = {}

    def open(self, transport: str, deliver: Deliver, trace: bytes | None = None) -> Video:
        """Begin one; see `Video`.

        Raises:
            RequestError: The service takes no images, or no more streams now.
        """
        video = Video(self.sessions, transport, deliver, trace)
        self._videos[video.session.id] = video
        return video

    def find(self, session_id: str) -> Video | None:
        """The video of an open session, if it has one."""
        return self._videos.get(session_id)

    def close(self, video: Video) -> None:
        """End one. Safe to repeat."""
        self._videos.pop(video.session.id, None)
        self.sessions.close(video.session)
        video.end()


def check_takes_pictures(service: Service) -> None:
    """Whether a service answers images.

    Raises:
        UnsupportedTypeError: It takes something else.
    """
    if service.input.decode is not decode_image:
        raise UnsupportedTypeError(f"this service takes {service.input.name}, not video")


def _replace(viewer: asyncio.Queue[View | None], view: View | None) -> None:
    if viewer.full():
        viewer.get_nowait()
    viewer.put_nowait(view)
