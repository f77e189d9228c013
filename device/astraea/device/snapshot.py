"""What a client believes at one moment, for displays: `OffloadClient.snapshot`."""

from dataclasses import asdict, dataclass
from typing import Any

from astraea.protocol import Tier


@dataclass(frozen=True, slots=True)
class TargetState:
    """What is known of one target."""

    name: str
    """`local` for the device itself, else the instance."""
    tier: Tier
    usable: bool
    """Whether a frame could go there now."""
    in_use: bool
    """Whether the last frame's decision was for it."""
    predicted_ms: float | None = None
    """What the next frame would take there; None while it is not usable."""
    spread_ms: float | None = None
    """One standard deviation of the truth around it."""
    url: str | None = None
    rtt_ms: float | None = None
    """Round trip time of a message of no size, for a remote target that was heard of."""
    uplink_mbps: float | None = None
    """Bandwidth towards it in 10^6 bit/s, likewise."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A client at one moment."""

    service: str
    targets: tuple[TargetState, ...]
    in_flight: int
    """Frames taken and not answered yet."""
    answered: int
    """Frames answered since the client was opened..."""
    unanswered: int
    """...frames that nobody could answer..."""
    dropped: int
    """...and frames that gave way to newer ones."""
    broker_failure: str | None = None
    """Why the broker could not be asked last time; None while it answers, or there is none."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON can say."""
        return asdict(self)
