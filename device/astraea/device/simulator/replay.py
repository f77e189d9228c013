"""A camera's frames in virtual time: a player decides on each, and hears of what comes of it when it has come."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import ceil, inf
from typing import NamedTuple

from ..decision import LOCAL, Decision, Ladder, Objective, Probe
from ..profile import Profile, Rung
from .players import EDGE, Player, players
from .trace import Trace
from .world import Exchange, Outcome, World

_TICK_S = 0.1
"""How often a client asks its policy for probes."""
_PROBE_TIMEOUT_S = 1.0
_WARM_UP_S = 1.0
"""A client measures before its first frame; this is ample for it."""


class Answered(NamedTuple):
    """What became of one frame."""

    captured_s: float
    target: str
    """Where it was sent first."""
    response_ms: float
    """From its capture to its first answer."""
    hedged: bool
    """Whether the device began on it too because the edge was overdue."""
    accuracy: float
    """Of the answer that came first, late or not."""
    joules: float
    """All that the device spent on it."""
    price: float


@dataclass
class Session:
    """All of one player's frames on one trace."""

    frames: int
    deadline_ms: float
    answers: list[Answered] = field(default_factory=list)
    probe_bytes: int = 0
    duration_s: float = 0.0
    """From the first capture to the last capture or answer."""


class _Replay:
    def __init__(self, world: World, player: Player, deadline_ms: float, *, busy: bool) -> None:
        frames = max(1, ceil(world.trace.duration_s * world.profile.fps - 1e-9))
        self.session = Session(frames, deadline_ms)
        self._world = world
        self._player = player
        self._busy = busy
        self._ladder = Ladder(world.profile, 0.0)
        self._device_free_s = -inf
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        player.observe_local(world.profile.local_ms)
        self._at(-_WARM_UP_S, self._tick)

    def advance(self, now: float) -> None:
        """Let everything happen that does until `now`."""
        while self._events[0][0] <= now:
            at_s, _, event = heapq.heappop(self._events)
            event(at_s)

    def answer(self, captured_s: float, now: float) -> float:
        """Have the player decide on a frame at `now`; return when it will have been answered."""
        self.advance(now)
        waiting_s = max(0.0, self._device_free_s - now) if self._busy else 0.0
        queue = ceil(waiting_s * 1000 / self._local_ms)
        decision = self._player.decide(self._world.profile.size, now=now, local_queue=queue)
        assert decision is not None  # noqa: S101 - there is always the device
        answered_s, answer = self._locally(now) if decision.target == LOCAL else self._remotely(decision, now)
        self.session.answers.append(
            answer._replace(captured_s=captured_s, response_ms=(answered_s - captured_s) * 1000)
        )
        return answered_s

    @property
    def _local_ms(self) -> float:
        return self._world.profile.local_ms

    def _at(self, at_s: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), event))

    def _tick(self, now: float) -> None:
        for probe in self._player.probes(now):
            self._probe(probe, now)
        self._at(now + _TICK_S, self._tick)

    def _probe(self, probe: Probe, now: float) -> None:
        self.session.probe_bytes += probe.size_bytes
        exchange = self._world.occupy(self._world.probe(now, probe.size_bytes))
        self._player.observe_sent(EDGE, size_bytes=probe.size_bytes, now=now)
        if exchange.response_s > _PROBE_TIMEOUT_S:
            self._at(now + _PROBE_TIMEOUT_S, lambda _: self._player.observe_silence(EDGE, sent_at=now))
            return
        network_ms = exchange.response_s * 1000
        self._at(
            exchange.answered_s,
            lambda at_s: self._player.observe_probe(
                EDGE, size_bytes=probe.size_bytes, network_ms=network_ms, sent_at=now, now=at_s
            ),
        )

    def _locally(self, now: float) -> tuple[float, Answered]:
        """When the answer comes, and what it is."""
        start_s = max(now, self._device_free_s) if self._busy else now
        self._device_free_s = start_s + self._local_ms / 1000
        self._at(self._device_free_s, lambda _: self._player.observe_local(self._local_ms))
        return self._device_free_s, _answered(LOCAL, self._world.locally())

    def _remotely(self, decision: Decision, now: float) -> tuple[float, Answered]:
        """Likewise; the device may have to help."""
        rung = self._ladder.rung(decision.encoding)
        remote = self._world.remotely(now, rung)
        exchange = self._world.occupy(self._world.frame(now, rung))
        sent_s = now + rung.encode_ms / 1000
        self._at(sent_s, lambda at_s: self._sent(rung, at_s))
        give_up_s = now + decision.give_up_ms / 1000
        overdue_s = min(now + decision.patience_ms / 1000, give_up_s)
        answered_s = now + exchange.response_s
        self._learn_of(exchange, rung, sent_s, give_up_s)
        answer = _answered(EDGE, remote)
        if answered_s <= overdue_s:
            return answered_s, answer
        local_s, local = self._locally(overdue_s)
        joules = remote.joules + local.joules
        if answered_s <= min(local_s, give_up_s):
            return answered_s, answer._replace(hedged=True, joules=joules)
        return local_s, answer._replace(hedged=True, joules=joules, accuracy=local.accuracy)

    def _sent(self, rung: Rung, now: float) -> None:
        self._player.observe_encoding(self._world.profile.size, rung.encoding, rung.bytes, rung.encode_ms)
        self._player.observe_sent(EDGE, size_bytes=rung.bytes, now=now)

    def _learn_of(self, exchange: Exchange, rung: Rung, sent_s: float, give_up_s: float) -> None:
        if exchange.answered_s > give_up_s:
            if give_up_s < inf:
                self._at(give_up_s, lambda _: self._player.observe_silence(EDGE, sent_at=sent_s))
            return
        network_ms = (exchange.answered_s - sent_s) * 1000 - rung.edge_ms
        self._at(
            exchange.answered_s,
            lambda at_s: self._player.observe_answer(
                EDGE,
                size_bytes=rung.bytes,
                network_ms=network_ms,
                server_ms=rung.edge_ms,
                sent_at=sent_s,
                now=at_s,
                encoding=rung.encoding,
            ),
        )


