"""The results of a camera's frames, as `for` or `async for` reads them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Self

from astraea.protocol import Result

from ..camera import Frame
from ..errors import DeviceError
from ..loopthread import LoopThread
from ..tracking import Tracker
from .delivery import Late
from .outbox import Outbox
from .pipeline import Answering, Pipeline

_LEAVE_S = 2.0
"""For how long the end waits for a camera that is being read; one that hangs is left alone."""


class Stream:
    """Reads frames on a thread of its own whenever one can be answered, and gives their results.

    A camera is read only when there is room for a frame, so what it delivers then is its newest one; and whoever is
    slow to read results holds the camera back, so that nothing queues on either side. One loop at a time reads results.

    Args:
        frames: a camera, or anything that gives frames.
        answer: answers one frame.
        thread: where it does.
        in_flight: how many frames may be under way at once.
        late: what becomes of answers that a newer one has overtaken.
        tracker: carries what was found to the newest frame; None leaves it where it was.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        answer: Answering,
        thread: LoopThread,
        *,
        in_flight: int,
        late: Late,
        tracker: Tracker | None = None,
    ) -> None:
        self._frames = tracker.watch(frames) if tracker else frames
        self._tracker = tracker
        self._frame: Frame | None = None
        self._thread = thread
        self._outbox = Outbox(in_flight, lambda: self._tell(self._pipeline.advance))
        self._pipeline = Pipeline(answer, in_flight=in_flight, late=late, on_room=self._invite)
        self._invitations = SimpleQueue[None]()
        self._invited = self._ended = self._closed = False
        self._failure: Exception | None = None
        self._reader: threading.Thread | None = None
        self._leave_at: float | None = None
        """Until when to wait for that thread, once it is to end."""
        self._claim = threading.Lock()
        """Held by the loop that reads results."""

    @property
    def frame(self) -> Frame:
        """With `track`: the newest frame when the last result was given, to draw what it found on.

        Raises:
            DeviceError: there was no result yet, or nothing is tracked.
        """
        if self._frame is None:
            raise DeviceError("the stream has no newest frame yet", hint="`track=True`, and after its first result")
        return self._frame

    def __iter__(self) -> Iterator[Result]:
        """Results until the frames end; what reading them raises is raised here, after the results.

        Raises:
            DeviceError: another loop reads them already, or the client is not open.
        """
        with self._claimed(), self:
            while (result := self._outbox.take().result()) is not None:
                yield self._carried(result)

    async def __aiter__(self) -> AsyncIterator[Result]:
        """The same for `async for`, on any event loop."""
        with self._claimed():
            async with self:
                while (result := await asyncio.wrap_future(self._outbox.take())) is not None:
                    yield await asyncio.to_thread(self._carried, result) if self._tracker else result

    def __enter__(self) -> Self:
        """Begin to read frames.

        Raises:
            DeviceError: the client is not open.
        """
        if self._reader is None:
            self._thread.call(self._pipeline.advance)
            self._reader = threading.Thread(target=self._read, name="astraea-reader", daemon=True)
            self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """As `with`."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `with`, without holding up the event loop."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the results and the reading of frames; from any thread, or a signal's handler.

        Returns when no frame is being read any more, so that the camera may be closed; after two seconds in any case,
        and at once where callbacks run.
        """
        self._closed = True
        self._invitations.put(None)
        self._tell(self._outbox.end)
        self._leave()

    def _leave(self) -> None:
        # A thread that is in native code when Python ends may take the whole process down.
        reader, now = self._reader, monotonic()
        if reader is None or not reader.is_alive() or self._thread.is_current or reader is threading.current_thread():
            return
        self._leave_at = self._leave_at or now + _LEAVE_S
        reader.join(max(0.0, self._leave_at - now))

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        if not self._claim.acquire(blocking=False):
            raise DeviceError(
                "a stream's results are read by one loop, and there is one already", hint="share them by a queue"
            )
        try:
            yield
        finally:
            self._claim.release()

    def _carried(self, result: Result) -> Result:
        if self._tracker is None:
            return result
        self._frame, carried = self._tracker.carry(result)
        return carried

    def _read(self) -> None:
        """The thread's work: a frame for each invitation."""
        failure = None
        try:
            frames = iter(self._frames)
            while self._invited_again() and (frame := next(frames, None)) is not None:
                self._tell(self._offer, frame)
        except Exception as error:  # noqa: BLE001 - it is raised where the results are read
            failure = error
        self._tell(self._end, failure)

    def _invited_again(self) -> bool:
        """Wait for an invitation; whether it is one, and not the end."""
        self._invitations.get()
        return not self._closed

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(DeviceError):  # the client was closed before its streams
            self._thread.call(what, *arguments)

    # What follows runs on the loop.

    def _invite(self) -> None:
        if self._ended:
            self._end_when_idle()
        elif not self._invited and self._outbox.has_room:
            self._invited = True
            self._invitations.put(None)

    def _offer(self, frame: Frame) -> None:
        self._invited = False
        self._pipeline.offer(frame, self._outbox.put)

    def _end(self, failure: Exception | None) -> None:
        self._ended = True
        self._failure = failure
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._pipeline.idle:
            self._outbox.end(self._failure)
