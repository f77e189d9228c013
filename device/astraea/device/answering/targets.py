"""The remote targets of a client: who they are, a way open to each, and what the ways are like."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location

from ..candidates import CandidateSource, Measured, RemoteTarget, Roster
from ..codec import JPEG_MEDIA_TYPE, Payload, encode
from ..decision import Policy, Probe
from ..decision.estimates import Recent
from ..encoding import Encoding
from ..errors import LateError, TransportError, UnreachableError
from ..events import CandidatesChanged, Events, TargetBack, TargetLost
from ..tasks import Tasks
from ..transports import PictureEncoder, Reply, Transport, VideoTransport

_log = logging.getLogger(__name__)

_TICK_S = 0.1
"""How often the policy is asked for probes."""
_VIDEO_TICK_S = 0.5
"""How often it is asked whether a target should get a video."""
_PROBE_TIMEOUT_S = 1.0
_REPORT_EVERY_S = 30.0
"""Often enough for whoever watches a canary."""
_LINGER_S = 2.0
_FIRST_PROBES = 3
"""First contact, then what it takes to call a link settled."""


class Exchange(NamedTuple):
    """A frame sent and answered; report it by `Targets.succeeded` or `Targets.failed`."""

    target: RemoteTarget
    reply: Reply
    encoding: Encoding
    size_bytes: int
    sent_at: float


@dataclass(frozen=True, slots=True)
class _Way:
    target: RemoteTarget
    transport: Transport
    infer_ms: Recent = field(default_factory=Recent)
    """What the server's model took for the last frames."""


