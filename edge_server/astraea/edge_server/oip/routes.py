"""The protocol's paths, `/v2` and below: an application of its own, as errors have a form of their own there."""

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
from ..errors import RequestError
from ..exchange import Headers, refusal
from ..service import Form, Service
from .documents import Live, ModelMetadata, ModelReady, ServerMetadata, TensorMetadata
from .inference import Inference, ModelId, error_response
from .signature import signature_of


def open_inference_app(api: Api) -> Starlette:
    """The ASGI application of `/v2` and all that is below."""
    instance = api.instance()
    model = ModelId(instance.service, instance.revision)

    async def live(_request: Request) -> Response:
        return _json(Live(live=True))

    async def ready(_request: Request) -> Response:
        api.check_ready()
        return _json(Live(live=True))

    async def server(_request: Request) -> Response:
        return _json(ServerMetadata(name="astraea", version=version("astraea"), extensions=["binary_tensor_data"]))

    async def describe(request: Request) -> Response:
        _check_model(request.path_params, model)
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
        _check_model(request.path_params, model)
        api.check_ready()
        return _json(ModelReady(name=model.name, ready=True))

    def form(service: Service, headers: Headers) -> Form:
        return Inference(signature_of(service), model, headers, service.limits)

    infer = _OfModel(model, Answering(api, form, error_response))
    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
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

    def __init__(self, model: ModelId, endpoint: Answering) -> None:
        self._model = model
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_model(scope["path_params"], self._model)
        await self._endpoint(scope, receive, send)


def _check_model(path: dict[str, str], model: ModelId) -> None:
    if path["model"] != model.name:
        raise HTTPException(404, f"there is no model {path['model'][:64]!r} here; there is {model.name!r}")
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
