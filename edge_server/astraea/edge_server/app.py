"""The API of one service: the ASGI application.

Plain Starlette, not FastAPI: on the way to an endpoint FastAPI takes 80 us of CPU a request, Starlette 9 us when the
endpoint is an ASGI application, and `POST /predict` has nothing for FastAPI to validate: the annotation of the handler
says how its body is decoded.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from astraea.protocol import ServerTiming
from astraea.protocol.broker_api import Role

from .answering import Answering
from .api import Api
from .auth import Guard
from .errors import RequestError, UnauthorizedError
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
from .multipart import MultipartForm, is_multipart
from .oip.repository import Load
from .oip.routes import open_inference_app
from .openapi import describe_api
from .pages import page, wants_page
from .service import Form, Service
from .streaming import Streaming

_OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/publish", "/watch"})
_OPEN_FOLDER = "/pages/"  # what the pages are made of; they ask for a token when they need one


def predict_endpoint(api: Api) -> Answering:
    """`POST /predict`."""
    return Answering(api, _native_form)


def create_app(
    api: Api,
    guard: Guard | None = None,
    cors_origins: Sequence[str] = (),
    load: Load | None = None,
    streaming: Streaming | None = None,
) -> Starlette:
    """The ASGI application.

    Args:
        api: What the endpoints share.
        guard: Lets requests pass; None lets all.
        cors_origins: Of the web pages that may ask.
        load: Replaces the service by what is in its folder then; None where nothing does.
        streaming: The ways in for streams; None for those without servers that help publishers.
    """

    async def describe(request: Request) -> Response:
        if wants_page(request):
            return _varying(page("try.html"))
        instance = api.instance()
        opened = api.service.opened if api.service else None
        return _varying(
            JSONResponse(
                {
                    "service": instance.service,
                    "revision": instance.revision,
                    "instance": instance.id,
                    "input": api.service.input.name if api.service else None,
                    "predict": "/predict",
                    "runtime": opened.runtime if opened else None,
                }
            )
        )

    async def ready(_request: Request) -> Response:
        api.check_ready()
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if guard is not None:
            guard.check(dict(request.scope["headers"]).get(b"authorization"), Role.VIEWER)
        api.metrics.settle()
        return Response(generate_latest(api.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(_request: Request) -> Response:
        return JSONResponse(describe_api(api.loaded(), api.instance()))

    return Starlette(
        routes=[
            # Objects, not functions: Starlette hands them the bare ASGI exchange.
            Route("/predict", predict_endpoint(api), methods=["POST"]),
            Route("/stream", _stream_needs_upgrade, methods=["GET"]),
            Route("/probe", _Probe(api), methods=["POST"]),
            Route("/", describe),
            Route("/livez", _alive),
            Route("/healthz", _alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            Route("/docs", _page_of("docs.html")),
            Route("/publish", _page_of("publish.html")),
            Route("/watch", _page_of("watch.html")),
            Route("/pages/{name}", _page),
            Route("/v2{rest:path}", open_inference_app(api, guard, load)),
            *(streaming or Streaming(predict_endpoint(api))).routes,
        ],
        exception_handlers={
            RequestError: on_request_error,
            HTTPException: on_http_exception,
            Exception: on_unexpected,
        },
        middleware=_middleware(guard, cors_origins),
    )


def _varying(response: Response) -> Response:
    response.headers["vary"] = "accept"
    return response


def _page_of(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(_request: Request) -> Response:
        return page(name)

    return show


async def _page(request: Request) -> Response:
    return page(request.path_params["name"])


def _middleware(guard: Guard | None, cors_origins: Sequence[str]) -> list[Middleware]:
    found = []
    if cors_origins:  # outside of the guard: a browser asks for leave without a token
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "astraea-deadline-ms", "traceparent"],
                expose_headers=["server-timing", "astraea-instance", "astraea-revision", "retry-after", "traceparent"],
            )
        )
    if guard is not None:
        found.append(Middleware(_Guarded, guard))
    return found


class _Guarded:
    """Asks for a token before anything else is done, but for pages and on the paths that an orchestrator probes."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in _OPEN_PATHS and not scope["path"].startswith(_OPEN_FOLDER):
            try:
                self._guard.check(dict(scope["headers"]).get(b"authorization"))
            except UnauthorizedError as error:
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _stream_needs_upgrade(_request: Request) -> Response:
    """`GET /stream` as a plain request; the connection itself takes those that open a WebSocket."""
    return problem_response(
        HTTPStatus.UPGRADE_REQUIRED, "this is a WebSocket endpoint", headers={"upgrade": "websocket"}
    )


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _native_form(service: Service, headers: Headers) -> Form:
    content_type = headers.get(b"content-type", b"")
    if is_multipart(content_type):
        return MultipartForm(service, content_type)
    service.input.check_media_type(content_type.decode("latin-1"))
    return service.form


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
