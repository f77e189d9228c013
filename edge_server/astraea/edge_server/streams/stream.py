"""One device's frames and results: a session that goes on over one connection after the other."""

import math
from collections.abc import Iterator
from http import HTTPStatus
from time import perf_counter
from typing import Protocol

from astraea.protocol import StreamError
from astraea.protocol.stream import (
    MAX_ID,
    EchoMessage,
    FrameMessage,
    Hello,
    Message,
    ProbeMessage,
    ResultMessage,
    read_from_device,
)

from ..trace import TRACE_HEADER, trace_of
from .credits import CreditWindow
from .session import Outcome, Session, Sessions

CLOSE_GOING_AWAY = 1001
CLOSE_TAKEN_OVER = 4001
_FRAME_HEAD_BYTES = 67  # with a trace context


class Carrier(Protocol):
    """A connection, as a stream uses it."""

    def send_text(self, text: str) -> None:
        """Send a text message."""

    def send_binary(self, message: bytes) -> None:
        """Send a binary message."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""


def largest_message(body_bytes: int) -> int:
    """Bytes of the message with the largest payload that is taken."""
    return body_bytes + _FRAME_HEAD_BYTES


class Stream:
    """What a device sends is answered here, and credits are given for more.

    Args:
        sessions: Of the instance.
        in_order: Whether results are sent in the order of their frames; else as they come.

    Raises:
        RefusedError: No more streams may be opened, or not now.
    """

    def __init__(self, sessions: Sessions, *, in_order: bool) -> None:
        self.detached_s: float | None = None
        """When its connection was lost, by `time.monotonic`; None while it has one."""
        self._sessions = sessions
        self._api = sessions.api
        self._session: Session = sessions.open("websocket", self._deliver)
        self._in_order = in_order
        self._window = CreditWindow()
        self._carrier: Carrier | None = None
        self._pending: dict[int, Outcome | None] = {}
        """Frames whose results are not sent, in their order; None for those that are worked on."""
        self._last_id = 0
        self._revision = ""
        self._ending = False

    @property
    def id(self) -> str:
        """The session's."""
        return self._session.id

    @property
    def max_bytes(self) -> int:
        """The largest message that is taken."""
        return largest_message(self._api.limits.body_bytes)

    @property
    def ended(self) -> bool:
        """Whether nothing comes of it any more."""
        return self._session.closed

    def attach(self, carrier: Carrier) -> None:
        """Go on over this connection; one that was used until now is closed."""
        if self._carrier is not None:
            self._carrier.close(CLOSE_TAKEN_OVER, "the session goes on over another connection")
        self._carrier, self.detached_s = carrier, None
        self._window.void()
        self._greet(carrier, self._api.instance().revision)
        self._flush()

    def detach(self, carrier: Carrier, now_s: float, *, for_good: bool) -> None:
        """The connection is gone. What was sent before is answered, for the device to fetch over the next one.

        Args:
            carrier: The connection; if it isn't the one in use, nothing happens.
            now_s: By `time.monotonic`.
            for_good: Whether the device has taken its leave.
        """
        if carrier is not self._carrier:
            return
        self._carrier, self.detached_s = None, now_s
        if for_good or self._ending or not self._last_id:  # there is nothing to resume
            self.end()

    def receive(self, message: Message, held_bytes: int) -> None:
        """Take a binary message of the device's.

        Args:
            message: As it came.
            held_bytes: Room that was kept for it by `Api.hold`.

        Raises:
            StreamError: It breaks the protocol's rules.
        """
        arrived_s = perf_counter()
        try:
            frame = read_from_device(message)
            if not isinstance(frame, ProbeMessage):
                self._admit(frame)
        except StreamError:
            self._api.let_go(held_bytes)
            raise
        if isinstance(frame, ProbeMessage):
            self._api.let_go(held_bytes)
            if self._carrier is not None:
                self._carrier.send_binary(EchoMessage(frame.id).encode())
            return
        deadline_s = arrived_s + frame.deadline_ms / 1e3 if frame.deadline_ms else math.inf
        trace = trace_of({TRACE_HEADER: frame.trace}) if frame.trace else None
        self._session.submit(frame.id, frame.payload, deadline_s=deadline_s, trace=trace, held_bytes=held_bytes)

    def wind_up(self) -> None:
        """The instance is about to end: give no more credits, and close when what has come is answered."""
        self._ending = True
        self._close_if_done()

    def end(self) -> None:
        """End the session: nobody comes for its results any more."""
        self._sessions.close(self._session)

    def _admit(self, frame: FrameMessage) -> None:
        if frame.id <= self._last_id:
            raise StreamError(f"a frame with the id {frame.id} after {self._last_id}; ids must grow")
        if not self._window.spend(last=frame.last_credit):
            raise StreamError("a frame without a credit")
        self._last_id = frame.id
        self._pending[frame.id] = None

    def _greet(self, carrier: Carrier, revision: str) -> None:
        self._revision = revision
        hello = Hello(
            session=self.id,
            instance=self._api.instance().id,
            revision=revision,
            credits=self._grant(),
            max_bytes=self.max_bytes,
            last_id=self._last_id,
            pending=tuple(self._pending),
        )
        carrier.send_text(hello.encode())

    def _grant(self) -> int:
        return 0 if self._ending or self._last_id == MAX_ID else self._window.grant()

    def _deliver(self, outcome: Outcome) -> None:
        self._pending[outcome.frame_id] = outcome
        if outcome.stages is not None:
            wait_ms = outcome.stages.queue_ms
            idle = self._api.pool.in_flight < self._api.pool.capacity
            self._window.answered(wait_ms, outcome.stages.total_ms - wait_ms, idle=idle)
        else:
            self._window.refused(full=outcome.status == HTTPStatus.TOO_MANY_REQUESTS)
        self._flush()

    def _flush(self) -> None:
        """Send the results that may be sent now."""
        carrier = self._carrier
        if carrier is None:
            return
        for outcome in tuple(self._sendable()):
            if outcome.revision not in {"", self._revision}:
                self._greet(carrier, outcome.revision)
            del self._pending[outcome.frame_id]
            times = outcome.stages or (0.0, 0.0, 0.0, 0.0, 0.0)
            message = ResultMessage(outcome.frame_id, outcome.status, self._grant(), times, outcome.body)
            carrier.send_binary(message.encode())
        self._close_if_done()

    def _sendable(self) -> Iterator[Outcome]:
        for outcome in self._pending.values():
            if outcome is not None:
                yield outcome
            elif self._in_order:
                return

    def _close_if_done(self) -> None:
        if self._ending and self._carrier is not None and not self._pending:
            self._carrier.close(CLOSE_GOING_AWAY, "the instance is about to end")
