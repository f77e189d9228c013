"""Frames that need no answer of their own, and answers of the device that need a second opinion."""

from math import inf
from time import monotonic

from astraea.protocol import Result

from ..camera import Frame
from ..decision import LOCAL, ConfidenceGate, Decision, MotionGate, Policy
from ..engine import LocalEngine
from ..errors import DeviceError, TargetError
from .answer import Answer
from .attempts import Attempts, Passed, age_ms, size_of


class StillScene:
    """Gives the last answer again for as long as nothing moves.

    Args:
        gate: sees motion.
    """

    def __init__(self, gate: MotionGate) -> None:
        self._gate = gate
        self._last: Result | None = None

    def changed(self, frame: Frame) -> float:
        """The share of its picture, 0 to 1, that differs from the last one answered."""
        return self._gate.changed(frame.image)

    def repeat(self, frame: Frame, changed: float) -> Result | None:
        """The last answer as this frame's, of which so much has changed; None when it needs one of its own."""
        last = self._last
        if last is None or not self._gate.is_still(changed, frame.captured_at):
            return None
        return Result(
            seq=frame.seq,
            captured_at=frame.captured_at,
            trace_id=frame.trace_id,
            tier=last.tier,
            instance=last.instance,
            revision=last.revision,
            detections=last.detections,
            output=last.output,
            repeats=last.seq,
            predicted_ms=0.0,
            actual_ms=0.0,
            age_ms=age_ms(frame),
            deadline_ms=last.deadline_ms,
        )

    def answered(self, frame: Frame, result: Result) -> None:
        """A frame has its own answer; the newest one is repeated."""
        if result.answered and (self._last is None or result.captured_at >= self._last.captured_at):
            self._last = result
            self._gate.answered(frame.image, frame.captured_at)


class SecondOpinions:
    """Has the device answer every frame, and a remote target look again at those that it finds hard.

    Args:
        gate: doubts.
        policy: says who can look again within the deadline.
        attempts: asks the device and the others.
        deadline_ms: from capture to answer.
    """

    def __init__(self, gate: ConfidenceGate, policy: Policy, attempts: Attempts, deadline_ms: float) -> None:
        self._gate = gate
        self._policy = policy
        self._attempts = attempts
        self._deadline_ms = deadline_ms

    def first(self, decision: Decision) -> Decision:
        """The decision that lets the device begin."""
        own_ms = decision.expected_ms.get(LOCAL, decision.predicted_ms)
        return decision._replace(target=LOCAL, predicted_ms=own_ms, patience_ms=inf)

    async def answer(self, frame: Frame, decision: Decision, passed: Passed, changed: float) -> Answer:
        """The device's own answer, or a better one of a remote target in time.

        Args:
            frame: the frame.
            decision: lets the device begin.
            passed: see Attempts.answer.
            changed: the share of the picture that differs from the last one answered.

        Raises:
            TargetError: the device's model failed, and nobody else could answer.
        """
        own = await self._attempts.answer(frame, decision, passed)
        if passed is not None:
            passed()
        answer = await self._second(frame, own, changed) if own.tier == "device" else own
        self._gate.answered(answer.detections or ())
        return answer

    async def _second(self, frame: Frame, own: Answer, changed: float) -> Answer:
        doubt = self._gate.doubt(own.detections or (), changed)
        left_ms = self._deadline_ms - age_ms(frame)
        if doubt is None or left_ms <= 0:
            return own._replace(doubt=doubt)
        decision = self._policy.second_opinion(size_of(frame), now=monotonic(), left_ms=left_ms)
        if decision is None:
            return own._replace(doubt=doubt)
        try:
            return (await self._attempts.ask(frame, decision))._replace(doubt=doubt)
        except TargetError as error:
            return own._replace(doubt=doubt, fallback=str(error))


def second_opinions(
    gate: ConfidenceGate, policy: Policy, attempts: Attempts, engine: LocalEngine | None
) -> SecondOpinions:
    """For a device that can answer by itself, within the objective's deadline.

    Raises:
        DeviceError: it can't, or there is no deadline.
    """
    deadline_ms = policy.objective.deadline_ms
    if engine is None:
        raise DeviceError("a gate of confidence needs a model on the device", hint="for instance local='plates'")
    if deadline_ms is None:
        raise DeviceError("a gate of confidence needs a deadline", hint="objective=Objective(deadline_ms=500)")
    return SecondOpinions(gate, policy, attempts, deadline_ms)
