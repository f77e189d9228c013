"""Which instances can answer for this device: what a client must be told, and by whom."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from astraea.protocol import Location, RemoteTier

from ..profile import Price

_FIXED_TTL_S = 3600.0


class RemoteTarget(NamedTuple):
    """Somewhere to send frames to."""

    name: str
    url: str
    tier: RemoteTier = "edge"
    price: Price | None = None
    """What frames cost there; None where nobody says."""


class Offer(NamedTuple):
    """The instances to use, the best first, and for how many seconds that is good to know."""

    targets: list[RemoteTarget]
    ttl_s: float


class Measured(NamedTuple):
    """What the way to an instance was found to be like."""

    instance: str
    rtt_ms: float
    uplink_mbps: float
    frames: int = 0
    """That it was to answer, since the last report."""
    missed: int = 0
    """Of those: answered late, by another target, or by nobody."""


class CandidateSource(Protocol):
    """Knows the instances of a service."""

    async def candidates(self, current: str | None) -> Offer:
        """Those to use now.

        Args:
            current: the one in use, which a source may keep first for as long as no other is clearly better.

        Raises:
            BrokerError: nobody can tell at the moment.
        """

    def move(self, location: Location) -> None:
        """The device is there now."""

    async def report(self, measured: Sequence[Measured]) -> None:
        """Tell what was measured, so that others nearby are told better; nothing is raised."""

    async def close(self) -> None:
        """Let go of connections."""


class FixedCandidates:
    """Servers whose addresses the app knows; no broker is asked.

    Args:
        edges: base addresses, e.g. `["http://192.168.1.20:8000"]`; each is its own name.
        clouds: those of servers in the cloud.
    """

    def __init__(self, edges: Sequence[str], clouds: Sequence[str] = ()) -> None:
        self._targets = [RemoteTarget(url, url) for url in edges]
        self._targets += [RemoteTarget(url, url, "cloud") for url in clouds]

    async def candidates(self, current: str | None) -> Offer:  # noqa: ARG002 - they are always the same
        """See CandidateSource.candidates."""
        return Offer(self._targets, _FIXED_TTL_S)

    def move(self, location: Location) -> None:
        """See CandidateSource.move; addresses that are known stay the same."""

    async def report(self, measured: Sequence[Measured]) -> None:
        """See CandidateSource.report; nobody asks."""

    async def close(self) -> None:
        """See CandidateSource.close."""
