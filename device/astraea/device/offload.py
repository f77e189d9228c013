"""The frame loop's asynchronous core: decide, try, fall back, learn.

Policy decides, transports and the local engine do; here the two meet. Everything runs on one event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json

from astraea.protocol import Detection, Detections, Result, ServerTiming, Tier

from .camera import Frame
from .candidates import CandidateSource, RemoteTarget
from .codec import JPEG_MEDIA_TYPE, Encoding, encode
from .engine import LocalEngine
from .errors import BrokerError, CorruptError, DeviceError, LateError, TransportError, UnreachableError
from .policy import LOCAL, Decision, Policy, Probe
from .transport import Reply, Transport

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_TICK_S = 0.1
"""How often the policy is asked for probes."""
_PROBE_TIMEOUT_S = 1.0
_REFRESH_S = 5.0
_REFRESH_IN_NEED_S = 1.0
"""When no candidate is usable, ask again sooner: a restarted instance has another id."""


class _Answer(NamedTuple):
    """What a target said, before it becomes a Result."""

    tier: Tier | None
    detections: tuple[Detection, ...] | None
    output: Any = None
    bytes_sent: int = 0
    server: ServerTiming | None = None
    instance: str | None = None
    revision: str | None = None
    fallback: str | None = None


class _Way(NamedTuple):
    target: RemoteTarget
    transport: Transport


class Offloader:
    """Answers frames, on the device or remotely.

    Args:
        source: tells the remote targets.
        engine: answers on the device; None for a device without a model.
        transport: opens the way to an instance's address.
        encoding: how frames are compressed for sending.
    """

    def __init__(
        self,
        source: CandidateSource,
        engine: LocalEngine | None,
        *,
        transport: Callable[[str], Transport],
        encoding: Encoding,
    ) -> None:
        self.policy = Policy(local=engine is not None)
        self._source = source
        self._engine = engine
        self._connect = transport
        self._encoding = encoding
        self._ways: dict[str, _Way] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Find the candidates, measure what can be measured before the first frame, and keep doing so."""
        if self._engine is not None:
            self.policy.observe_local(await self._engine.warm_up())
        await self._refresh()
        for _ in range(3):  # first contact, then what it takes to call a link settled
            await asyncio.gather(*self._send_probes())
        self._spawn(self._keep_probing())
        self._spawn(self._keep_refreshing())

    async def close(self) -> None:
        """Give up what is under way and let go of every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for way in self._ways.values():
            await way.transport.close()
        await self._source.close()

    async def answer(self, frame: Frame) -> Result:
        """Answer one frame. Never raises for want of a target: the result says why there is no answer.

        Raises:
            DeviceError: the image is no picture.
        """
        start = perf_counter()
        queue = self._engine.pending if self._engine else 0
        decision = self.policy.decide(_pixels(frame), now=monotonic(), local_queue=queue)
        try:
            answer = await self._try(frame, decision)
            failure = None
        except TransportError as error:
            answer = _Answer(tier=None, detections=None)
            failure = str(error)
        return Result(
            seq=frame.seq,
            captured_at=frame.captured_at,
            predicted_ms=decision.predicted_ms if decision else 0.0,
            actual_ms=(perf_counter() - start) * 1000,
            failure=failure,
            **answer._asdict(),
        )

    async def _try(self, frame: Frame, decision: Decision | None) -> _Answer:
        if decision is None:
            raise UnreachableError("no edge server is known, and the device has no model of its own")
        if decision.target == LOCAL:
            return await self._locally(frame)
        remote = self._spawn(self._remotely(frame, decision.target, decision.give_up_ms / 1000))
        await asyncio.wait([remote], timeout=decision.patience_ms / 1000 if self._engine else None)
        if not remote.done():
            return await self._hedge(frame, decision, remote)
        try:
            return remote.result()
        except TransportError as error:
            return await self._fall_back(frame, decision, error)

    async def _hedge(self, frame: Frame, decision: Decision, remote: asyncio.Task[_Answer]) -> _Answer:
        """The device starts on the frame too, and whoever is first has answered it."""
        local = self._spawn(self._locally(frame))
        await asyncio.wait([remote, local], return_when=asyncio.FIRST_COMPLETED)
        if remote.done() and remote.exception() is None:
            return remote.result()
        # The remote exchange goes on behind the scenes: its end, good or bad, tells what the link has become.
        answer = await local
        if decision.patience_ms == 0:
            return answer  # a race that the device was meant to run
        return answer._replace(fallback=f"nothing from {decision.target} after {decision.patience_ms:.0f} ms")

    async def _fall_back(self, frame: Frame, decision: Decision, error: TransportError) -> _Answer:
        """The device answers what a remote target could not; without a model of its own, the next target."""
        if self._engine is not None:
            return (await self._locally(frame))._replace(fallback=str(error))
        for target in [name for name in self._ways if name != decision.target]:
            with suppress(TransportError):
                answer = await self._remotely(frame, target, decision.give_up_ms / 1000)
                return answer._replace(fallback=str(error))
        raise error

    async def _locally(self, frame: Frame) -> _Answer:
        assert self._engine is not None  # noqa: S101 - the policy offers LOCAL only with an engine
        detections, ms = await self._engine.infer(frame.image)
        self.policy.observe_local(ms)
        return _Answer("device", tuple(detections))

    async def _remotely(self, frame: Frame, name: str, give_up_s: float) -> _Answer:
        start = perf_counter()
        payload = await asyncio.to_thread(encode, frame.image, self._encoding)
        self.policy.observe_encoding(_pixels(frame), len(payload), (perf_counter() - start) * 1000)
        sent_at = monotonic()
        self.policy.observe_sent(name, size_bytes=len(payload), now=sent_at)
        try:
            way, reply = await self._exchange(name, payload, give_up_s)
            answer = _read(reply, way.target, len(payload))
        except LateError:
            self.policy.observe_silence(name, sent_at=sent_at)
            raise
        except TransportError:
            self.policy.observe_failure(name, sent_at=sent_at, now=monotonic())
            raise
        self.policy.observe_answer(
            name,
            size_bytes=len(payload),
            network_ms=reply.network_ms,
            server_ms=reply.server.total_ms,
            sent_at=sent_at,
            now=monotonic(),
        )
        return answer

    async def _exchange(self, name: str, payload: bytes, give_up_s: float) -> tuple[_Way, Reply]:
        way = self._ways.get(name)
        if way is None:
            raise UnreachableError(f"{name} is no candidate any more")
        try:
            async with asyncio.timeout(give_up_s):
                return way, await way.transport.send(payload, JPEG_MEDIA_TYPE)
        except TimeoutError:
            raise LateError(f"no answer from {name} within {give_up_s:.1f} s") from None

    def _send_probes(self) -> list[asyncio.Task[None]]:
        return [self._spawn(self._probe(probe)) for probe in self.policy.probes(monotonic())]

    async def _probe(self, probe: Probe) -> None:
        way = self._ways.get(probe.target)
        if way is None:
            return
        sent_at = monotonic()
        self.policy.observe_sent(probe.target, size_bytes=probe.size_bytes, now=sent_at)
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                reply = await way.transport.probe(bytes(probe.size_bytes))
        except (TimeoutError, LateError):
            self.policy.observe_silence(probe.target, sent_at=sent_at)
        except TransportError as error:
            _log.debug("probe of %s: %s", probe.target, error)
            self.policy.observe_failure(probe.target, sent_at=sent_at, now=monotonic())
        else:
            self.policy.observe_probe(
                probe.target,
                size_bytes=probe.size_bytes,
                network_ms=reply.network_ms,
                sent_at=sent_at,
                now=monotonic(),
            )

    async def _keep_probing(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._send_probes()

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S if self.policy.has_remote else _REFRESH_IN_NEED_S)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            found = await self._source.candidates()
        except BrokerError as error:
            _log.info("%s; going on with the candidates known", error)
            return
        if not found:
            return  # a broker that just restarted knows nobody yet; probes tell who is really gone
        for name, way in list(self._ways.items()):
            if way.target not in found:
                del self._ways[name]
                await way.transport.close()
        for target in found:
            if target.name not in self._ways:
                self._ways[target.name] = _Way(target, self._connect(target.url))
        self.policy.offer(self._ways)

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, DeviceError):
            _log.error("a background task failed", exc_info=error)


def _pixels(frame: Frame) -> int:
    return int(frame.image.shape[0] * frame.image.shape[1])


def _read(reply: Reply, target: RemoteTarget, bytes_sent: int) -> _Answer:
    try:
        document = from_json(reply.body)
        detects = isinstance(document, dict) and "detections" in document
        detections = Detections.model_validate(document).detections if detects else None
    except ValueError as error:
        raise CorruptError(f"{target.name} sent no answer: {str(error).splitlines()[0]}") from None
    return _Answer(
        tier=target.tier,
        detections=detections,
        output=None if detects else document,
        bytes_sent=bytes_sent,
        server=reply.server,
        instance=reply.instance or target.name,
        revision=reply.revision,
    )
