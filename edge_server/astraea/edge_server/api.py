"""What the endpoints of one service share."""

from collections.abc import Callable
from time import perf_counter

from starlette.types import Receive

from astraea.protocol import Instance, ServerTiming

from .errors import UnavailableError
from .exchange import Headers, read_body
from .limits import Limits
from .metrics import Metrics
from .pool import WorkerPool
from .service import Answer, Form, Service

FormOf = Callable[[Service, Headers], Form]
"""How a request with these headers is written; raises a RequestError if it can't be answered anyway."""


class Api:
    """What the endpoints share: who answers, with what, and whether it is ready to."""

    def __init__(self, instance: Instance, limits: Limits, pool: WorkerPool) -> None:
        self.limits = limits
        self.pool = pool
        self.metrics = Metrics(pool, instance)
        self.service: Service | None = None
        """None until it is loaded and warm."""
        self.draining = False
        """Set when the instance is about to end: no more are wanted, though what comes is still answered."""
        self._instance = instance

    def instance(self) -> Instance:
        """The instance as it is now, for the broker."""
        return self._instance.model_copy(update={"load": self.metrics.load()})

    def loaded(self) -> Service:
        """The service.

        Raises:
            UnavailableError: It is still being loaded.
        """
        if self.service is None:
            raise UnavailableError("the model is still being loaded")
        return self.service

    def check_ready(self) -> None:
        """Whether devices should send their frames here.

        Raises:
            UnavailableError: Not yet, or not any more.
        """
        self.loaded()
        if self.draining:
            raise UnavailableError("the instance is about to end")

    async def answer(self, headers: Headers, receive: Receive, form_of: FormOf) -> tuple[Answer, ServerTiming]:
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
        service = self.loaded()
        form = form_of(service, headers)
        self.pool.check_room()  # before the body is read: the device's uplink is the slowest part of all
        body = await read_body(headers, receive, self.limits.body_bytes)
        arrived = perf_counter()
        answer = await self.pool.run(lambda: service.answer(body, form))
        return answer, ServerTiming(
            decode_ms=answer.decode_ms,
            queue_ms=(answer.began_s - arrived) * 1e3,
            infer_ms=answer.infer_ms,
            post_ms=answer.post_ms,
            total_ms=(perf_counter() - arrived) * 1e3,
        )
