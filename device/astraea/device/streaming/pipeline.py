"""Several frames in flight, and none that grows old waiting.

A frame is taken when the one before it has left the narrowest part of its way free: the device's processor, or the
uplink and the server. So the pipe is full, and nothing queues in it. Of frames that come sooner, the newest waits.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from astraea.protocol import Result

from ..camera import Frame
from ..tasks import Tasks
from .delivery import Delivery, Late

Outcome = Result | Exception
"""What became of a frame; an exception is a defect, or a picture that is none."""


class Answering(Protocol):
    """Answers a frame; calls `passed` when the next one may follow, unless that is only when this one is answered."""

    def __call__(self, frame: Frame, passed: Callable[[], None]) -> Coroutine[Any, Any, Result]:
        """See Offloader.answer."""


class _Offer(NamedTuple):
    frame: Frame
    deliver: Callable[[Outcome], None]


class Pipeline:
    """Runs on an event loop; all of its methods belong there.

    Args:
        answer: answers one frame.
        in_flight: how many may be under way at once.
        late: what becomes of answers that a newer one has overtaken.
        on_room: called when a frame could be taken and none waits: an invitation to offer one.
        on_drop: called with a frame that has given way to a newer one.
    """

    def __init__(
        self,
        answer: Answering,
        *,
        in_flight: int,
        late: Late,
        on_room: Callable[[], None] = lambda: None,
        on_drop: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        self._answer = answer
        self._most = in_flight
        self._on_room = on_room
        self._on_drop = on_drop
        self._delivery = Delivery[tuple[Outcome, Callable[[Outcome], None]]](late)
        self._waiting: _Offer | None = None
        self._under_way = 0
        self._narrows: int | None = None
        """The number of the frame in the narrowest part; None when that is free."""
        self._tasks = Tasks()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waits."""
        return self._under_way == 0 and self._waiting is None

    def offer(self, frame: Frame, deliver: Callable[[Outcome], None]) -> None:
        """Have a frame answered, as soon as there is room; one that still waits gives way to it."""
        if self._waiting is not None:
            self._on_drop(self._waiting.frame)
        self._waiting = _Offer(frame, deliver)
        self.advance()

    def advance(self) -> None:
        """Take the frame that waits, or invite one, if there is room."""
        if self._narrows is not None or self._under_way >= self._most:
            return
        if self._waiting is None:
            self._on_room()
            return
        offer, self._waiting = self._waiting, None
        number = self._narrows = self._delivery.begin()
        self._under_way += 1
        self._tasks.spawn(self._run(number, offer))

    async def _run(self, number: int, offer: _Offer) -> None:
        try:
            outcome: Outcome = await self._answer(offer.frame, lambda: self._passed(number))
        except Exception as error:  # noqa: BLE001 - it is the receiver's to deal with
            outcome = error
        self._under_way -= 1
        for (ready, deliver), stale in self._delivery.finish(number, (outcome, offer.deliver)):
            if stale and isinstance(ready, Result):
                deliver(ready.model_copy(update={"stale": True}))
            else:
                deliver(ready)
        self._passed(number)

    def _passed(self, number: int) -> None:
        if self._narrows == number:
            self._narrows = None
        self.advance()
