"""One inference request: the tensors in its body, and the reply that has those it asks for."""

from http import HTTPStatus
from typing import Any, NamedTuple

from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import JSONResponse, Response

from ..errors import BadInputError, UnsupportedTypeError
from ..exchange import Headers, RawHeaders
from ..inputs import explain
from ..jsonbounds import check_json
from ..limits import Limits
from ..runtimes import datatype_of
from ..tensor_batch import Arrays
from .binary import array_from_bytes, array_to_bytes
from .documents import InferInput, InferRequest
from .json import array_from_json, array_to_json
from .signature import Signature

_HEADER_LENGTH = b"inference-header-content-length"
_REFUSED = frozenset({"shared_memory_region", "classification"})


class ModelId(NamedTuple):
    """What a reply says who made it."""

    name: str
    version: str


class Inference:
    """The form of one request and its reply."""

    def __init__(self, signature: Signature, model: ModelId, headers: Headers, limits: Limits) -> None:
        self.headers: RawHeaders = [(b"content-type", b"application/json")]
        self._signature = signature
        self._model = model
        self._limits = limits
        self._id: str | None = None
        self._wanted: list[tuple[str, bool]] = []
        self._header_length = _header_length(headers)

    def decode(self, body: bytes) -> Any:
        """What `predict` takes, from the request's tensors."""
        length = len(body) if self._header_length is None else self._header_length
        if length > len(body):
            raise BadInputError(f"Inference-Header-Content-Length is {length}, and the body has {len(body)} bytes")
        head = body[:length]
        check_json(head, self._limits)
        try:
            request = InferRequest.model_validate_json(head)
        except ValidationError as error:
            raise BadInputError(explain(error)) from None
        self._check_outputs(request)
        self._id, self._wanted = request.id, self._wanted_of(request)
        return self._signature.take(_tensors(request, memoryview(body)[length:]))

    def _check_outputs(self, request: InferRequest) -> None:
        known = {spec.name for spec in self._signature.outputs}
        for output in request.outputs:
            _check_parameters(f"output {output.name!r}", output.parameters.model_extra)
            if output.name not in known:
                raise BadInputError(f"there is no output {output.name!r}; there are {', '.join(sorted(known))}")

    def encode(self, output: Any) -> bytes:
        """The reply's body, from what `predict` returned."""
        arrays = self._signature.give(output)
        entries, tail = [], list[bytes]()
        for name, binary in self._wanted:
            entry, data = _entry(name, arrays[name], binary=binary)
            entries.append(entry)
            tail += data
        reply: dict[str, Any] = {"model_name": self._model.name, "model_version": self._model.version}
        if self._id is not None:
            reply["id"] = self._id
        head = to_json(reply | {"outputs": entries}, inf_nan_mode="null")
        if any("data" not in entry for entry in entries):
            self.headers = [(b"content-type", b"application/octet-stream"), (_HEADER_LENGTH, b"%d" % len(head))]
        return b"".join([head, *tail])

    def _wanted_of(self, request: InferRequest) -> list[tuple[str, bool]]:
        """The outputs to send, and whether as bytes."""
        usual = request.parameters.binary_data_output
        wanted = [(output.name, output.parameters.binary_data) for output in request.outputs]
        wanted = wanted or [(spec.name, None) for spec in self._signature.outputs]
        return [(name, usual if binary is None else binary) for name, binary in wanted]


def _header_length(headers: Headers) -> int | None:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedTypeError("compressed requests are not taken here")
    announced = headers.get(_HEADER_LENGTH)
    if announced is None:
        return None
    if not announced.isdigit() or len(announced) > 18:
        raise BadInputError(f"Inference-Header-Content-Length is {announced[:20]!r}, not a number of bytes")
    return int(announced)


def _tensors(request: InferRequest, tail: memoryview) -> Arrays:
    arrays: Arrays = {}
    for tensor in request.inputs:
        if tensor.name in arrays:
            raise BadInputError(f"there are two inputs {tensor.name!r}")
        size = tensor.parameters.binary_data_size or 0
        try:
            arrays[tensor.name] = _tensor(tensor, tail[:size])
        except BadInputError as error:
            raise BadInputError(f"input {tensor.name!r}: {error}") from None
        tail = tail[size:]
    if tail:
        raise BadInputError(f"the body has {len(tail)} bytes that belong to no input")
    return arrays


def _tensor(tensor: InferInput, data: memoryview) -> NDArray[Any]:
    size, shape = tensor.parameters.binary_data_size, tuple(tensor.shape)
    _check_parameters("it", tensor.parameters.model_extra)
    if (size is None) == (tensor.data is None):
        raise BadInputError("it must have either `data` or `parameters.binary_data_size`")
    if size is None:
        return array_from_json(tensor.data, tensor.datatype, shape)
    if len(data) != size:
        raise BadInputError(f"its data breaks off: it says {size} bytes, and {len(data)} are left of the body")
    return array_from_bytes(data, tensor.datatype, shape)


def _check_parameters(what: str, parameters: dict[str, Any] | None) -> None:
    refused = _REFUSED & set(parameters or ())
    if refused:
        raise BadInputError(f"{what} asks for {', '.join(sorted(refused))}, which is not supported here")


def _entry(name: str, array: NDArray[Any], *, binary: bool) -> tuple[dict[str, Any], list[bytes]]:
    """An output in the JSON of the reply, and what follows the JSON of it."""
    entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array.dtype)}
    if not binary:
        try:
            return entry | {"data": array_to_json(array)}, []
        except UnicodeDecodeError:
            raise BadInputError(
                f"output {name!r} has BYTES that are no UTF-8 text: ask for it with `binary_data`"
            ) from None
    data = array_to_bytes(array)
    return entry | {"parameters": {"binary_data_size": len(data)}}, [data]


def error_response(
    status: int, detail: str | None = None, *, instance: str | None = None, headers: Any = None
) -> Response:
    """The protocol's reply to a request that can't be answered."""
    text = detail or HTTPStatus(status).phrase
    return JSONResponse({"error": f"{text} {instance}" if instance else text}, status, headers)
