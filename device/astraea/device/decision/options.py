"""What a frame could be answered by, and what each would come to."""

from dataclasses import dataclass
from math import atan, cos, exp, inf, log, pi, sin, sqrt

from ..profile import Rung
from .estimates import Estimate

_HICCUP_MS = 20.0
_P99_SIGMAS = 2.326
_ROOT_5 = sqrt(5)


@dataclass(slots=True)
class Option:
    """A target, and for a remote one an encoding."""

    target: str
    rung: Rung | None
    ms: float
    """What it takes, were nothing overdue..."""
    spread_ms: float
    """...and one standard deviation of that."""
    late_ms: float
    """How much what was sent to the target before is overdue."""
    accuracy: float
    spent: float
    """Of what the objective spares: joules or money; 0 where it spares neither."""

    @property
    def time(self) -> Estimate:
        """What it takes, were nothing overdue."""
        return Estimate(self.ms, self.spread_ms)

    def in_time(self, deadline_ms: float) -> float:
        """The probability that the answer has come by then.

        A target that owes nothing takes its time log-normally, by a spread that only the last few samples tell; see
        `hedge` for the stall of one that does.
        """
        if self.late_ms > 0:
            ratio = max(0.0, deadline_ms - self.ms) / (self.late_ms + _HICCUP_MS)
            return ratio / (1 + ratio)
        if self.spread_ms == 0:
            return 1.0 if self.ms <= deadline_ms else 0.0
        return _student_5(log(deadline_ms / self.ms) * self.ms / self.spread_ms)

    @property
    def p99_ms(self) -> float:
        """99 of 100 answers have come by then, if the target owes none; else nobody knows."""
        if self.late_ms > 0:
            return inf
        return self.ms * exp(_P99_SIGMAS * self.spread_ms / self.ms)


def _student_5(deviation: float) -> float:
    """The distribution function of Student's t with 5 degrees of freedom: a Gaussian whose spread is not well known.

    A link's spread is that of about its last seven samples. For an odd number of degrees of freedom there is a closed
    form (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3).
    """
    angle = atan(deviation / _ROOT_5)
    cosine = cos(angle)
    return 0.5 + (angle + sin(angle) * cosine * (1 + 2 / 3 * cosine**2)) / pi
