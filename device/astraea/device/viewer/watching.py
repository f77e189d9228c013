"""A camera loop with somebody looking on: frames, results and events become the page's messages."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from time import monotonic, strftime
from typing import Protocol

from astraea.protocol import Result

from ..camera import Camera, Frame
from ..events import Event
from ..snapshot import Snapshot
from .board import Board
from .gallery import Gallery
from .notes import describe

_STATE_EVERY_S = 0.5
_FPS_OVER_S = 5.0


class Results(Protocol):
    """Results of a stream of frames: `Stream`."""

    def __iter__(self) -> Iterator[Result]:
        """Until the frames end, or `close` is called."""

    def close(self) -> None:
        """End them and the reading of frames; from any thread, or a signal's handler."""


class Client(Protocol):
    """What is watched: `OffloadClient`."""

    def stream(self, frames: Iterable[Frame], *, track: bool) -> Results:
        """Answer frames as they come."""

    def snapshot(self) -> Snapshot:
        """What is believed of the targets now."""


class Watched:
    """Runs the loop and tells the board of it.

    Args:
        name: The camera's address as it may be shown.
        board: Gets a `frame` message for each result, a `state` twice a second, a `note` when something happens.
        gallery: Gets the frames.
        track: Carry boxes to the newest frame, and show that; else the frame answered is shown.
    """

    def __init__(self, name: str, board: Board, gallery: Gallery, *, track: bool = False) -> None:
        self._name = name
        self._board = board
        self._gallery = gallery
        self._track = track
        self._events: deque[Event] = deque(maxlen=100)
        self._answered_at: deque[float] = deque()
        self._trouble: str | None = None
        self._over = threading.Event()
        self._results: Results | None = None

    def hear(self, event: Event) -> None:
        """Take an event of the client; for its `on_event`, so it only takes note."""
        self._events.append(event)

    def run(self, camera: Camera, client: Client) -> Generator[Result]:
        """The results of the client for the camera's frames, told to the board as they pass."""
        telling = threading.Thread(target=self._keep_telling, args=(camera, client), name="viewer", daemon=True)
        telling.start()
        self._results = client.stream(self._keep(camera), track=self._track)
        try:
            for result in self._results:
                self._tell(result)
                yield result
        finally:
            self._results.close()
            self._over.set()
            telling.join()

    def stop(self) -> None:
        """Let `run` end; from any thread, or a signal's handler."""
        if self._results is not None:
            self._results.close()

    def _keep(self, camera: Camera) -> Iterator[Frame]:
        for frame in camera:
            self._gallery.add(frame)
            yield frame

    def _tell(self, result: Result) -> None:
        self._answered_at.append(monotonic())
        shown = result.seq if result.carried_to is None else result.carried_to
        self._board.post("frame", result.to_dict() | {"shown_seq": shown})

    def _keep_telling(self, camera: Camera, client: Client) -> None:
        while True:
            over = self._over.wait(_STATE_EVERY_S)
            snapshot = client.snapshot()
            self._tell_news(camera, snapshot)
            more = {
                "at_s": monotonic(),
                "camera": self._name,
                "trouble": camera.trouble,
                "fps": self._fps(),
                "over": over,
            }
            self._board.post("state", snapshot.to_dict() | more)
            if over:
                return

    def _tell_news(self, camera: Camera, snapshot: Snapshot) -> None:
        while self._events:
            text = describe(self._events.popleft(), snapshot)
            if text:
                self._note(text)
        if camera.trouble != self._trouble:
            self._trouble = camera.trouble
            self._note(self._trouble or f"{self._name} delivers again")

    def _note(self, text: str) -> None:
        self._board.post("note", {"time": strftime("%H:%M:%S"), "text": text})

    def _fps(self) -> float:
        """Answers a second, of late."""
        since = monotonic() - _FPS_OVER_S
        while self._answered_at and self._answered_at[0] < since:
            self._answered_at.popleft()
        return len(self._answered_at) / _FPS_OVER_S
