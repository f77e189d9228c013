"""What containers have printed and print, from their engine."""

from collections.abc import Callable, Iterable
from datetime import datetime

Fetch = Callable[[int | None, int | None], Iterable[str]]
"""Lines, each after its time (RFC 3339, nanoseconds) and a space: at most so many of the last, or those since a second
since 1970."""


class EngineLog:
    """Reads a log by the times of its lines: an engine can say what was printed since a second, no finer.

    Args:
        fetch: asks the engine.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch, self._last = fetch, ""

    def tail(self, lines: int) -> list[str]:
        """The last lines, and from now on `new_lines` gives what follows them."""
        found = self._new(self._fetch(max(lines, 1), None))
        return found[-lines:] if lines else []

    def new_lines(self) -> list[str]:
        """The lines printed since the last call."""
        return self._new(self._fetch(None, _second(self._last)))

    def _new(self, stamped: Iterable[str]) -> list[str]:
        pairs = sorted((time, text) for time, _, text in (line.partition(" ") for line in stamped) if time > self._last)
        if pairs:
            self._last = pairs[-1][0]
        return [text for _, text in pairs]


def _second(stamp: str) -> int:
    return int(datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp()) if stamp else 0
