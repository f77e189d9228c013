"""A line for each car, in a CSV file or as JSON lines, written as soon as it is known."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from astraea.protocol import AstraeaError

from .tracks import Sighting

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
FIELDS = ("time", "plate", "agreement", "seconds", "frames", "remote_frames")


class JournalError(AstraeaError):
    """The file can't be written."""


class Recorder:
    """Makes a sighting what may be kept of it.

    Args:
        protect: What makes of a plate's text that which may be kept.
        now_s: The time now in seconds since 1970...
        clock_s: ...and by the clock of the frames' `captured_at`.
    """

    def __init__(self, protect: Callable[[str], str], *, now_s: float, clock_s: float) -> None:
        self._protect = protect
        self._ahead_s = now_s - clock_s

    def record(self, sighting: Sighting) -> dict[str, Any]:
        """It under the names of `FIELDS`; `plate` is None where the plate could not be read."""
        first = datetime.fromtimestamp(sighting.first_s + self._ahead_s, UTC).astimezone()
        values = (
            first.isoformat(timespec="milliseconds"),
            self._protect(sighting.plate) if sighting.plate else None,
            round(sighting.agreement, 2),
            round(sighting.last_s - sighting.first_s, 2),
            sighting.frames,
            sighting.remote_frames,
        )
        return dict(zip(FIELDS, values, strict=True))


class Journal:
    """A file to which lines are added, as a context manager: JSON lines if its name says so, else CSV with a head.

    Raises:
        JournalError: The file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._json = path.suffix.lower() in JSON_SUFFIXES
        try:
            self._file = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise JournalError(f"the log {path} can't be written: {error.strerror}") from None
        if not self._json and not self._file.tell():
            csv.writer(self._file).writerow(FIELDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, record: dict[str, Any]) -> None:
        """Add a line; it is in the file when this returns."""
        if self._json:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        else:
            csv.writer(self._file).writerow(record.values())
        self._file.flush()
