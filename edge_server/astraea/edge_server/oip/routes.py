"""The protocol's paths, `/v2` and below: an application of its own, as errors have a form of their own there."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..answering import Answering
from ..api import Api
from ..auth import Guard
from ..errors import RequestError
from ..exchange import Headers, refusal
from ..service import Form, Service
from .documents import Live, ModelMetadata, ModelReady, ServerMetadata, TensorMetadata
from .inference import Inference, ModelId, error_response
from .repository import Load, repository_routes
from .signature import signature_of


def open_inference_app(api: Api, guard: Guard | None = None, load: Load | None = None) -> Starlette:
    """The ASGI application of `/v2` and all that is below.

    Args:
        api: What the endpoints share.
        guard: Knows whose requests these are; None lets all pass.
        load: Replaces the service; None where nothing does.
    """

    def model_of(path: Mapping[str, str]) -> ModelId:
        """The model that a path is about; raises an HTTPException if there is none, or none of that version."""
        instance = api.instance()
        _check(path, model := ModelId(instance.service, instance.revision))
        return model

    extensions = ["binary_tensor_data"] + ["model_repository"] * (load is not None)

    async def live(_request: Request) -> Response:
        return _json(Live(live=True))

    async def ready(_request: Request) -> Response:
        api.check_ready()
        return _json(Live(live=True))

    async def server(_request: Request) -> Response:
        return _json(ServerMetadata(name="astraea", version=version("astraea"), extensions=extensions))

    async def describe(request: Request) -> Response:
        model = model_of(request.path_params)
        signature = signature_of(api.loaded())
        return _json(
            ModelMetadata(
                name=model.name,
                versions=[model.version],
                platform=signature.platform,
                inputs=[TensorMetadata(**spec._asdict() | {"shape": list(spec.shape)}) for spec in signature.inputs],
                outputs=[TensorMetadata(**spec._asdict() | {"shape": list(spec.shape)}) for spec in signature.outputs],
            )
        )

    async def model_ready(request: Request) -> Response:
        model = model_of(request.path_params)
        api.check_ready()
        return _json(ModelReady(name=model.name, ready=True))

    def form(service: Service, headers: Headers) -> Form:
        return Inference(signature_of(service), ModelId(name, service.revision), headers, service.limits)

    name = api.instance().service
    infer = _OfModel(model_of, Answering(api, form, error_response))
    repository = repository_routes(api, guard, load, lambda model: _check_name(model, name)) if load else []
    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            *repository,
            *(
                Route(f"/v2/models/{{model}}{of_version}{path}", endpoint, methods=methods)
                for of_version in ("", "/versions/{version}")
                for path, endpoint, methods in (
                    ("", describe, ["GET"]),
                    ("/ready", model_ready, ["GET"]),
                    ("/infer", infer, ["POST"]),
                )
            ),
        ],
        exception_handlers={
            RequestError: _on_request_error,
            HTTPException: _on_http_exception,
            Exception: _on_unexpected,
        },
    )


class _OfModel:
    """An endpoint that is there for one model only."""

    def __init__(self, check: Callable[[Mapping[str, str]], object], endpoint: Answering) -> None:
        self._check = check
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check(scope["path_params"])
        await self._endpoint(scope, receive, send)


def _check_name(name: str, known: str) -> None:
    if name != known:
        raise HTTPException(404, f"there is no model {name[:64]!r} here; there is {known!r}")


def _check(path: Mapping[str, str], model: ModelId) -> None:
    _check_name(path["model"], model.name)
    if path.get("version", model.version) != model.version:
        raise HTTPException(404, f"there is no version {path['version'][:64]!r} here; there is {model.version!r}")


def _json(document: BaseModel) -> Response:
    return Response(document.model_dump_json(), media_type="application/json")


async def _on_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - registered for these alone
    return refusal(error, error_response)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these alone
    return error_response(error.status_code, error.detail, headers=error.headers)


async def _on_unexpected(_request: Request, _error: Exception) -> Response:
    return error_response(500, "the server's log says more")