def _answered(target: str, outcome: Outcome) -> Answered:
    """Still without its times."""
    accuracy, joules, price = outcome.accuracy, outcome.joules, outcome.price
    return Answered(0.0, target, 0.0, hedged=False, accuracy=accuracy, joules=joules, price=price)


def simulate(
    trace: Trace,
    profile: Profile,
    objective: Objective | None = None,
    *,
    closed_loop: bool = False,
    hedge: bool = True,
) -> dict[str, Session]:
    """Everyone's session on a trace, by name.

    Args:
        trace: the network.
        profile: the device, the edge and the frames.
        objective: what everyone serves; the soonest answer if None.
        closed_loop: whether the device and the link are kept busy by the frames before.
        hedge: whether the device may begin on a frame that the edge has not answered, as in the client; without it,
            the choice of one target is judged.
    """
    objective = objective or Objective()
    sessions = {}
    for name in players(World(trace, profile), objective, hedge=hedge):
        world = World(trace, profile, contended=closed_loop)
        player = players(world, objective, hedge=hedge)[name]
        replay = _Replay(world, player, objective.deadline_ms or profile.deadline_ms, busy=closed_loop)
        sessions[name] = _play_closed(replay, profile) if closed_loop else _play_open(replay, profile)
        sessions[name].duration_s = max(sessions[name].duration_s, trace.duration_s)
    return sessions


def _play_open(replay: _Replay, profile: Profile) -> Session:
    """Every frame is judged on its own: neither the device nor the link is kept busy by the others."""
    for index in range(replay.session.frames):
        captured_s = index * profile.frame_every_s
        replay.answer(captured_s, captured_s)
    return replay.session


def _play_closed(replay: _Replay, profile: Profile) -> Session:
    """One frame at a time, as an app's loop has it: when one is answered the newest is next, older ones are dropped."""
    every_s, frames = profile.frame_every_s, replay.session.frames
    index, now = 0, 0.0
    while index < frames:
        now = replay.answer(index * every_s, max(now, index * every_s))
        newest = int(now / every_s + 1e-9)
        index = max(index + 1, min(newest, frames - 1))
    replay.session.duration_s = now
    return replay.session
