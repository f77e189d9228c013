"""The JSON documents of the protocol."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from astraea.protocol.instance import Label

from .datatypes import DATATYPES

_MAX_TENSORS = 64
Name = Annotated[str, Field(max_length=256)]
Length = Annotated[int, Field(ge=0, lt=2**31)]
Datatype = Annotated[str, Field(max_length=20, json_schema_extra={"enum": list(DATATYPES)})]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())


class InputParameters(_Document):
    """How an input comes; those of other extensions are in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    binary_data_size: (
        Annotated[int, Field(ge=0, description="Bytes of it behind the JSON, instead of `data`.")] | None
    ) = None


class InferInput(_Document):
    """A tensor for the model."""

    name: Name
    shape: Annotated[list[Length], Field(max_length=32)]
    datatype: Datatype
    parameters: InputParameters = InputParameters()
    data: (
        Annotated[list[Any], Field(description="Its elements, row-major: flat, or nested as `shape` says.")] | None
    ) = None


class OutputParameters(_Document):
    """How an output is wanted."""

    model_config = ConfigDict(extra="allow")

    binary_data: bool | None = None


class InferOutput(_Document):
    """A tensor that is wanted of the model."""

    name: Name
    parameters: OutputParameters = OutputParameters()


class InferParameters(_Document):
    """How outputs are wanted for which nothing else is said."""

    model_config = ConfigDict(extra="allow")

    binary_data_output: bool = False


class InferRequest(_Document):
    """The body of a request, or what is before the bytes of its tensors."""

    id: Name | None = None
    parameters: InferParameters = InferParameters()
    inputs: Annotated[list[InferInput], Field(min_length=1, max_length=_MAX_TENSORS)]
    outputs: Annotated[list[InferOutput], Field(max_length=_MAX_TENSORS)] = []


class ResponseOutput(_Document):
    """A tensor that the model made; `data` has its elements, unless `parameters.binary_data_size` says otherwise."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferResponse(_Document):
    """The body of a reply, or what is before the bytes of its tensors."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


class TensorMetadata(_Document):
    """A tensor of a model; -1 in its shape is any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Document):
    """What there is to know of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(_Document):
    """Whether a model answers."""

    name: str
    ready: bool


class ServerMetadata(_Document):
    """What there is to know of the server."""

    name: str
    version: str
    extensions: list[str]


class IndexEntry(_Document):
    """A model of the repository."""

    name: str
    version: str
    state: str
    reason: str


class LoadParameters(_Document):
    """How to load it; what Triton takes beside these would change what is in the folder, and is refused."""

    model_config = ConfigDict(extra="forbid")

    revision: Label | None = None


class LoadRequest(_Document):
    """What to load; the body may be missing."""

    parameters: LoadParameters = LoadParameters()


class Loaded(_Document):
    """What serves now."""

    name: str
    version: str


class Live(_Document):
    """Whether the server answers."""

    live: bool


class Error(_Document):
    """Why a request can't be answered."""

    error: str
