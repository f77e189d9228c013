"""The endpoints that answer with what the handler says: a body in, one visit to a worker's thread, the answer out."""

import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .api import Api, FormOf, Ticket
from .errors import RefusedError, RequestError
from .exchange import ClientGoneError, Headers, Reply, problem_response, refusal
from .pool import Job
from .service import Answer
from .stages import Stages
from .trace import TRACE_HEADER, trace_id, trace_of

_logger = logging.getLogger(__name__)


class Answering:
    """An ASGI application that answers requests of one form, such as `POST /predict`.

    Args:
        api: Who answers.
        form_of: How a request is written, and its reply is to be.
        document: How the reply to a request that can't be answered is written; called as `problem_response` is.
    """

    def __init__(self, api: Api, form_of: FormOf, document: Callable[..., Response] = problem_response) -> None:
        self.api = api
        self._form_of = form_of
        self._document = document
        self._instance = (b"astraea-instance", api.instance().id.encode())

    def admit(self, headers: Headers) -> Ticket:
        """Decide on a request before its body is read; see Api.admit."""
        return self.api.admit(headers, self._form_of)

    def submit(self, ticket: Ticket, body: bytes, reply: Callable[[Reply], None]) -> Job | None:
        """Have a request answered in a worker's thread; `reply` takes what is sent back, in the event loop's thread.

        Returns:
            What goes on; None when it was refused, and the reply is made already.
        """

        def done(answer: Answer | None, stages: Stages | None, error: Exception | None) -> None:
            if answer is not None and stages is not None:
                reply(self.answered(answer, stages, ticket.trace))
            else:
                reply(self.failed(error or RuntimeError("neither an answer nor an error"), ticket.trace))

        try:
            return self.api.submit(ticket, body, done)
        except RefusedError as error:
            reply(self.failed(error, ticket.trace))
            return None

    def release(self, ticket: Ticket) -> None:
        """Give up a request before its body is complete."""
        self.api.release(ticket)

    def answered(self, answer: Answer, stages: Stages, trace: bytes | None = None) -> Reply:
        """Count an answer; what is sent."""
        self.api.metrics.answered(stages)
        headers = [
            *answer.headers,
            self._instance,
            (b"astraea-revision", answer.revision.encode()),
            (b"server-timing", stages.to_header()),
            (b"content-length", b"%d" % len(answer.body)),
        ]
        if trace is not None:
            headers.append((TRACE_HEADER, trace))
        return Reply(HTTPStatus.OK, headers, answer.body)

    def failed(self, error: Exception, trace: bytes | None = None) -> Reply:
        """Count a request that gets no answer; what is sent instead."""
        response = refusal(error, self._document) if isinstance(error, RequestError) else self._failure(error, trace)
        self.api.metrics.refused(response.status_code, getattr(error, "reason", None))
        headers = response.raw_headers if trace is None else [*response.raw_headers, (TRACE_HEADER, trace)]
        return Reply(response.status_code, headers, bytes(response.body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        headers = dict(scope["headers"])
        trace = trace_of(headers)
        try:
            reply = self.answered(*await self.api.answer(headers, receive, self._form_of), trace)
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the handler is anybody's code
            reply = self.failed(error, trace)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _failure(self, error: Exception, trace: bytes | None) -> Response:
        """The reply when the handler raised an exception: its id leads to the traceback, which only the log has."""
        identity = secrets.token_hex(8)
        ids = {"request_id": identity, "trace_id": trace_id(trace)}
        _logger.error("request %s: the handler failed", identity, exc_info=error, extra=ids)
        return self._document(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "the handler failed; the server's log has the reason under this instance",
            instance=identity,
        )
