"""What every camera is, and the frames that it gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Detection

from ..trace import new_trace_id


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a camera."""

    image: NDArray[np.uint8]
    """RGB, H x W x 3."""
    seq: int
    """Counted by the camera from 0; frames that it dropped leave no gap."""
    captured_at: float
    """Seconds on the monotonic clock (`time.monotonic`): the exposure where the camera tells it, else the reading."""
    truth: tuple[Detection, ...] | None = None
    """What is to be found in it, for synthetic scenes; None where nobody knows."""
    trace_id: str = field(default_factory=new_trace_id)
    """Goes with it to the server's log and its result."""


class Camera(ABC):
    """A source of frames: `for frame in camera` reads them, `with` closes it."""

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame, as soon as there is one; None at the end of a source that ends.

        Raises:
            CameraError: The source stopped delivering, or what it delivered is no picture.
        """

    @property
    def trouble(self) -> str | None:
        """Why no picture comes just now, of a camera that is opened again after an outage; None while it delivers."""
        return None

    def close(self) -> None:  # noqa: B027 - a camera that holds nothing has nothing to do here
        """Let go of the device; harmless when repeated."""

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Pacer:
    """Holds back a source that could go faster, so that its frames come as a camera's would.

    Args:
        fps: Frames per second; None never waits.
    """

    def __init__(self, fps: float | None) -> None:
        self._interval_s = 1 / fps if fps else 0.0
        self._due = 0.0

    def wait(self) -> None:
        """Return when the next frame is due; a reader who came late gets it at once, and time starts again there."""
        if self._interval_s:
            now = monotonic()
            sleep(max(0.0, self._due - now))
            self._due = max(self._due, now) + self._interval_s
