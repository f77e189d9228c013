"""What the endpoints of one service share."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.types import Receive

from astraea.protocol import Instance

from .deadline import deadline_of
from .errors import BodyTimeoutError, BusyError, RefusedError, UnavailableError
from .exchange import Headers, announced_bytes, read_body
from .limits import Limits
from .metrics import Metrics
from .pace import Pace
from .pool import Job, WorkerPool
from .service import Answer, Form, Service
from .shadowing import SHADOW_HEADER
from .stages import Stages
from .trace import trace_of

if TYPE_CHECKING:
    from .spans import Spans

FormOf = Callable[[Service, Headers], Form]
"""How a request with these headers is written; raises a RequestError if it can't be answered anyway."""


AnswerDone = Callable[[Answer | None, Stages | None, Exception | None], None]
"""Takes an answer and how long it took, or the reason why there is none."""


class Ticket(NamedTuple):
    """A request that may be read and answered."""

    service: Service
    form: Form
    deadline_s: float
    """By `time.perf_counter`; infinity when it has none."""
    size_bytes: int
    """Of its body, or the most that it may have."""
    trace: bytes | None = None
    """Its W3C trace context."""


class Api:
    """What the endpoints share: who answers, with what, and whether it is ready to."""

    def __init__(self, instance: Instance, limits: Limits, pool: WorkerPool) -> None:
        self.limits = limits
        self.pool = pool
        self.metrics = Metrics(pool, instance)
        self.spans: Spans | None = None
        """Tells a collector of each request; None without one."""
        self.service: Service | None = None
        """None until it is loaded and warm, and while it is replaced by another that has no room beside it."""
        self.on_answered: Callable[[bytes, bytes], None] | None = None
        """Takes the bodies of a plain request and of its answer, when that is sent; None while nobody wants them."""
        self.changed = asyncio.Event()
        """Set when another revision answers, or none does any more: the broker should know at once."""
        self.idle = asyncio.Event()
        """Set while no ticket is out."""
        self.idle.set()
        self.draining = False
        """Set when the instance is about to end: no more are wanted, though what comes is still answered."""
        self.held_bytes = 0
        """Of bodies that are being read, wait, or are worked on."""
        self._instance = instance
        self._tickets = 0
        self._absence = UnavailableError("the model is still being loaded")

    def serve(self, service: Service) -> None:
        """Let a service answer from now on; those under way are answered by the one that took them on."""
        self.service = service
        if service.batcher is not None:
            service.batcher.on_batch = self.metrics.batched
        # Each input of a batch has a thread: its own decodes it, and waits while one computes them all.
        self.pool.resize(max(self.limits.workers, self.limits.batch if service.batcher else 0))
        self.pool.pace = Pace()  # what another took says nothing of it
        self.metrics.serves(service.revision)
        self.changed.set()

    def withdraw(self, why: str, retry_after_s: float) -> None:
        """Let none answer, and tell who asks that it is for so long."""
        self.service = None
        self._absence = UnavailableError(why, retry_after_s=retry_after_s)
        self.changed.set()

    def instance(self) -> Instance:
        """The instance as it is now."""
        update: dict[str, Any] = {"load": self.metrics.load()}
        if self.service is not None:
            update["revision"] = self.service.revision
        return self._instance.model_copy(update=update)

    def offered(self) -> Instance | None:
        """The instance, if the broker should have it on its list."""
        return self.instance() if self.service is not None else None

    def loaded(self) -> Service:
        """The service.

        Raises:
            UnavailableError: It is still being loaded, or replaced.
        """
        if self.service is None:
            raise UnavailableError(str(self._absence), retry_after_s=self._absence.retry_after_s)
        return self.service

    def check_ready(self) -> None:
        """Whether devices should send their frames here.

        Raises:
            UnavailableError: Not yet, or not any more.
        """
        self.loaded()
        if self.draining:
            raise UnavailableError("the instance is about to end")

    def admit(self, headers: Headers, form_of: FormOf) -> Ticket:
        """Decide on a request before its body is read: the device's uplink is the slowest part of all.

        Whoever gets the ticket submits it, or releases it.

        Args:
            headers: The request's.
            form_of: How it is written.

        Raises:
            RequestError: It can't be answered.
        """
        arrived_s = perf_counter()
        service = self.loaded()
        form = form_of(service, headers)
        size_bytes = announced_bytes(headers, self.limits.body_bytes)
        deadline_s = deadline_of(headers, arrived_s)
        self.pool.check_room(deadline_s)
        if SHADOW_HEADER in headers and self.pool.in_flight >= self.pool.capacity:
            raise BusyError("copies of requests are answered only by workers that have nothing else to do")
        self.hold(size_bytes)
        return self.ticket(service, form, deadline_s, size_bytes, trace_of(headers))

    def hold(self, size_bytes: int) -> None:
        """Keep room for a body, before it is read.

        Raises:
            BusyError: So much can't be held now.
        """
        if self.held_bytes + size_bytes > self.limits.held_bytes:
            raise BusyError(f"{self.held_bytes} bytes of requests are held; {self.limits.held_bytes} may be")
        self.held_bytes += size_bytes

    def let_go(self, size_bytes: int) -> None:
        """Give back room that was kept."""
        self.held_bytes -= size_bytes

    def ticket(
        self, service: Service, form: Form, deadline_s: float, held_bytes: int, trace: bytes | None = None
    ) -> Ticket:
        """A ticket for what has been found fit to be answered, and for whose body room is kept."""
        self._tickets += 1
        self.idle.clear()
        return Ticket(service, form, deadline_s, held_bytes, trace)

    def release(self, ticket: Ticket) -> None:
        """Take a ticket back, and the room that was kept for its body."""
        self.let_go(ticket.size_bytes)
        self._tickets -= 1
        if not self._tickets:
            self.idle.set()

    def submit(self, ticket: Ticket, body: bytes, done: AnswerDone) -> Job:
        """Have a request answered in a worker's thread.

        Args:
            ticket: The request's; it is released when the work has really ended.
            body: All of it.
            done: Is told the answer, or why there is none.

        Raises:
            RefusedError: There is no room for it any more; the ticket is released.
        """
        arrived_s = perf_counter()

        def finish(answer: Answer | None, error: Exception | None) -> None:
            self.release(ticket)
            stages = answer and _stages(answer, arrived_s)
            if self.spans is not None:
                took_s = perf_counter() - arrived_s
                self.spans.record(ticket.trace, took_s, ticket.service.revision, stages, error)
            done(answer, stages, error)
            if self.on_answered is not None and answer is not None and ticket.form is ticket.service.form:
                self.on_answered(body, answer.body)

        job = Job(partial(ticket.service.answer, body, ticket.form), finish, ticket.deadline_s)
        try:
            self.pool.submit(job)
        except RefusedError:
            self.release(ticket)
            raise
        return job

    async def answer(self, headers: Headers, receive: Receive, form_of: FormOf) -> tuple[Answer, Stages]:
        """Read a request's body and answer it, in a worker's thread.

        Args:
            headers: The request's.
            receive: Where its body comes from.
            form_of: How it is written, asked before the body is read.

        Raises:
            RequestError: It can't be answered.
            ClientGoneError: There is nobody to answer.
            Exception: Whatever the handler raised.
        """
        ticket = self.admit(headers, form_of)
        try:
            async with asyncio.timeout(self.limits.body_s):
                body = await read_body(headers, receive, self.limits.body_bytes)
        except BaseException as error:
            self.release(ticket)
            if isinstance(error, TimeoutError):
                raise BodyTimeoutError(f"the body took more than {self.limits.body_s:.0f} s") from None
            raise
        return await self._submitted(ticket, body, receive)

    async def _submitted(self, ticket: Ticket, body: bytes, receive: Receive) -> tuple[Answer, Stages]:
        future: asyncio.Future[tuple[Answer | None, Stages | None, Exception | None]]
        future = asyncio.get_running_loop().create_future()

        def done(*outcome: Any) -> None:
            if not future.done():  # cancelled
                future.set_result(outcome)

        job = self.submit(ticket, body, done)
        watching = asyncio.create_task(_abandon_when_gone(job, receive))
        try:
            answer, stages, error = await future
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        finally:
            watching.cancel()
        if answer is None or stages is None:
            raise error or RuntimeError("neither an answer nor an error")
        return answer, stages


async def _abandon_when_gone(job: Job, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    job.abandoned = True


def _stages(answer: Answer, arrived_s: float) -> Stages:
    queue_ms, total_ms = (answer.began_s - arrived_s) * 1e3, (perf_counter() - arrived_s) * 1e3
    return Stages(answer.decode_ms, queue_ms, answer.infer_ms, answer.post_ms, total_ms)
