"""A camera's frames in virtual time: a player decides on each, and hears of what comes of it when it has come."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import ceil, inf
from typing import NamedTuple

from ..policy import LOCAL, Decision, Probe
from .players import EDGE, Player, players
from .profile import Profile
from .trace import Trace
from .world import Exchange, World

_TICK_S = 0.1
"""How often a client asks its policy for probes."""
_PROBE_TIMEOUT_S = 1.0
_WARM_UP_S = 1.0
"""A client measures before its first frame; this is ample for it."""
_PIXELS = 640 * 480
"""Of a frame; only that all have as many matters here."""


class Answered(NamedTuple):
    """What became of one frame."""

    captured_s: float
    target: str
    """Where it was sent first."""
    response_ms: float
    """From its capture to its first answer."""
    hedged: bool
    """Whether the device began on it too because the edge was overdue."""


@dataclass
class Session:
    """All of one player's frames on one trace."""

    frames: int
    answers: list[Answered] = field(default_factory=list)
    probe_bytes: int = 0
    duration_s: float = 0.0
    """From the first capture to the last capture or answer."""


class _Replay:
    def __init__(self, world: World, player: Player, *, busy: bool) -> None:
        self.session = Session(max(1, ceil(world.trace.duration_s * world.profile.fps - 1e-9)))
        self._world = world
        self._player = player
        self._busy = busy
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
        decision = self._player.decide(_PIXELS, now=now, local_queue=ceil(waiting_s * 1000 / self._local_ms))
        assert decision is not None  # noqa: S101 - there is always the device
        if decision.target == LOCAL:
            answered_s, hedged = self._locally(now), False
        else:
            answered_s, hedged = self._remotely(decision, now)
        response_ms = (answered_s - captured_s) * 1000
        self.session.answers.append(Answered(captured_s, decision.target, response_ms, hedged))
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

    def _locally(self, now: float) -> float:
        start_s = max(now, self._device_free_s) if self._busy else now
        self._device_free_s = start_s + self._local_ms / 1000
        self._at(self._device_free_s, lambda _: self._player.observe_local(self._local_ms))
        return self._device_free_s

    def _remotely(self, decision: Decision, now: float) -> tuple[float, bool]:
        """When the answer comes, and whether the device had to help."""
        profile = self._world.profile
        exchange = self._world.occupy(self._world.frame(now))
        sent_s = now + profile.encode_ms / 1000
        self._at(sent_s, self._sent)
        overdue_s, give_up_s = now + decision.patience_ms / 1000, now + decision.give_up_ms / 1000
        answered_s = now + exchange.response_s
        self._learn_of(exchange, sent_s, give_up_s)
        if answered_s <= overdue_s:
            return answered_s, False
        local_s = self._locally(overdue_s)
        return min(local_s, answered_s if answered_s <= give_up_s else inf), True

    def _sent(self, now: float) -> None:
        profile = self._world.profile
        self._player.observe_encoding(_PIXELS, profile.frame_bytes, profile.encode_ms)
        self._player.observe_sent(EDGE, size_bytes=profile.frame_bytes, now=now)

    def _learn_of(self, exchange: Exchange, sent_s: float, give_up_s: float) -> None:
        if exchange.answered_s > give_up_s:
            if give_up_s < inf:
                self._at(give_up_s, lambda _: self._player.observe_silence(EDGE, sent_at=sent_s))
            return
        profile = self._world.profile
        network_ms = (exchange.answered_s - sent_s) * 1000 - profile.edge_ms
        self._at(
            exchange.answered_s,
            lambda at_s: self._player.observe_answer(
                EDGE,
                size_bytes=profile.frame_bytes,
                network_ms=network_ms,
                server_ms=profile.edge_ms,
                sent_at=sent_s,
                now=at_s,
            ),
        )


def simulate(trace: Trace, profile: Profile, *, closed_loop: bool = False, hedge: bool = True) -> dict[str, Session]:
    """Everyone's session on a trace, by name.

    Args:
        trace: the network.
        profile: the device, the edge and the frames.
        closed_loop: whether the device and the link are kept busy by the frames before.
        hedge: whether the device may begin on a frame that the edge has not answered, as in the client; without it,
            the choice of one target is judged.
    """
    replay = _replay_closed if closed_loop else _replay_open
    sessions = {}
    for name in players(World(trace, profile), hedge=hedge):
        world = World(trace, profile, contended=closed_loop)
        sessions[name] = replay(world, players(world, hedge=hedge)[name])
    return sessions


def _replay_open(world: World, player: Player) -> Session:
    """Every frame is judged on its own: neither the device nor the link is kept busy by the others."""
    replay = _Replay(world, player, busy=False)
    for index in range(replay.session.frames):
        captured_s = index * world.profile.frame_every_s
        replay.answer(captured_s, captured_s)
    replay.session.duration_s = world.trace.duration_s
    return replay.session


def _replay_closed(world: World, player: Player) -> Session:
    """One frame at a time, as an app's loop has it: when one is answered the newest is next, older ones are dropped."""
    replay = _Replay(world, player, busy=True)
    every_s, frames = world.profile.frame_every_s, replay.session.frames
    index, now = 0, 0.0
    while index < frames:
        now = replay.answer(index * every_s, max(now, index * every_s))
        newest = int(now / every_s + 1e-9)
        index = max(index + 1, min(newest, frames - 1))
    replay.session.duration_s = max(now, world.trace.duration_s)
    return replay.session
