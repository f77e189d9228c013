"""Answering frames on the device itself."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Detection

from .errors import LocalModelError

if TYPE_CHECKING:  # the runtimes behind it take 100 MB that an app without a local model can do without
    from astraea.models import Detector

_WARM_UP_SIZE = (480, 640, 3)


class LocalEngine:
    """Runs a detector on a thread of its own, one frame at a time.

    Attributes:
        pending: frames handed over and not answered yet.

    Args:
        detector: the name of a zoo model, the path of a model, or any object with `detect(image)`.

    Raises:
        ModelError: there is no such model, or it can't be read.
    """

    def __init__(self, detector: "Detector | str | Path") -> None:
        self._detector = load(detector) if isinstance(detector, str | Path) else detector
        self.pending = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="astraea-local")

    async def infer(self, image: NDArray[np.uint8]) -> tuple[list[Detection], float]:
        """The detections and the ms that finding them took; waiting for an earlier frame is not counted.

        Raises:
            LocalModelError: the detector raised something.
        """
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, image)
        except Exception as error:
            raise LocalModelError(f"the device's own model failed: {type(error).__name__}: {error}") from error
        finally:
            self.pending -= 1

    async def warm_up(self) -> float:
        """Answer an empty picture twice, and say how many ms the second one took.

        Raises:
            LocalModelError: see `infer`.
        """
        blank = np.zeros(_WARM_UP_SIZE, np.uint8)
        await self.infer(blank)
        return (await self.infer(blank))[1]

    def close(self) -> None:
        """Let the frame at hand finish; take no more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _timed(self, image: NDArray[np.uint8]) -> tuple[list[Detection], float]:
        start = perf_counter()
        detections = self._detector.detect(image)
        return detections, (perf_counter() - start) * 1000


def load(source: str | Path) -> "Detector":
    """A detector of the zoo or of a file; the runtime behind it is imported only now, for apps that have no model."""
    from astraea.models import load_detector  # noqa: PLC0415

    return load_detector(source)
