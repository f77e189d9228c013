"""How many inputs to compute at once, and whether to wait for another: decided from what was measured.

A batch of n inputs takes about a + b n. With n inputs there, waiting for the next one delays all n of them by the time
between two arrivals, and saves the machine a call's fixed cost a. So it pays while n times that gap is below a. A lone
client sends nothing until it has its answer: its gap is longer than a call, so there is never a wait for it.
"""

import math

_MEMORY = 0.97  # the weight that the past keeps with each batch: some 30 count
_GAP_MEMORY = 0.9
_WORTHWHILE = 0.05  # a batch is large enough when the fixed cost is this fraction of the rest


class BatchPolicy:
    """Learns what batches cost and how often inputs come. Pure: times are given, in seconds of any one clock.

    Args:
        limit: The most inputs of a batch.
        max_wait_s: The longest that an input waits for others.
    """

    def __init__(self, limit: int, max_wait_s: float) -> None:
        self.limit = limit
        self.max_wait_s = max_wait_s
        # Weighted sums over batches, for a line through their costs: of 1, n, n^2, t and n t.
        self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)
        self._last_arrival_s: float | None = None
        self._gap_s = math.inf

    def arrived(self, now_s: float) -> None:
        """Learn that an input has come."""
        if self._last_arrival_s is not None:
            gap_s = max(0.0, now_s - self._last_arrival_s)
            known = math.isfinite(self._gap_s)
            self._gap_s = _GAP_MEMORY * self._gap_s + (1 - _GAP_MEMORY) * gap_s if known else gap_s
        self._last_arrival_s = now_s

    def took(self, size: int, seconds: float) -> None:
        """Learn what a batch cost."""
        new = (1.0, size, size**2, seconds, size * seconds)
        self._sums = tuple(_MEMORY * old + value for old, value in zip(self._sums, new, strict=True))  # type: ignore[assignment] # five again

    def cost_s(self) -> tuple[float, float]:
        """The fixed cost of a batch, and that of each input, neither below 0; alike while sizes are."""
        count, sizes, squares, times, products = self._sums
        if not count:
            return 0.0, 0.0
        size, time_s = sizes / count, times / count
        variance = squares / count - size**2
        if variance < 0.01 * size**2:
            return time_s / 2, time_s / 2 / size
        each_s = min(max(0.0, (products / count - size * time_s) / variance), time_s / size)
        return max(0.0, time_s - each_s * size), each_s

    def size(self) -> int:
        """The most inputs that are worth computing at once, 1 to the limit."""
        fixed_s, each_s = self.cost_s()
        if fixed_s >= self.limit * _WORTHWHILE * each_s:
            return self.limit
        return max(1, math.ceil(fixed_s / (_WORTHWHILE * each_s)))

    def wait_s(self, waiting: int) -> float:
        """How long to wait for another input, with so many there; 0 to begin at once."""
        fixed_s, _ = self.cost_s()
        if waiting >= self.size() or waiting * self._gap_s >= fixed_s:
            return 0.0
        return min(self.max_wait_s, 2 * self._gap_s)
