"""What a frame could be answered by, and what each would come to."""

from math import erf, exp, inf, log, sqrt
from typing import NamedTuple

from ..profile import Rung
from .estimates import Estimate

_HICCUP_MS = 20.0
_P99_SIGMAS = 2.326


class Option(NamedTuple):
    """A target, and for a remote one an encoding."""

    target: str
    rung: Rung | None
    time: Estimate
    """Were nothing overdue."""
    late_ms: float
    """How much what was sent to the target before is overdue."""
    accuracy: float
    joules: float
    price: float

    def in_time(self, deadline_ms: float) -> float:
        """The probability that the answer has come by then; see `hedge` for the two distributions."""
        if self.late_ms > 0:
            ratio = max(0.0, deadline_ms - self.time.ms) / (self.late_ms + _HICCUP_MS)
            return ratio / (1 + ratio)
        spread = self.time.spread_ms / self.time.ms
        if spread == 0:
            return 1.0 if self.time.ms <= deadline_ms else 0.0
        return 0.5 * (1 + erf(log(deadline_ms / self.time.ms) / (spread * sqrt(2))))

    @property
    def p99_ms(self) -> float:
        """99 of 100 answers have come by then, if the target owes none; else nobody knows."""
        if self.late_ms > 0:
            return inf
        return self.time.ms * exp(_P99_SIGMAS * self.time.spread_ms / self.time.ms)
