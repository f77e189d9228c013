"""The endpoints that answer with what the handler says: a body in, one visit to a worker's thread, the answer out."""

import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .api import Api, FormOf
from .errors import RequestError
from .exchange import ClientGoneError, problem_response, refusal, send_reply

_logger = logging.getLogger(__name__)


class Answering:
    """An ASGI application that answers requests of one form, such as `POST /predict`.

    Args:
        api: Who answers.
        form_of: How a request is written, and its reply is to be.
        document: How the reply to a request that can't be answered is written; called as `problem_response` is.
    """

    def __init__(self, api: Api, form_of: FormOf, document: Callable[..., Response] = problem_response) -> None:
        self._api = api
        self._form_of = form_of
        self._document = document
        instance = api.instance()
        self._headers = [
            (b"astraea-instance", instance.id.encode()),
            (b"astraea-revision", instance.revision.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        try:
            answer, timing = await self._api.answer(dict(scope["headers"]), receive, self._form_of)
        except ClientGoneError:
            return
        except RequestError as error:
            response = refusal(error, self._document)
        except Exception as error:  # noqa: BLE001 - the handler is anybody's code
            response = self._failure(error)
        else:
            self._api.metrics.answered(timing)
            headers = [*answer.headers, *self._headers, (b"server-timing", timing.to_header().encode())]
            await send_reply(send, HTTPStatus.OK, headers, answer.body)
            return
        self._api.metrics.refused(response.status_code)
        await response(scope, receive, send)

    def _failure(self, error: Exception) -> Response:
        """The reply when the handler raised an exception: its id leads to the traceback, which only the log has."""
        identity = secrets.token_hex(8)
        _logger.error("request %s: the handler failed", identity, exc_info=error)
        return self._document(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "the handler failed; the server's log has the reason under this instance",
            instance=identity,
        )
