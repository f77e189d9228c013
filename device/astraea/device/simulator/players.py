"""Whom the adaptive policy is compared with. Each answers the questions, and is told what happens, as `Policy` is."""

from collections.abc import Sequence
from math import inf
from typing import Protocol

from ..decision import LOCAL, Decision, Ladder, Objective, Policy, Probe
from ..encoding import Encoding, Size
from ..profile import Profile, Rung
from .world import Outcome, World

EDGE = "edge"
"""The name of the one remote target of a simulation."""
ADAPTIVE, ORACLE = "adaptive", "oracle"
_EWMA_WEIGHT = 0.3
_EWMA_RETRY_S = 1.0
_BITS_PER_BYTE = 8


class Player(Protocol):
    """What decides: the part of `Policy` that a client calls for every frame. Times are in seconds of virtual time."""

    def decide(self, size: Size, *, now: float, local_queue: int = 0) -> Decision | None:
        """Choose for a frame."""

    def probes(self, now: float) -> list[Probe]:
        """The probes to send now."""

    def observe_sent(self, target: str, *, size_bytes: int, now: float) -> None:
        """A frame or probe has gone out."""

    def observe_local(self, ms: float) -> None:
        """The device answered a frame."""

    def observe_encoding(self, size: Size, encoding: Encoding, size_bytes: int, ms: float) -> None:
        """A frame was encoded."""

    def observe_answer(
        self,
        target: str,
        *,
        size_bytes: int,
        network_ms: float,
        server_ms: float,
        sent_at: float,
        now: float,
        encoding: Encoding | None = None,
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
        encoding: how it is sent.
    """

    def __init__(self, target: str, encoding: Encoding | None = None) -> None:
        self.target = target
        self.encoding = encoding

    def decide(self, size: Size, *, now: float, local_queue: int = 0) -> Decision | None:  # noqa: ARG002 - Player
        """Waits for its choice as long as it takes."""
        return Decision(self.target, predicted_ms=0.0, patience_ms=inf, give_up_ms=inf, encoding=self.encoding)

    def probes(self, now: float) -> list[Probe]:  # noqa: ARG002 - see Player
        """Sends none."""
        return []

    def observe_sent(self, target: str, *, size_bytes: int, now: float) -> None:
        """Learns nothing, as from all that follows."""

    def observe_local(self, ms: float) -> None:
        """Learns nothing."""

    def observe_encoding(self, size: Size, encoding: Encoding, size_bytes: int, ms: float) -> None:
        """Learns nothing."""

    def observe_answer(
        self,
        target: str,
        *,
        size_bytes: int,
        network_ms: float,
        server_ms: float,
        sent_at: float,
        now: float,
        encoding: Encoding | None = None,
    ) -> None:
        """Learns nothing."""

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """Learns nothing."""

    def observe_silence(self, target: str, *, sent_at: float) -> None:
        """Learns nothing."""


class Oracle(Always):
    """Knows the trace: of all ways to answer this frame, the one that will have served the objective best."""

    def __init__(self, world: World, objective: Objective) -> None:
        super().__init__(LOCAL)
        self._world = world
        self._objective = objective
        self._rungs = rungs(world.profile, objective)

    def decide(self, size: Size, *, now: float, local_queue: int = 0) -> Decision | None:
        """Look into the future."""
        local = self._world.locally(local_queue * self._world.profile.local_ms / 1000)
        best = self._best([*(self._world.remotely(now, rung) for rung in self._rungs), local])
        self.target = EDGE if best.rung else LOCAL
        self.encoding = best.rung.encoding if best.rung else None
        return super().decide(size, now=now)

    def _best(self, outcomes: Sequence[Outcome]) -> Outcome:
        deadline_s = (self._objective.deadline_ms or inf) / 1000
        in_time = [outcome for outcome in outcomes if outcome.response_s <= deadline_s]
        return min(in_time or outcomes, key=self._key if in_time else lambda outcome: (outcome.response_s, 0.0))

    def _key(self, outcome: Outcome) -> tuple[float, float]:
        spent = {"latency": 0.0, "accuracy": -outcome.accuracy, "energy": outcome.joules, "cost": outcome.price}
        return spent[self._objective.aim], outcome.response_s


class Ewma(Always):
    """What one writes by hand: an exponentially weighted mean of the throughput, put into the formula, compared.

    It is given the round trip and all other times. It starts with the edge, and tries it again with a frame every
    second, for otherwise it would never return to it. Within a deadline it takes the most accurate rung that fits.
    """

    def __init__(self, world: World, objective: Objective) -> None:
        super().__init__(EDGE)
        self._profile = world.profile
        self._deadline_ms = objective.deadline_ms
        self._rungs = sorted(rungs(world.profile, objective), key=lambda rung: rung.bytes)
        self._bits_per_ms = inf
        self._tried_s = -inf

    def decide(self, size: Size, *, now: float, local_queue: int = 0) -> Decision | None:
        """Compare the formulas."""
        rung = self._rungs[0]
        if self._deadline_ms is not None:
            fitting = [rung for rung in self._rungs if self._edge_ms(rung) <= self._deadline_ms]
            rung = max(fitting, key=lambda rung: rung.accuracy, default=rung)
        better = self._edge_ms(rung) < self._profile.local_ms * (1 + local_queue)
        if better or now - self._tried_s >= _EWMA_RETRY_S:
            self.target, self.encoding, self._tried_s = EDGE, rung.encoding, now
        else:
            self.target, self.encoding = LOCAL, None
        return super().decide(size, now=now)

    def observe_answer(self, target: str, *, size_bytes: int, network_ms: float, **_: object) -> None:  # noqa: ARG002 - see Player
        """Average it in."""
        sample = size_bytes * _BITS_PER_BYTE / max(network_ms - self._profile.rtt_ms, 0.01)
        known = self._bits_per_ms != inf
        self._bits_per_ms = _EWMA_WEIGHT * sample + (1 - _EWMA_WEIGHT) * self._bits_per_ms if known else sample

    def _edge_ms(self, rung: Rung) -> float:
        upload_ms = rung.bytes * _BITS_PER_BYTE / self._bits_per_ms
        return rung.encode_ms + upload_ms + self._profile.rtt_ms + rung.edge_ms


def rungs(profile: Profile, objective: Objective) -> tuple[Rung, ...]:
    """Those that the objective allows."""
    ladder = Ladder(profile, objective.accuracy_loss)
    return ladder.rungs if objective.aim == "accuracy" else ladder.held


def players(world: World, objective: Objective, *, hedge: bool) -> dict[str, Player]:
    """Everyone who plays, by name; only the client's own policy hedges, where it may.

    The edge alone gets full quality, or where less is as good the least of it.
    """
    policy = Policy(local=True, hedge=hedge, objective=objective, profile=world.profile)
    policy.offer([EDGE])
    held = Ladder(world.profile, objective.accuracy_loss).held
    return {
        ADAPTIVE: policy,
        ORACLE: Oracle(world, objective),
        "local": Always(LOCAL),
        "edge": Always(EDGE, min(held, key=lambda rung: rung.bytes).encoding),
        "ewma": Ewma(world, objective),
    }
