"""A detector in a process of its own, `python -m demos.paper.apart MODEL`, so that a quota can hold it alone.

Images come on standard input and detections go to standard output, pickled: both ends are this module.
"""

import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astraea.models import YoloDetector
from astraea.protocol import Detection
from benchmarks.field import ROOT


class DetectorApart:
    """A YOLO detector that computes with one thread of another process, which ends with this one.

    Args:
        model: an ONNX file.

    Attributes:
        pid: of the process.
        cpu_s: CPU time of its last inference.
    """

    def __init__(self, model: Path) -> None:
        command = [sys.executable, "-m", "demos.paper.apart", str(model)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._in_turn = threading.Lock()
        self.pid = self._process.pid
        self.cpu_s = 0.0

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """As the detector there does."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 - it is a pipe
        assert back is not None  # noqa: S101 - so is this
        with self._in_turn:
            pickle.dump(image, to)
            to.flush()
            detections: list[Detection]
            detections, self.cpu_s = pickle.load(back)  # noqa: S301 - our own process wrote it
        return detections


def main() -> None:
    """Answer images until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever leads the experiment
    detector = YoloDetector(Path(sys.argv[1]), threads=1)
    with suppress(EOFError, BrokenPipeError):
        while True:
            image = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process wrote it
            start_s = time.process_time()
            detections = detector.detect(image)
            pickle.dump((detections, time.process_time() - start_s), sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
