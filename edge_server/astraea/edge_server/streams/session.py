"""The sessions of an instance: frames of one sender, answered as requests are, and followed by whoever watches.

What carries the frames (a WebSocket, WebRTC, a video that the server reads itself) opens a session, submits frames to
it and is told what became of each. A frame takes a place in the same pool as a request, has the same deadline, limits
and metrics, and is refused for the same reasons.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from ..answering import Answering
from ..api import Api
from ..errors import BusyError, RequestError
from ..pool import Job
from ..service import Answer, Form
from ..stages import Stages

_FOLLOWED = 32  # outcomes that a follower may be behind


class Outcome(NamedTuple):
    """What became of a frame."""

    frame_id: int
    status: int
    """As a request's reply has it."""
    body: bytes
    """The answer as `POST /predict` gives it if `status` is 200, else a problem document."""
    stages: Stages | None
    """How long the answer took; None without one."""
    trace: bytes | None = None
    """The frame's W3C trace context."""
    revision: str = ""
    """Of the service that gave the answer."""


Deliver = Callable[[Outcome], None]
"""Takes what became of a frame, in the event loop's thread."""


class Follower:
    """Someone who watches what becomes of a session's frames: an async iterator that ends when the session does.

    One who reads too slowly misses the oldest; nobody waits for a follower.
    """

    def __init__(self) -> None:
        self._outcomes: deque[Outcome] = deque(maxlen=_FOLLOWED)
        self._news = asyncio.Event()
        self._ended = False

    def tell(self, outcome: Outcome) -> None:
        """Add an outcome."""
        self._outcomes.append(outcome)
        self._news.set()

    def end(self) -> None:
        """There are no more."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        while not self._outcomes:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._outcomes.popleft()


class Session:
    """Frames of one sender; made by `Sessions.open`.

    Args:
        session_id: It can't be guessed: who knows it may follow.
        transport: What carries the frames, e.g. `websocket`.
        answering: Answers a frame as `POST /predict` would.
        deliver: Is told what became of each frame.
    """

    def __init__(self, session_id: str, transport: str, answering: Answering, deliver: Deliver) -> None:
        self.id = session_id
        self.transport = transport
        self.closed = False
        self._answering = answering
        self._api = answering.api
        self._deliver = deliver
        self._jobs: dict[int, Job] = {}
        self._followers: set[Follower] = set()

    @property
    def in_flight(self) -> frozenset[int]:
        """The ids of the frames that are being worked on, or wait."""
        return frozenset(self._jobs)

    def submit(
        self,
        frame_id: int,
        payload: Any,
        *,
        deadline_s: float = math.inf,
        trace: bytes | None = None,
        form: Form | None = None,
        held_bytes: int = 0,
    ) -> None:
        """Have a frame answered in a worker's thread; a refusal is delivered too, before this returns.

        Args:
            frame_id: What its sender calls it; none that is in flight.
            payload: What `form` decodes.
            deadline_s: When an answer is of no use any more, by `time.perf_counter`.
            trace: The frame's W3C trace context, as `trace_of` gives it.
            form: How the payload is written, and the answer is to be; the body of `POST /predict` without.
            held_bytes: Room that was kept for the payload by `Api.hold`; given back when the work has really ended.
        """

        def done(answer: Answer | None, stages: Stages | None, error: Exception | None) -> None:
            self._jobs.pop(frame_id, None)
            if answer is not None and stages is not None:
                self._api.metrics.answered(stages)
                self._tell(Outcome(frame_id, 200, answer.body, stages, trace, answer.revision))
            else:
                self.refuse(frame_id, error or RuntimeError("neither an answer nor an error"), trace)

        try:
            service = self._api.loaded()
        except RequestError as error:
            self._api.let_go(held_bytes)
            self.refuse(frame_id, error, trace)
            return
        ticket = self._api.ticket(service, form or service.form, deadline_s, held_bytes, trace)
        try:
            self._jobs[frame_id] = self._api.submit(ticket, payload, done)
        except RequestError as error:
            self.refuse(frame_id, error, trace)

    def refuse(self, frame_id: int, error: Exception, trace: bytes | None = None) -> None:
        """Count a frame that gets no answer, and deliver why."""
        reply = self._answering.failed(error, trace)
        self._tell(Outcome(frame_id, reply.status, reply.body, None, trace))

    def follow(self) -> Follower:
        """Watch what becomes of the frames from now on; to be given to `unfollow` in the end."""
        follower = Follower()
        if self.closed:
            follower.end()
        self._followers.add(follower)
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Watch no more."""
        self._followers.discard(follower)

    def end(self) -> None:
        """Nobody waits for its frames any more; called by `Sessions.close`."""
        self.closed = True
        for job in self._jobs.values():
            job.abandoned = True
        for follower in self._followers:
            follower.end()

    def _tell(self, outcome: Outcome) -> None:
        if self.closed:
            return
        self._deliver(outcome)
        for follower in self._followers:
            follower.tell(outcome)


class Sessions:
    """All sessions of an instance.

    Args:
        answering: Answers a frame as `POST /predict` would.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._sessions: dict[str, Session] = {}

    @property
    def api(self) -> Api:
        """Who answers."""
        return self._answering.api

    def open(self, transport: str, deliver: Deliver) -> Session:
        """Begin a session.

        Args:
            transport: What carries its frames, e.g. `websocket`.
            deliver: Is told what became of each frame, in the event loop's thread.

        Raises:
            UnavailableError: The service is loading, or about to end.
            BusyError: There are as many as may be.
        """
        self.api.check_ready()
        most = self.api.limits.streams
        if len(self._sessions) >= most:
            raise BusyError(f"{most} streams are open; no more may be")
        session = Session(secrets.token_urlsafe(16), transport, self._answering, deliver)
        self._sessions[session.id] = session
        self.api.metrics.streams.labels(transport).inc()
        return session

    def find(self, session_id: str) -> Session | None:
        """An open session."""
        return self._sessions.get(session_id)

    def close(self, session: Session) -> None:
        """End a session; what of its frames isn't begun won't be, and its followers are told. Safe to repeat."""
        if self._sessions.pop(session.id, None) is not None:
            self.api.metrics.streams.labels(session.transport).dec()
            session.end()

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)
