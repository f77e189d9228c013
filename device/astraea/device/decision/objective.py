"""What the decisions are to serve."""

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import DeviceError

Aim = Literal["latency", "accuracy", "energy", "cost"]
"""The soonest answer; or within a deadline the most accurate, the least energy of the device, the least money."""


@dataclass(frozen=True, slots=True)
class Objective:
    """An aim, and what holds while it is pursued.

    Attributes:
        aim: what is to be best.
        deadline_ms: from capture to answer; every aim but latency needs one.
        accuracy_loss: how much less accurate than full quality, 0 to 1, an encoding may make the answers; a hundredth
            is a point. The aim accuracy chooses among all encodings.

    Raises:
        DeviceError: there is no such aim, or a number is missing or out of its range.
    """

    aim: Aim = "latency"
    deadline_ms: float | None = None
    accuracy_loss: float = 0.01

    def __post_init__(self) -> None:
        """See Raises."""
        if self.aim not in get_args(Aim):
            raise DeviceError(f"the objective is {self.aim!r}", hint=f"one of {', '.join(get_args(Aim))}")
        if self.deadline_ms is not None and not self.deadline_ms > 0:
            raise DeviceError(f"the deadline is {self.deadline_ms} ms, which is not above 0")
        if self.deadline_ms is None and self.aim != "latency":
            raise DeviceError(f"the objective {self.aim!r} needs a deadline", hint="for instance deadline_ms=100")
        if not 0 <= self.accuracy_loss <= 1:
            raise DeviceError(f"accuracy_loss is {self.accuracy_loss}, not within 0 to 1")
