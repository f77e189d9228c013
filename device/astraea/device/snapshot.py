"""What a client believes at one moment, for displays: `OffloadClient.snapshot`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from astraea.protocol import Tier

from .candidates import RemoteTarget
from .decision import LOCAL, Policy
from .encoding import Size

_ANY_SIZE = Size(640, 480)


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


def target_states(
    policy: Policy, targets: Iterable[RemoteTarget], size: Size | None, current: str | None, local_queue: int
) -> tuple[TargetState, ...]:
    """What a policy believes of each target now.

    Args:
        policy: the policy.
        targets: the remote ones.
        size: of the frames to predict for; None when none was seen yet, so that nothing can be predicted.
        current: the target in use.
        local_queue: frames that the device has begun on.
    """
    estimates = policy.estimates(size or _ANY_SIZE, now=monotonic(), local_queue=local_queue)

    def state(name: str, tier: Tier, url: str | None = None) -> TargetState:
        link, estimate = policy.link(name), estimates.get(name)
        heard = link is not None and link.samples > 0
        return TargetState(
            name,
            tier,
            usable=estimate is not None,
            in_use=name == current,
            predicted_ms=estimate.ms if estimate and size else None,
            spread_ms=estimate.spread_ms if estimate and size else None,
            url=url,
            rtt_ms=link.rtt_ms if link and heard else None,
            uplink_mbps=link.uplink_mbps if link and heard else None,
        )

    device = [state(LOCAL, "device")] if LOCAL in estimates else []
    return (*device, *(state(target.name, target.tier, target.url) for target in targets))
