"""A wall clock of a process's own that a test can step; monotonic clocks go on, as they do when a real one is set."""

import mmap
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_SOURCE = Path(__file__).with_name("stepped_clock.c")
_INT64 = struct.Struct("=q")


def unavailable() -> str:
    """Why there can be none here; empty where there can."""
    return "" if shutil.which("cc") else "there is no C compiler to build a clock that can be stepped"


class SteppedClock:
    """The wall clock of the processes that are started with its `environment`. Use it as a context manager.

    Attributes:
        environment: variables to add to a process's own.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stepped-clock-")
        library, ahead = Path(self._folder.name, "clock.so"), Path(self._folder.name, "ahead")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE)], check=True)
        ahead.write_bytes(_INT64.pack(0))
        with ahead.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), _INT64.size)
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(ahead)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead.close()
        self._folder.cleanup()

    def step(self, seconds: int) -> None:
        """Set it ahead, or back, at once."""
        (ahead_s,) = _INT64.unpack(self._ahead[:])
        self._ahead[:] = _INT64.pack(ahead_s + seconds)
