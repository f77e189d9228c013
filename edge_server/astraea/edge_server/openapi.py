"""The description of a service's API, OpenAPI 3.1, made from the annotations of its handler.

https://spec.openapis.org/oas/v3.1.1.html
"""

import inspect
import typing
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, TypeAdapter

from astraea.protocol import PROBLEM_MEDIA_TYPE, Detection, Instance, Problem

from .oip import documents as oip
from .oip.datatypes import DATATYPES
from .openapi_parts import Schema, content_of, json_of, object_of, operation, ref, required
from .openapi_streams import stream_paths
from .service import Service
from .tensors import Tensor, decode_tensor

_OBJECT: Schema = {"type": "object"}
_BYTES: Schema = {}  # OpenAPI 3.1 says "any bytes" by saying nothing
_NESTED: Schema = {"type": ["array", "number", "boolean"], "description": "Numbers, or all booleans, in nested lists."}
_TEXTS: Schema = {"type": ["array", "string"], "description": "Texts in nested lists."}
_DOCUMENTS = (
    Problem,
    oip.Error,
    oip.IndexEntry,
    oip.InferRequest,
    oip.InferResponse,
    oip.Live,
    oip.Loaded,
    oip.LoadRequest,
    oip.ModelMetadata,
    oip.ModelReady,
    oip.ServerMetadata,
)
_HEADER_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "Bytes of the body that are JSON, when those of tensors follow.",
    "schema": {"type": "integer", "minimum": 0},
}


def describe_api(service: Service, instance: Instance) -> Schema:
    """The OpenAPI document of one service."""
    documents, schemas = _schemas([*_DOCUMENTS, service.input.json_type, service.output])
    takes, makes = documents[-2:]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": instance.service,
            "version": instance.revision,
            "description": f"Served by Astraea {version('astraea')}.",
        },
        "paths": _own_paths(_bodies(service, takes), _reply(service.output, makes))
        | _inference_paths(instance.service, instance.revision),
        "components": {"schemas": schemas},
    }


def _schemas(types: Iterable[Any]) -> tuple[list[Schema], Schema]:
    """The JSON schema of each of these types, and the definitions that they refer to; {} of what JSON doesn't know."""
    adapters = [_adapter(of) for of in types]
    found, definitions = TypeAdapter.json_schemas(
        [(str(key), "validation", adapter) for key, adapter in enumerate(adapters)],
        ref_template="#/components/schemas/{model}",
    )
    return [found[str(key), "validation"] for key in range(len(adapters))], definitions.get("$defs", {})


def _adapter(of: Any) -> TypeAdapter[Any]:
    try:
        adapter = TypeAdapter(Any if of is None else of)
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        return TypeAdapter(Any)
    return adapter


def _bodies(service: Service, schema: Schema) -> Schema:
    """What `POST /predict` takes, by content type."""
    input_ = service.input
    if service.tensors is not None:
        schema = object_of(
            {spec.name: _TEXTS if spec.datatype == "BYTES" else _NESTED for spec in service.tensors.inputs}
        )
    elif input_.decode is decode_tensor:
        schema = _NESTED
    elif input_.media_types == ("text/plain",):
        schema = {"type": "string"}
    elif input_.json_type is None:
        schema = _BYTES
    bodies = {media_type: {"schema": schema} for media_type in input_.media_types}
    if "application/json" not in bodies or input_.decode is decode_tensor:
        bodies["application/octet-stream"] = {"schema": _BYTES}
    field: Schema = {"type": "string", "contentMediaType": (*input_.media_types, "application/octet-stream")[0]}
    return bodies | {"multipart/form-data": {"schema": object_of({"file": field})}}


def _reply(annotation: Any, schema: Schema) -> Schema:
    """What `encode_output` makes of what `predict` says that it returns."""
    if annotation is Tensor:
        schema = {}
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return schema
    if annotation is dict or (inspect.isclass(origin) and issubclass(origin, Mapping)):
        return schema
    if Detection in arguments and origin is list:
        return object_of({"detections": schema})
    if annotation in {bool, int, float, str} or annotation is Tensor or (origin is list and Any not in arguments):
        return object_of({"output": schema})
    return _OBJECT


def _own_paths(bodies: Schema, reply: Schema) -> Schema:
    status = json_of(object_of({"status": {"type": "string"}}))
    problem = content_of(PROBLEM_MEDIA_TYPE, ref("Problem"))
    return {
        "/predict": {
            "post": operation("Answer one input", problem, json_of(reply)) | {"requestBody": required(bodies)},
        },
        "/probe": {
            "post": {
                "summary": "Take a body and do nothing with it, to measure the link",
                "requestBody": {"content": {"application/octet-stream": {"schema": _BYTES}}},
                "responses": {"204": {"description": "Taken."}, "default": problem},
            }
        },
        **stream_paths(problem),
        "/livez": {"get": operation("Whether the process answers", problem, status)},
        "/healthz": {"get": operation("The same as /livez", problem, status)},
        "/readyz": {"get": operation("Whether inputs should be sent here", problem, status)},
        "/metrics": {"get": operation("Figures for Prometheus", problem, content_of("text/plain", {"type": "string"}))},
    }


def _inference_paths(model: str, version_: str) -> Schema:
    error, tag = json_of(ref("Error")), {"tags": ["Open Inference Protocol"]}

    def get(summary: str, document: str) -> Schema:
        return {"get": operation(summary, error, json_of(ref(document))) | tag}

    infer = operation("Infer from tensors, in JSON or as bytes behind it", error, _inferred()) | {
        **tag,
        "parameters": [_HEADER_LENGTH],
        "requestBody": required(
            {"application/json": {"schema": ref("InferRequest")}, "application/octet-stream": {"schema": _BYTES}}
        ),
    }
    paths = {
        "/v2": get("What there is to know of the server", "ServerMetadata"),
        "/v2/health/live": get("Whether the server answers", "Live"),
        "/v2/health/ready": get("Whether inputs should be sent here", "Live"),
    }
    for path in (f"/v2/models/{model}", f"/v2/models/{model}/versions/{version_}"):
        paths[path] = get("What there is to know of the model", "ModelMetadata")
        paths[f"{path}/ready"] = get("Whether the model answers", "ModelReady")
        paths[f"{path}/infer"] = {"post": infer}
    index = operation("Which models there are", error, json_of({"type": "array", "items": ref("IndexEntry")}))
    load = operation("Let what is in the service's folder now serve; for its operator", error, json_of(ref("Loaded")))
    load["requestBody"] = {"content": {"application/json": {"schema": ref("LoadRequest")}}}
    paths["/v2/repository/index"] = {"post": index | tag}
    paths[f"/v2/repository/models/{model}/load"] = {"post": load | tag}
    return paths


def _inferred() -> Schema:
    content = {"application/json": {"schema": ref("InferResponse")}, "application/octet-stream": {"schema": _BYTES}}
    return {"description": f"Tensors of {', '.join(DATATYPES)}.", "content": content}
