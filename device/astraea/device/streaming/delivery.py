"""In which order answers leave, when the answer to a newer frame may come before that to an older one."""

from typing import Generic, Literal, TypeVar

Late = Literal["wait", "drop", "stale"]
"""What becomes of an answer that a newer one has overtaken.

- `wait`: it is not overtaken: newer ones wait for it. Every frame's answer, in order.
- `drop`: it is left out. Answers in order, none of a picture older than one already spoken of.
- `stale`: it comes after the newer one, marked as stale. Every frame's answer, each as soon as it is there.
"""

_T = TypeVar("_T")


class Delivery(Generic[_T]):
    """Numbers what is begun, and says what may leave as it is finished. Pure bookkeeping."""

    def __init__(self, late: Late) -> None:
        self._late = late
        self._begun = 0
        self._next = 0
        """The number to leave next, where newer ones wait."""
        self._newest = -1
        """The highest number that has left, where they don't."""
        self._held: dict[int, _T] = {}

    def begin(self) -> int:
        """The number of one more."""
        self._begun += 1
        return self._begun - 1

    def finish(self, number: int, item: _T) -> list[tuple[_T, bool]]:
        """What leaves now that this one is finished; with each, whether a newer one has left before it."""
        if self._late == "wait":
            self._held[number] = item
            return self._in_order()
        stale = number < self._newest
        self._newest = max(self._newest, number)
        return [] if stale and self._late == "drop" else [(item, stale)]

    def _in_order(self) -> list[tuple[_T, bool]]:
        ready = []
        while self._next in self._held:
            ready.append((self._held.pop(self._next), False))
            self._next += 1
        return ready
