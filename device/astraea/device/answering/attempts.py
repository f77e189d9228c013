"""A frame's way to its answer: the target that was chosen for it, and whoever steps in."""

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic, perf_counter

from ..camera import Frame
from ..codec import JPEG_MEDIA_TYPE, Payload
from ..decision import LOCAL, Decision, Policy
from ..encoding import Encoding, Size
from ..engine import LocalEngine
from ..errors import CorruptError, UnreachableError
from ..tasks import Tasks
from ..trace import traceparent
from .answer import Answer, read_reply
from .targets import Targets

_PATIENCE_RATIO = 2.0
"""A target that steps in is late itself after so many times what it was expected to take."""

_SHORT_MS = 5.0
"""An encoding that takes no longer is done on the event loop: it holds others up no more than any thread of Python may
(`sys.getswitchinterval`), and to hand it to another one and back would cost half as much CPU time again."""
_HICCUP_MS = 20.0
"""A scheduler's hiccup: what exceeds a tight bound by no more is not late."""


Passed = Callable[[], None] | None
"""Called when the next frame can follow; None where nobody waits to send one, for the timer wakes a thread."""


def age_ms(frame: Frame) -> float:
    """How old its picture is."""
    return max(0.0, (monotonic() - frame.captured_at) * 1000)


def size_of(frame: Frame) -> Size:
    """Of its picture."""
    return Size(width=frame.image.shape[1], height=frame.image.shape[0])


class Attempts:
    """Has frames answered as decisions say, and tells the policy what came of it.

    Where the chosen target fails, the soonest of the others begins. Where it is late, the device begins as well, or
    without a model of its own another candidate, and the first answer counts. What was overtaken goes on behind the
    scenes: its end, good or bad, tells what the link has become.

    Args:
        policy: learns from every attempt.
        targets: the remote ones.
        engine: answers on the device; None for a device without a model.
    """

    def __init__(self, policy: Policy, targets: Targets, engine: LocalEngine | None) -> None:
        self._policy = policy
        self._targets = targets
        self._engine = engine
        self._tasks = Tasks()

    async def close(self) -> None:
        """Give up what is under way."""
        await self._tasks.cancel()

    async def answer(self, frame: Frame, decision: Decision, passed: Passed) -> Answer:
        """The first good answer; `passed` is called when the next frame can follow without queueing behind this one.

        Raises:
            TargetError: nobody has one. It is what the chosen target failed of.
        """
        others = self._others(decision)
        patience_ms = self._patience_ms(frame, decision) if others else inf
        chosen = self._tasks.spawn(self._ask(decision.target, frame, decision, passed))
        await _wait(chosen, patience_ms)
        late = not chosen.done()
        if not late and chosen.exception() is None:
            return chosen.result()
        if late:
            others.sort(key=lambda name: name != LOCAL)  # what delays one remote answer may delay the next
        reason = f"nothing from {decision.target} after {patience_ms:.0f} ms" if late else str(chosen.exception())
        stand_in = self._tasks.spawn(self._first_of(others, frame, decision))
        winner = await _first_good(chosen, stand_in)
        answer = winner.result()._replace(hedged=late)
        raced = late and patience_ms == 0
        return answer if winner is chosen or raced else answer._replace(fallback=reason)

    async def ask(self, frame: Frame, decision: Decision) -> Answer:
        """The chosen target's answer, and nobody else's.

        Raises:
            TargetError: it has none.
        """
        return await self._ask(decision.target, frame, decision)

    def _others(self, decision: Decision) -> list[str]:
        """Who could step in, the soonest first."""
        names = [LOCAL] if self._engine else []
        names += [target.name for target in self._targets]
        names = [name for name in names if name != decision.target]
        return sorted(names, key=lambda name: decision.expected_ms.get(name, inf))

    def _patience_ms(self, frame: Frame, decision: Decision) -> float:
        """How long to wait before somebody else begins as well."""
        if decision.target == LOCAL:
            return inf
        deadline_ms = self._policy.objective.deadline_ms
        left_ms = inf if deadline_ms is None else max(0.0, deadline_ms - age_ms(frame))
        # When the device steps in is the policy's to say; where it never does, what is later than 99 of 100 is late.
        late_ms = decision.p99_ms + _HICCUP_MS if decision.patience_ms == inf else decision.patience_ms
        return min(late_ms, left_ms)

    async def _first_of(self, names: Sequence[str], frame: Frame, decision: Decision) -> Answer:
        """Ask the first; when it fails or is late, ask the others likewise."""
        if not names:
            raise UnreachableError("there is no other target")
        name, *others = names
        first = self._tasks.spawn(self._ask(name, frame, decision))
        await _wait(first, _PATIENCE_RATIO * decision.expected_ms.get(name, inf) if others and name != LOCAL else inf)
        if first.done() and first.exception() is None:
            return first.result()
        return (await _first_good(first, self._tasks.spawn(self._first_of(others, frame, decision)))).result()

    async def _ask(self, name: str, frame: Frame, decision: Decision, passed: Passed = None) -> Answer:
        if name == LOCAL:
            return await self._ask_device(frame)
        return await self._ask_remote(name, frame, decision, passed)

    async def _ask_device(self, frame: Frame) -> Answer:
        assert self._engine is not None  # noqa: S101 - LOCAL is a target only with an engine
        detections, ms = await self._engine.infer(frame.image)
        self._policy.observe_local(ms)
        return Answer("device", tuple(detections))

    async def _ask_remote(self, name: str, frame: Frame, decision: Decision, passed: Passed) -> Answer:
        encoding, size = decision.encoding or Encoding(), size_of(frame)
        start = perf_counter()
        payload = await self._encode(name, frame, encoding)
        encode_ms = (perf_counter() - start) * 1000
        if payload.media_type == JPEG_MEDIA_TYPE:
            encoding = encoding._replace(video=False)  # the video's connection has just ended
        size_bytes = len(payload.data)
        if not payload.keyframe:
            self._policy.observe_encoding(size, encoding, size_bytes, encode_ms)
        if passed is not None:
            asyncio.get_running_loop().call_later(self._targets.pace_s(name, size_bytes), passed)
        exchange = await self._targets.send(
            name, payload, encoding, give_up_ms=decision.give_up_ms, traceparent=traceparent(frame.trace_id)
        )
        try:
            answer = read_reply(exchange, size, encode_ms=encode_ms)
        except CorruptError as error:
            self._targets.failed(name, exchange.sent_at, error)
            raise
        self._targets.succeeded(exchange)
        return answer

    async def _encode(self, name: str, frame: Frame, encoding: Encoding) -> Payload:
        if self._policy.encode_ms(encoding) <= _SHORT_MS:
            return self._targets.encode(name, frame.image, encoding)
        return await asyncio.to_thread(self._targets.encode, name, frame.image, encoding)


async def _wait(task: asyncio.Task[Answer], patience_ms: float) -> None:
    await asyncio.wait([task], timeout=None if patience_ms == inf else patience_ms / 1000)


async def _first_good(*tasks: asyncio.Task[Answer]) -> asyncio.Task[Answer]:
    """The first of them that does not fail; where all do, the first of all."""
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task
    return tasks[0]