class Targets:
    """Keeps the candidates fresh, a transport to each, and the policy told of what comes back.

    Args:
        source: tells the candidates.
        policy: learns from every exchange, and says which probes to send.
        connect: opens the way to an instance's address.
        events: hears of what changes.
    """

    def __init__(
        self, source: CandidateSource, policy: Policy, connect: Callable[[str], Transport], events: Events
    ) -> None:
        self._roster = Roster(source, self._offer, events)
        self._policy = policy
        self._connect = connect
        self._events = events
        self._ways: dict[str, _Way] = {}
        self._lost: set[str] = set()
        self._in_use: str | None = None
        self._frames, self._missed = Counter[str](), Counter[str]()
        """Of each target since the last report."""
        self._tasks = Tasks()

    @property
    def broker_failure(self) -> str | None:
        """Why candidates could not be had last time; None while they can."""
        return self._roster.failure

    def __iter__(self) -> Iterator[RemoteTarget]:
        """Those known now, the best first."""
        return iter([way.target for way in self._ways.values()])

    async def start(self) -> None:
        """Find the candidates, measure the ways to them, and keep doing so."""
        await self._roster.refresh(None)
        for _ in range(_FIRST_PROBES):
            await asyncio.gather(*self._send_probes())
        self._tasks.spawn(self._keep_probing())
        self._tasks.spawn(self._keep_reporting())
        self._tasks.spawn(self._keep_videos())
        self._tasks.spawn(self._roster.keep_fresh(lambda: self._in_use, lambda: self._policy.has_remote))

    async def close(self) -> None:
        """Give up what is under way and let go of every connection."""
        await self._tasks.cancel()
        for way in self._ways.values():
            await way.transport.close()
        await self._roster.close()

    async def move(self, location: Location) -> None:
        """The device is somewhere else now: look whether others are nearer."""
        await self._roster.move(location, self._in_use)

    def encode(self, name: str, image: NDArray[np.uint8], encoding: Encoding) -> Payload:
        """A frame as the way to a target carries it; any thread may."""
        way = self._ways.get(name)
        if way is not None and isinstance(way.transport, PictureEncoder):
            return way.transport.encode(image, encoding)
        return Payload(encode(image, encoding), JPEG_MEDIA_TYPE)

    async def send(
        self, name: str, payload: Payload, encoding: Encoding, *, give_up_ms: float, traceparent: str
    ) -> Exchange:
        """Have a target answer a frame that was encoded so.

        Raises:
            TransportError: it did not, of which the policy has been told.
        """
        self._in_use = name
        sent_at = monotonic()
        self._policy.observe_sent(name, size_bytes=len(payload.data), now=sent_at, encoding=encoding)
        try:
            way = self._ways.get(name)
            if way is None:
                raise UnreachableError(f"{name} is no candidate any more")
            async with asyncio.timeout(give_up_ms / 1000):
                reply = await way.transport.send(
                    payload.data, payload.media_type, deadline_ms=give_up_ms, traceparent=traceparent
                )
        except TimeoutError:
            late = LateError(f"no answer from {name} within {give_up_ms / 1000:.1f} s")
            self.failed(name, sent_at, late)
            raise late from None
        except TransportError as error:
            self.failed(name, sent_at, error)
            raise
        return Exchange(way.target, reply, encoding, len(payload.data), sent_at)

    def pace_s(self, name: str, size_bytes: int) -> float:
        """How long a frame takes to pass the narrowest part of its way: the uplink, or the server's model."""
        link, way = self._policy.link(name), self._ways.get(name)
        if link is None or way is None:
            return 0.0
        return max(link.upload_ms(size_bytes), way.infer_ms.median if way.infer_ms else 0.0) / 1000

    def succeeded(self, exchange: Exchange) -> None:
        """An exchange brought a good answer."""
        self._policy.observe_answer(
            exchange.target.name,
            size_bytes=exchange.size_bytes,
            network_ms=exchange.reply.network_ms,
            server_ms=exchange.reply.server.total_ms,
            sent_at=exchange.sent_at,
            now=monotonic(),
            encoding=exchange.encoding,
        )
        if way := self._ways.get(exchange.target.name):
            way.infer_ms.observe(exchange.reply.server.infer_ms)
        self._heard(exchange.target.name)

    def came_of(self, name: str, *, missed: bool) -> None:
        """A frame that a target was to answer is done with; `missed` if it did not, or not in time."""
        self._frames[name] += 1
        self._missed[name] += missed

    def failed(self, name: str, sent_at: float, error: TransportError) -> None:
        """What was sent at that time brought no answer, or a bad one."""
        if isinstance(error, LateError):
            self._policy.observe_silence(name, sent_at=sent_at)
        else:
            self._policy.observe_failure(name, sent_at=sent_at, now=monotonic())
        if name not in self._lost:
            self._lost.add(name)
            self._roster.need()
            self._events.emit(TargetLost(name, str(error)))

    def _heard(self, name: str) -> None:
        if name in self._lost:
            self._lost.remove(name)
            self._events.emit(TargetBack(name))

    def _send_probes(self) -> list[asyncio.Task[None]]:
        return [self._tasks.spawn(self._probe(probe)) for probe in self._policy.probes(monotonic())]

    async def _probe(self, probe: Probe) -> None:
        way = self._ways.get(probe.target)
        if way is None:
            return
        sent_at = monotonic()
        self._policy.observe_sent(probe.target, size_bytes=probe.size_bytes, now=sent_at)
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                reply = await way.transport.probe(bytes(probe.size_bytes))
        except TimeoutError:
            self.failed(probe.target, sent_at, LateError(f"no answer to a probe within {_PROBE_TIMEOUT_S:.1f} s"))
        except TransportError as error:
            self.failed(probe.target, sent_at, error)
        else:
            self._policy.observe_probe(
                probe.target,
                size_bytes=probe.size_bytes,
                network_ms=reply.network_ms,
                sent_at=sent_at,
                now=monotonic(),
            )
            self._heard(probe.target)

    async def _keep_probing(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._send_probes()

    async def _keep_videos(self) -> None:
        while True:
            await asyncio.sleep(_VIDEO_TICK_S)
            ways = {name: way.transport for name, way in self._ways.items()}
            videos = {name: transport for name, transport in ways.items() if isinstance(transport, VideoTransport)}
            wanted = self._policy.video_wanted(monotonic()) if videos else None
            for name, transport in videos.items():
                transport.want_video(name == wanted)
                self._policy.offer_video(name, ready=transport.has_video)

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            links = {name: self._policy.link(name) for name in self._ways}
            known = [
                Measured(name, link.rtt_ms, link.uplink_mbps, self._frames.pop(name, 0), self._missed.pop(name, 0))
                for name, link in links.items()
                if link and link.settled
            ]
            await self._roster.report(known)

    def _offer(self, found: list[RemoteTarget]) -> None:
        if found == list(self):
            return
        before, self._ways = self._ways, {}
        for target in found:
            known = before.get(target.name)
            if known is not None and known.target.url == target.url:
                self._ways[target.name] = replace(before.pop(target.name), target=target)
            else:
                self._ways[target.name] = _Way(target, self._connect(target.url))
        self._policy.offer(self._ways, {target.name: target.price for target in found if target.price is not None})
        self._lost.intersection_update(self._ways)
        self._events.emit(CandidatesChanged(tuple(self._ways)))
        for way in before.values():
            self._tasks.spawn(_retire(way))


async def _retire(way: _Way) -> None:
    """Let go of a way when what is under way on it has had its time."""
    try:
        await asyncio.sleep(_LINGER_S)
    finally:
        await way.transport.close()
