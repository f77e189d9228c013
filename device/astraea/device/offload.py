"""Answering one frame: decide, try, fall back, learn.

The policy decides, the remote targets and the local engine do; here they meet. Everything runs on one event loop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, perf_counter

from astraea.protocol import Result

from .answer import NO_ANSWER, Answer, read_reply
from .camera import Frame
from .codec import JPEG_MEDIA_TYPE, check_picture, encode
from .decision import LOCAL, Decision, Policy
from .encoding import Encoding, Size
from .engine import LocalEngine
from .errors import CorruptError, TransportError, UnreachableError
from .events import Events, FrameAnswered, TargetSwitched
from .snapshot import TargetState
from .targets import Targets
from .tasks import Tasks
from .trace import traceparent


class Offloader:
    """Answers frames, on the device or remotely.

    Attributes:
        answered: frames that somebody answered.
        unanswered: frames that nobody could answer.
        in_flight: frames that are being answered.

    Args:
        policy: decides where.
        targets: the remote ones, measured by the same policy.
        engine: answers on the device; None for a device without a model.
        encoding: how frames are compressed for sending.
        events: hears of every frame.
    """

    def __init__(
        self, policy: Policy, targets: Targets, engine: LocalEngine | None, *, encoding: Encoding, events: Events
    ) -> None:
        self.answered = self.unanswered = self.in_flight = 0
        self._policy = policy
        self._targets = targets
        self._engine = engine
        self._encoding = encoding
        self._events = events
        self._tasks = Tasks()
        self._current: str | None = None
        self._size: Size | None = None

    async def start(self) -> None:
        """Measure what can be measured before the first frame."""
        if self._engine is not None:
            self._policy.observe_local(await self._engine.warm_up())
        await self._targets.start()

    async def close(self) -> None:
        """Give up what is under way and let go of every connection."""
        await self._tasks.cancel()
        await self._targets.close()

    async def answer(self, frame: Frame, passed: Callable[[], None] = lambda: None) -> Result:
        """Answer one frame. Never raises for want of a target: the result says why there is no answer.

        Args:
            frame: the frame.
            passed: called when the next frame may follow without queueing behind this one, unless that is only when
                this one is answered. It may be called more than once, and late.

        Raises:
            DeviceError: the image is no picture.
        """
        check_picture(frame.image)
        start = perf_counter()
        decision = self._decide(frame)
        self.in_flight += 1
        try:
            answer = await self._try(frame, decision, passed)
            failure = None
        except TransportError as error:
            answer = NO_ANSWER
            failure = str(error)
        finally:
            self.in_flight -= 1
        result = Result(
            seq=frame.seq,
            captured_at=frame.captured_at,
            trace_id=frame.trace_id,
            predicted_ms=decision.predicted_ms if decision else 0.0,
            actual_ms=(perf_counter() - start) * 1000,
            age_ms=max(0.0, (monotonic() - frame.captured_at) * 1000),
            failure=failure,
            **answer._asdict(),
        )
        self.answered += result.answered
        self.unanswered += not result.answered
        self._events.emit(FrameAnswered(result))
        return result

    def target_states(self) -> tuple[TargetState, ...]:
        """What is believed of each target, for a frame like the last one."""
        now = monotonic()
        estimates = self._policy.estimates(self._size, now=now, local_queue=self._local_queue) if self._size else {}
        states = []
        if self._engine is not None:
            ms, spread_ms = estimates.get(LOCAL, (None, None))
            states.append(TargetState(LOCAL, "device", True, self._current == LOCAL, ms, spread_ms))  # noqa: FBT003 - usable
        for target in self._targets:
            ms, spread_ms = estimates.get(target.name, (None, None))
            link = self._policy.link(target.name)
            known = link is not None and link.samples > 0
            states.append(
                TargetState(
                    target.name,
                    target.tier,
                    target.name in estimates,
                    target.name == self._current,
                    ms,
                    spread_ms,
                    target.url,
                    link.rtt_ms if link and known else None,
                    link.uplink_mbps if link and known else None,
                )
            )
        return tuple(states)

    @property
    def _local_queue(self) -> int:
        return self._engine.pending if self._engine else 0

    def _decide(self, frame: Frame) -> Decision | None:
        self._size = _size(frame)
        decision = self._policy.decide(self._size, now=monotonic(), local_queue=self._local_queue)
        if decision is not None and decision.target != self._current:
            self._events.emit(TargetSwitched(self._current, decision.target, decision.predicted_ms))
            self._current = decision.target
        return decision

    async def _try(self, frame: Frame, decision: Decision | None, passed: Callable[[], None]) -> Answer:
        if decision is None:
            raise UnreachableError("no edge server is known, and the device has no model of its own")
        if decision.target == LOCAL:
            return await self._locally(frame)
        remote = self._tasks.spawn(self._remotely(frame, decision.target, decision.give_up_ms, passed))
        await asyncio.wait([remote], timeout=decision.patience_ms / 1000 if self._engine else None)
        if not remote.done():
            return await self._hedge(frame, decision, remote)
        try:
            return remote.result()
        except TransportError as error:
            return await self._fall_back(frame, decision, error)

    async def _hedge(self, frame: Frame, decision: Decision, remote: asyncio.Task[Answer]) -> Answer:
        """The device starts on the frame too, and whoever is first has answered it."""
        local = self._tasks.spawn(self._locally(frame))
        await asyncio.wait([remote, local], return_when=asyncio.FIRST_COMPLETED)
        if remote.done() and remote.exception() is None:
            return remote.result()._replace(hedged=True)
        # The remote exchange goes on behind the scenes: its end, good or bad, tells what the link has become.
        answer = (await local)._replace(hedged=True)
        if decision.patience_ms == 0:
            return answer  # a race that the device was meant to run
        return answer._replace(fallback=f"nothing from {decision.target} after {decision.patience_ms:.0f} ms")

    async def _fall_back(self, frame: Frame, decision: Decision, error: TransportError) -> Answer:
        """The device answers what a remote target could not; without a model of its own, the next target."""
        if self._engine is not None:
            return (await self._locally(frame))._replace(fallback=str(error))
        for target in self._targets:
            if target.name != decision.target:
                with suppress(TransportError):
                    answer = await self._remotely(frame, target.name, decision.give_up_ms)
                    return answer._replace(fallback=str(error))
        raise error

    async def _locally(self, frame: Frame) -> Answer:
        assert self._engine is not None  # noqa: S101 - the policy offers LOCAL only with an engine
        detections, ms = await self._engine.infer(frame.image)
        self._policy.observe_local(ms)
        return Answer("device", tuple(detections))

    async def _remotely(
        self, frame: Frame, name: str, give_up_ms: float, passed: Callable[[], None] = lambda: None
    ) -> Answer:
        start = perf_counter()
        payload = await asyncio.to_thread(encode, frame.image, self._encoding)
        encode_ms = (perf_counter() - start) * 1000
        self._policy.observe_encoding(_size(frame), self._encoding, len(payload), encode_ms)
        asyncio.get_running_loop().call_later(self._targets.pace_s(name, len(payload)), passed)
        exchange = await self._targets.send(
            name, payload, JPEG_MEDIA_TYPE, give_up_ms=give_up_ms, traceparent=traceparent(frame.trace_id)
        )
        try:
            answer = read_reply(exchange.reply, exchange.target, bytes_sent=len(payload), encode_ms=encode_ms)
        except CorruptError as error:
            self._targets.failed(name, exchange.sent_at, error)
            raise
        self._targets.succeeded(exchange)
        return answer


def _size(frame: Frame) -> Size:
    return Size(width=frame.image.shape[1], height=frame.image.shape[0])
