"""What is believed about a duration, and how it is learnt from a few samples."""

from collections import deque
from typing import NamedTuple

_WINDOW = 9
"""Samples kept: enough for a median that four outliers in a row can't move, few enough to follow a throttled CPU."""
_MIDDLE_HALF_SIGMAS = 1.349
"""The distance between a Gaussian's quartiles in standard deviations."""


class Estimate(NamedTuple):
    """A duration that has not happened yet."""

    ms: float
    """What to expect."""
    spread_ms: float
    """One standard deviation of the truth around it."""


UNKNOWN = Estimate(1.0, 1.0)
"""A ratio to what is usual that nobody has measured: about 1."""


class Recent:
    """A quantity measured now and then, such as a model's inference time: the median of the last samples.

    Args:
        prior: what is believed until something has been observed.

    Attributes:
        estimate: the median, and the spread that the middle half of the samples has in a Gaussian.
    """

    def __init__(self, prior: Estimate = UNKNOWN) -> None:
        self._samples: deque[float] = deque(maxlen=_WINDOW)
        self.estimate = prior

    def __bool__(self) -> bool:
        """Whether anything has been observed."""
        return bool(self._samples)

    def observe(self, value: float) -> None:
        """Learn one more sample."""
        self._samples.append(value)
        ordered = sorted(self._samples)
        middle, quarter = len(ordered) // 2, len(ordered) // 4
        middle_half = ordered[~quarter] - ordered[quarter]
        self.estimate = Estimate((ordered[middle] + ordered[~middle]) / 2, middle_half / _MIDDLE_HALF_SIGMAS)

    def keep_least(self) -> None:
        """Forget all but the smallest sample."""
        if len(self._samples) > 1:
            least = min(self._samples)
            self._samples.clear()
            self.observe(least)

    @property
    def median(self) -> float:
        """The middle of the last samples."""
        return self.estimate.ms
