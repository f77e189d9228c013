"""What a link is like, and when that changes."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any, NamedTuple, Self


@dataclass(frozen=True)
class Conditions:
    """One direction of a link. By default it is perfect.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    rate_mbps: float = inf
    """Of the bottleneck, in 10^6 bit/s of IP packets; at 0 they wait in its queue."""
    delay_ms: float = 0.0
    """One way, after the bottleneck."""
    jitter_ms: float = 0.0
    """The delay varies by up to this much, evenly; packets stay in order, as radio links deliver them."""
    loss_pct: float = 0.0
    """Each packet by itself, 0 to 100."""
    reorder_pct: float = 0.0
    """This many packets skip the delay and overtake the others, 0 to 100."""
    queue_kb: float = 256.0
    """What waits for the bottleneck at most, in 10^3 bytes; what comes then is dropped."""
    up: bool = True
    """False: whatever is sent, and what waits, is lost without a sign."""

    def __post_init__(self) -> None:
        for name in ("rate_mbps", "delay_ms", "jitter_ms", "queue_kb"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not 0 or more")
        for name in ("loss_pct", "reorder_pct"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is {getattr(self, name)}, not from 0 to 100")


class Change(NamedTuple):
    """From a time on, a link is another one."""

    at_s: float
    """By `time.monotonic`, which all processes of a machine share."""
    uplink: Conditions
    """From the link's left to its right end."""
    downlink: Conditions

    def as_document(self) -> dict[str, Any]:
        """As JSON can say it, infinity apart, which Python's own dialect can."""
        return {"at_s": self.at_s, "uplink": asdict(self.uplink), "downlink": asdict(self.downlink)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The inverse of `as_document`."""
        return cls(document["at_s"], Conditions(**document["uplink"]), Conditions(**document["downlink"]))
