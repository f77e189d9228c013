"""Whom the adaptive policy is compared with. Each answers the questions, and is told what happens, as `Policy` is."""

from math import inf
from typing import Protocol

from ..policy import LOCAL, Decision, Policy, Probe
from .world import World

EDGE = "edge"
"""The name of the one remote target of a simulation."""
ADAPTIVE, ORACLE = "adaptive", "oracle"
_EWMA_WEIGHT = 0.3
_EWMA_RETRY_S = 1.0
_BITS_PER_BYTE = 8


class Player(Protocol):
    """What decides: the part of `Policy` that a client calls for every frame. Times are in seconds of virtual time."""

    def decide(self, pixels: int, *, now: float, local_queue: int = 0) -> Decision | None:
        """Choose for a frame."""

    def probes(self, now: float) -> list[Probe]:
        """The probes to send now."""

    def observe_sent(self, target: str, *, size_bytes: int, now: float) -> None:
        """A frame or probe has gone out."""

    def observe_local(self, ms: float) -> None:
        """The device answered a frame."""

    def observe_encoding(self, pixels: int, size_bytes: int, ms: float) -> None:
        """A frame was encoded."""

    def observe_answer(
        self, target: str, *, size_bytes: int, network_ms: float, server_ms: float, sent_at: float, now: float
    ) -> None:
        """The edge answered a frame."""

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """The edge answered a probe."""

    def observe_silence(self, target: str, *, sent_at: float) -> None:
        """An exchange was given up."""


class Always:
    """The same target for every frame, whatever happens; also what other simple players inherit.

    Args:
        target: where every frame is answered.
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def decide(self, pixels: int, *, now: float, local_queue: int = 0) -> Decision | None:  # noqa: ARG002 - Player
        """Waits for its choice as long as it takes."""
        return Decision(self.target, predicted_ms=0.0, patience_ms=inf, give_up_ms=inf)

    def probes(self, now: float) -> list[Probe]:  # noqa: ARG002 - see Player
        """Sends none."""
        return []

    def observe_sent(self, target: str, *, size_bytes: int, now: float) -> None:
        """Learns nothing, as from all that follows."""

    def observe_local(self, ms: float) -> None:
        """Learns nothing."""

    def observe_encoding(self, pixels: int, size_bytes: int, ms: float) -> None:
        """Learns nothing."""

    def observe_answer(
        self, target: str, *, size_bytes: int, network_ms: float, server_ms: float, sent_at: float, now: float
    ) -> None:
        """Learns nothing."""

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """Learns nothing."""

    def observe_silence(self, target: str, *, sent_at: float) -> None:
        """Learns nothing."""


class Oracle(Always):
    """Knows the trace: whichever target will have answered this frame first."""

    def __init__(self, world: World) -> None:
        super().__init__(LOCAL)
        self._world = world

    def decide(self, pixels: int, *, now: float, local_queue: int = 0) -> Decision | None:
        """Look into the future."""
        local_s = self._world.profile.local_ms / 1000 * (1 + local_queue)
        self.target = EDGE if self._world.frame(now).response_s <= local_s else LOCAL
        return super().decide(pixels, now=now)


class Ewma(Always):
    """What one writes by hand: an exponentially weighted mean of the throughput, put into the formula, compared.

    It is given the round trip and all other times. It starts with the edge, and tries it again with a frame every
    second, for otherwise it would never return to it.
    """

    def __init__(self, world: World) -> None:
        super().__init__(EDGE)
        self._profile = world.profile
        self._bits_per_ms = inf
        self._tried_s = -inf

    def decide(self, pixels: int, *, now: float, local_queue: int = 0) -> Decision | None:
        """Compare the formulas."""
        profile = self._profile
        upload_ms = profile.frame_bytes * _BITS_PER_BYTE / self._bits_per_ms
        edge_ms = profile.encode_ms + upload_ms + profile.rtt_ms + profile.edge_ms
        better = edge_ms < profile.local_ms * (1 + local_queue) or now - self._tried_s >= _EWMA_RETRY_S
        self.target = EDGE if better else LOCAL
        if better:
            self._tried_s = now
        return super().decide(pixels, now=now)

    def observe_answer(self, target: str, *, size_bytes: int, network_ms: float, **_: float) -> None:  # noqa: ARG002 - see Player
        """Average it in."""
        sample = size_bytes * _BITS_PER_BYTE / max(network_ms - self._profile.rtt_ms, 0.01)
        known = self._bits_per_ms != inf
        self._bits_per_ms = _EWMA_WEIGHT * sample + (1 - _EWMA_WEIGHT) * self._bits_per_ms if known else sample


def players(world: World, *, hedge: bool) -> dict[str, Player]:
    """Everyone who plays, by name; only the client's own policy hedges, where it may."""
    policy = Policy(local=True, hedge=hedge)
    policy.offer([EDGE])
    return {
        ADAPTIVE: policy,
        ORACLE: Oracle(world),
        "local": Always(LOCAL),
        "edge": Always(EDGE),
        "ewma": Ewma(world),
    }
