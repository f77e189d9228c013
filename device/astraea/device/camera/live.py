"""A camera that goes on whether it is read or not, and is opened again when it stalls or disappears."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic

from ..errors import CameraError
from .base import Camera, Frame

STALL_S = 5.0
"""A live camera that gives no picture for this long is taken for dead; its longest exposure in video is 0.1 s."""
OPEN_TIMEOUT_S = 8.0
"""A network camera may take seconds to start its encoder."""

_HANG_S = STALL_S + OPEN_TIMEOUT_S + 2  # no call takes longer that is ever going to return
_RETRY_S, _RETRY_MOST_S = 0.5, 5.0
_LOOK_S = 0.25  # how often a waiting reader looks whether the camera hangs

_log = logging.getLogger(__name__)


class LiveCamera(Camera):
    """Another camera, read on a thread: `read` gets the newest frame, and waits through an outage until its end.

    Without the thread a slow reader would find frames waiting in the driver's or the network's buffers, each older
    than the one before; and a driver that hangs would take the reader along. A thread that hangs is left behind, and
    closes its camera should the call ever return.

    Args:
        camera: The camera, open.
        reopen: Opens it again after an outage, or raises CameraError.
        name: What messages call it.
        eager: Take every frame as it comes, so that a reader has the last one at once. False for a camera whose `read`
            waits for the next exposure anyway: it is left alone until a frame is wanted.
        patience_s: How long `read` waits in an outage before it raises; None waits for the end of it.
    """

    def __init__(
        self,
        camera: Camera,
        reopen: Callable[[], Camera],
        name: str,
        *,
        eager: bool = True,
        patience_s: float | None = None,
    ) -> None:
        self._reopen = reopen
        self._name = name
        self._eager = eager
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._trouble: str | None = None
        self._wanted = self._closed = False
        self._seq = self._attempt = 0
        self._alive_at = self._seen_at = monotonic()
        self._start(camera)

    @property
    def trouble(self) -> str | None:
        """See Camera.trouble."""
        return self._trouble

    def read(self) -> Frame:
        """The newest frame that was not read before; waits for one.

        Raises:
            CameraError: The camera was closed, or an outage has lasted `patience_s`; it goes on being opened again.
        """
        asked_at = monotonic()
        with self._changed:
            if not self._eager:
                self._newest = None  # taken for a reader who had lost patience, whenever that was
            self._wanted = True
            self._changed.notify_all()
            while self._newest is None:
                self._look_after(asked_at)
                self._changed.wait(_LOOK_S)
            frame, self._newest = self._newest, None
            numbered = replace(frame, seq=self._seq)
            self._seq += 1
            return numbered

    def close(self) -> None:
        """Stop the camera; returns within about a frame's time, or `STALL_S` if it hangs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(STALL_S)

    def _look_after(self, asked_at: float) -> None:
        """Say what a reader who gets no frame must know, and give up a thread that hangs."""
        if self._closed:
            raise CameraError(f"{self._name} is closed")
        now = monotonic()
        silent_s = now - max(asked_at, self._seen_at)
        if self._trouble is None and silent_s > STALL_S:
            self._report(f"{self._name} gave no picture for {STALL_S:g} s")
        if self._patience_s is not None and silent_s > self._patience_s:
            raise CameraError(
                self._trouble or f"{self._name} gave no picture for {silent_s:.1f} s",
                hint="check its cable, power and network; it is opened again as soon as it can be",
            )
        if now - self._alive_at > _HANG_S:
            self._start(None)

    def _start(self, camera: Camera | None) -> None:
        self._attempt += 1
        self._alive_at = monotonic()
        self._thread = threading.Thread(
            target=self._run, args=(self._attempt, camera), name=f"camera {self._name}", daemon=True
        )
        self._thread.start()

    def _run(self, attempt: int, camera: Camera | None) -> None:
        """Keep the camera open and read it, until it is closed or this thread has been given up."""
        retry_s = _RETRY_S
        while self._goes_on(attempt):
            seen_at = self._seen_at
            try:
                camera = camera or self._reopen()
                self._take(attempt, camera)
            except CameraError as error:
                if attempt == self._attempt:  # else these are the last words of a thread that was given up
                    self._alive_at = monotonic()
                    self._report(str(error))
            if camera is not None:
                with suppress(CameraError):
                    camera.close()
                camera = None
            retry_s = _RETRY_S if self._seen_at > seen_at else min(2 * retry_s, _RETRY_MOST_S)
            with self._changed:
                self._changed.wait_for(lambda: not self._goes_on(attempt), retry_s)

    def _take(self, attempt: int, camera: Camera) -> None:
        """Read until nobody wants this thread's frames any more.

        Raises:
            CameraError: The camera stopped.
        """
        while self._goes_on(attempt):
            if not (self._eager or self._is_wanted(attempt)):
                continue
            frame = camera.read()
            if frame is None:
                raise CameraError(f"{self._name} has stopped")
            self._deliver(attempt, frame)

    def _is_wanted(self, attempt: int) -> bool:
        """Wait until a reader wants a frame, or a while."""
        with self._changed:
            self._alive_at = monotonic()
            self._changed.wait_for(lambda: self._wanted or not self._goes_on(attempt), STALL_S)
            return self._wanted and self._goes_on(attempt)

    def _deliver(self, attempt: int, frame: Frame) -> None:
        with self._changed:
            if not self._goes_on(attempt):
                return
            now = monotonic()
            if self._trouble is not None:
                _log.info("%s is back after %.1f s", self._name, now - self._seen_at)
            self._alive_at = self._seen_at = now
            self._newest, self._trouble, self._wanted = frame, None, False
            self._changed.notify_all()

    def _report(self, trouble: str) -> None:
        if self._trouble is None:
            _log.warning("%s; it is opened again as soon as it can be", trouble)
        self._trouble = trouble

    def _goes_on(self, attempt: int) -> bool:
        return not self._closed and attempt == self._attempt
