"""What instances print: bounded on disk, and read while it grows."""

import contextlib
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path

MAX_LOG_BYTES = 5_000_000


def rotate(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move a log that has grown too large to its name with `.1` added.

    The process that writes it keeps it open, so it is copied and emptied; a line written in between is lost. Handing
    the output through a pipe instead would lose nothing, but end the instance together with whoever reads the pipe.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > max_bytes:
            shutil.copyfile(log, _older(log))
            with log.open("r+b") as file:
                file.truncate()


def append_line(log: Path, line: str) -> None:
    """Add a line of our own."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


class FileLog:
    """Reads the log at a path, rotations included; a log that is not there is empty."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._unfinished = path, 0, b""

    def tail(self, lines: int) -> list[str]:
        """The last lines, and from now on `new_lines` gives what follows them."""
        last: deque[str] = deque(maxlen=lines)
        with contextlib.suppress(FileNotFoundError), _older(self._path).open("rb") as file:
            last.extend(_text(line) for line in file)
        last.extend(self.new_lines())
        return list(last)

    def new_lines(self) -> list[str]:
        """The lines finished since the last call."""
        return list(self._finished_lines())

    def _finished_lines(self) -> Iterator[str]:
        *lines, self._unfinished = (self._unfinished + self._read()).split(b"\n")
        return map(_text, lines)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0  # it was rotated
                file.seek(self._offset)
                data = file.read()
                self._offset = file.tell()
                return data
        except FileNotFoundError:
            return b""


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
