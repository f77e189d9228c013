"""Answering one frame: decide, have it answered, say how it came about."""

from time import monotonic, perf_counter

from astraea.protocol import Result

from ..camera import Frame
from ..codec import check_picture
from ..decision import LOCAL, ConfidenceGate, Decision, MotionGate, Policy
from ..encoding import Size
from ..engine import LocalEngine
from ..errors import TargetError, UnreachableError
from ..events import Events, FrameAnswered, TargetSwitched
from ..snapshot import TargetState, target_states
from .answer import NO_ANSWER, Answer
from .attempts import Attempts, Passed, age_ms, size_of
from .gating import StillScene, second_opinions
from .targets import Targets


class Offloader:
    """Answers frames, on the device or remotely. It belongs to one event loop.

    Attributes:
        answered: frames that somebody answered.
        unanswered: frames that nobody could answer.
        in_flight: frames that are being answered.

    Args:
        policy: decides where.
        targets: the remote ones, measured by the same policy.
        engine: answers on the device; None for a device without a model.
        events: hears of every frame.
        motion: sees which frames need no answer of their own.
        confidence: doubts the device's answers; None when the policy alone chooses who answers.

    Raises:
        DeviceError: there is a gate of confidence, but no model on the device, or no deadline.
    """

    def __init__(
        self,
        policy: Policy,
        targets: Targets,
        engine: LocalEngine | None,
        events: Events,
        *,
        motion: MotionGate | None = None,
        confidence: ConfidenceGate | None = None,
    ) -> None:
        self.answered = self.unanswered = self.in_flight = 0
        self._policy = policy
        self._targets = targets
        self._engine = engine
        self._events = events
        self._attempts = Attempts(policy, targets, engine)
        self._still = StillScene(motion) if motion else None
        self._second = second_opinions(confidence, policy, self._attempts, engine) if confidence else None
        self._current: str | None = None
        self._size: Size | None = None

    async def start(self) -> None:
        """Measure what can be measured before the first frame.

        Raises:
            LocalModelError: the device's own model fails of any picture.
        """
        if self._engine is not None:
            self._policy.observe_local(await self._engine.warm_up())
        await self._targets.start()

    async def close(self) -> None:
        """Give up what is under way and let go of every connection."""
        await self._attempts.close()
        await self._targets.close()

    async def answer(self, frame: Frame, passed: Passed = None) -> Result:
        """Answer one frame. Never raises for want of a target: the result says why there is no answer.

        Args:
            frame: the frame.
            passed: called when the next frame may follow without queueing behind this one, unless that is only when
                this one is answered. It may be called more than once, and late.

        Raises:
            DeviceError: the image is no picture.
        """
        check_picture(frame.image)
        changed = self._still.changed(frame) if self._still else 0.0
        result = self._still.repeat(frame, changed) if self._still else None
        if result is None:
            self.in_flight += 1
            try:
                result = await self._answer(frame, passed, changed)
            finally:
                self.in_flight -= 1
            if self._still:
                self._still.answered(frame, result)
        self.answered += result.answered
        self.unanswered += not result.answered
        self._events.emit(FrameAnswered(result))
        return result

    def target_states(self) -> tuple[TargetState, ...]:
        """What is believed of each target, for a frame like the last one."""
        return target_states(self._policy, self._targets, self._size, self._current, self._local_queue)

    @property
    def _local_queue(self) -> int:
        return self._engine.pending if self._engine else 0

    def _decide(self, frame: Frame) -> Decision | None:
        self._size = size_of(frame)
        decision = self._policy.decide(self._size, now=monotonic(), local_queue=self._local_queue, age_ms=age_ms(frame))
        if decision is not None and self._second is not None:
            decision = self._second.first(decision)
        if decision is not None and decision.target != self._current:
            self._events.emit(TargetSwitched(self._current, decision.target, decision.predicted_ms))
            self._current = decision.target
        return decision

    async def _answer(self, frame: Frame, passed: Passed, changed: float) -> Result:
        start = perf_counter()
        decision = self._decide(frame)
        failure = None
        try:
            answer = await self._attempt(frame, decision, passed, changed)
        except TargetError as error:
            answer, failure = NO_ANSWER, str(error)
        result = Result(
            seq=frame.seq,
            captured_at=frame.captured_at,
            trace_id=frame.trace_id,
            predicted_ms=decision.predicted_ms if decision else 0.0,
            actual_ms=(perf_counter() - start) * 1000,
            age_ms=age_ms(frame),
            deadline_ms=self._policy.objective.deadline_ms,
            failure=failure,
            **answer._asdict(),
        )
        if decision is not None and decision.target != LOCAL:
            missed = not result.answered or result.fallback is not None or result.deadline_met is False
            self._targets.came_of(decision.target, missed=missed)
        return result

    async def _attempt(self, frame: Frame, decision: Decision | None, passed: Passed, changed: float) -> Answer:
        if decision is None:
            raise UnreachableError("no edge server is known, and the device has no model of its own")
        if self._second:
            return await self._second.answer(frame, decision, passed, changed)
        return await self._attempts.answer(frame, decision, passed)
