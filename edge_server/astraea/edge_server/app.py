"""The API of one service: the ASGI application.

Plain Starlette, not FastAPI: on the way to an endpoint FastAPI takes 80 us of CPU a request, Starlette 9 us when the
endpoint is an ASGI application, and `POST /predict` has nothing for FastAPI to validate: the annotation of the handler
says how its body is decoded.
"""

import contextlib
import logging
import secrets
from http import HTTPStatus
from time import perf_counter

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from astraea.protocol import Instance, ServerTiming

from .errors import RequestError, UnavailableError
from .exchange import (
    ClientGoneError,
    Headers,
    on_http_exception,
    on_request_error,
    on_unexpected,
    problem_response,
    read_body,
    refusal,
    send_reply,
)
from .limits import Limits
from .metrics import Metrics
from .pool import WorkerPool
from .service import Service

_logger = logging.getLogger(__name__)


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


def create_app(api: Api) -> Starlette:
    """The ASGI application."""

    async def describe(_request: Request) -> Response:
        instance = api.instance()
        return JSONResponse(
            {
                "service": instance.service,
                "revision": instance.revision,
                "instance": instance.id,
                "input": api.service.input.name if api.service else None,
                "predict": "/predict",
            }
        )

    async def ready(_request: Request) -> Response:
        api.check_ready()
        return JSONResponse({"status": "ready"})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(api.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            # Objects, not functions: Starlette hands them the bare ASGI exchange.
            Route("/predict", _Predict(api), methods=["POST"]),
            Route("/probe", _Probe(api), methods=["POST"]),
            Route("/", describe),
            Route("/livez", _alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        exception_handlers={
            RequestError: on_request_error,
            HTTPException: on_http_exception,
            Exception: on_unexpected,
        },
    )


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


class _Predict:
    """`POST /predict`: the body in, one visit to a worker's thread, the answer out."""

    def __init__(self, api: Api) -> None:
        self._api = api
        instance = api.instance()
        self._headers = [
            (b"content-type", b"application/json"),
            (b"astraea-instance", instance.id.encode()),
            (b"astraea-revision", instance.revision.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body, timing = await self._answer(dict(scope["headers"]), receive)
        except ClientGoneError:
            return
        except RequestError as error:
            response = refusal(error)
        except Exception as error:  # noqa: BLE001 - the handler is anybody's code
            response = _failure(error)
        else:
            self._api.metrics.answered(timing)
            headers = [*self._headers, (b"server-timing", timing.to_header().encode())]
            await send_reply(send, HTTPStatus.OK, headers, body)
            return
        self._api.metrics.refused(response.status_code)
        await response(scope, receive, send)

    async def _answer(self, headers: Headers, receive: Receive) -> tuple[bytes, ServerTiming]:
        service = self._api.loaded()
        service.input.check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        self._api.pool.check_room()  # before the body is read: the device's uplink is the slowest part of all
        body = await read_body(headers, receive, self._api.limits.body_bytes)
        arrived = perf_counter()
        answer = await self._api.pool.run(lambda: service.answer(body))
        return answer.body, ServerTiming(
            decode_ms=answer.decode_ms,
            queue_ms=(answer.began_s - arrived) * 1e3,
            infer_ms=answer.infer_ms,
            post_ms=answer.post_ms,
            total_ms=(perf_counter() - arrived) * 1e3,
        )


def _failure(error: Exception) -> Response:
    """The reply when the handler raised an exception: its id leads to the traceback, which only the log has."""
    identity = secrets.token_hex(8)
    _logger.error("request %s: the handler failed", identity, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the handler failed; the server's log has the reason under this instance",
        instance=identity,
    )


class _Probe:
    """`POST /probe`: takes a body and does nothing with it, for devices that measure their link."""

    def __init__(self, api: Api) -> None:
        self._limit_bytes = api.limits.body_bytes
        self._headers = [
            (b"astraea-instance", api.instance().id.encode()),
            (b"server-timing", ServerTiming().to_header().encode()),  # all of the exchange is the link's
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientGoneError):
            await read_body(dict(scope["headers"]), receive, self._limit_bytes)
            await send_reply(send, HTTPStatus.NO_CONTENT, self._headers)
