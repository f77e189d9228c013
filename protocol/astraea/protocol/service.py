"""What a user asks to be run: `astraea.yaml`, the template of a service."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .errors import ServiceSpecError

SPEC_FILE = "astraea.yaml"
_MAX_SPEC_BYTES = 64 * 1024

ServiceName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: it becomes part of host names and addresses."""

_MEMORY_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


def _memory_bytes(value: Any) -> Any:
    """`1Gi`, `512M` or a plain number of bytes, as Kubernetes writes quantities."""
    if isinstance(value, str):
        for unit, factor in _MEMORY_UNITS.items():
            number = value.removesuffix(unit)
            if number != value and number.replace(".", "", 1).isdigit():
                return int(float(number) * factor)
    return value


Memory = Annotated[int, BeforeValidator(_memory_bytes), Field(gt=0)]
"""Bytes; written also as `512Mi` or `1Gi`."""


class Resources(BaseModel):
    """What one instance needs of its node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: float = Field(default=1.0, gt=0, le=1024)
    """Cores."""
    memory: Memory = 2**30
    gpu: int = Field(default=0, ge=0, le=64)


class Scale(BaseModel):
    """Between how many instances a controller keeps a service, by its load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: int = Field(default=1, ge=0, le=10_000)
    """With 0, nothing runs while no device asks for the service."""
    max: int = Field(ge=1, le=10_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self


class ServiceSpec(BaseModel):
    """A service as its template describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ServiceName
    version: str = Field(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$", max_length=40)
    """A semantic version, e.g. `1.0.0`."""
    model: str | None = Field(default=None, min_length=1, max_length=500)
    """A file or folder beside the template, or `zoo:NAME`; None for a handler that needs none."""
    handler: str | None = Field(default=None, pattern=r"\.py$", max_length=500)
    """The script beside the template that says how to call the model."""
    port: int = Field(default=8000, ge=1, le=65535)
    resources: Resources = Resources()
    region: str | None = Field(default=None, max_length=64)
    """The region to cover; None for any."""
    latency_ms: float | None = Field(default=None, gt=0, le=10_000)
    """The round trip within which devices all over the region must reach an instance; None for one on every node."""
    scale: Scale | None = None
    """None: as many instances as it is deployed with, or scaled to by hand."""


def load_service_spec(directory: Path) -> ServiceSpec:
    """Read and check the `astraea.yaml` of a service's folder, and that the files it names are there.

    Raises:
        ServiceSpecError: the message names the key, its value and what was expected.
    """
    path = directory / SPEC_FILE
    document = _read_mapping(path)
    try:
        spec = ServiceSpec.model_validate(document)
    except ValidationError as error:
        raise ServiceSpecError(f"{path}: {_describe(error)}", hint=_suggest(error)) from None
    for key in ("model", "handler"):
        value = getattr(spec, key)
        if value is not None and not value.startswith("zoo:"):
            _check_beside(directory, path, key, value)
    return spec


def _read_mapping(path: Path) -> dict[Any, Any]:
    try:
        if path.stat().st_size > _MAX_SPEC_BYTES:
            raise ServiceSpecError(f"{path} is larger than {_MAX_SPEC_BYTES} bytes: not a template of a few lines")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServiceSpecError(
            f"there is no {SPEC_FILE} in {path.parent}", hint=f"`astraea init {path.parent}` writes one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceSpecError(f"{path} can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise ServiceSpecError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ServiceSpecError(f"{path} must be a mapping of keys to values, such as `name: plates`")
    return document


def _check_beside(directory: Path, path: Path, key: str, value: str) -> None:
    target = (directory / value).resolve()
    if not target.is_relative_to(directory.resolve()):
        raise ServiceSpecError(f"{path}: {key}: {value!r} lies outside the service's folder")
    if not target.exists():
        raise ServiceSpecError(
            f"{path}: {key}: there is no {value!r} in {directory}",
            hint=f"put it there, or set {key} to " + ("a zoo model, `zoo:NAME`" if key == "model" else "your script"),
        )


_EXPECTED = {
    "name": "a name of lower-case letters, digits and dashes, such as `plates`",
    "version": "a semantic version, such as `1.0.0`",
    "model": "a file beside the template, or `zoo:NAME`",
    "handler": "a Python script beside the template, such as `handler.py`",
    "port": "a port from 1 to 65535",
    "resources": "a mapping such as `{cpu: 1, memory: 1Gi, gpu: 0}`",
    "resources.cpu": "a number of cores, such as 0.5",
    "resources.memory": "an amount such as `512Mi` or `1Gi`",
    "resources.gpu": "a number of GPUs, such as 0",
    "region": "a region's name, such as `hangzhou`",
    "scale": "a mapping such as `{min: 1, max: 4}`, min not above max",
    "scale.min": "a number of instances, such as 1",
    "scale.max": "a number of instances, such as 4",
    "latency_ms": "a round trip in milliseconds, such as 20",
}


def _describe(error: ValidationError) -> str:
    """The first thing that is wrong, in the template's own terms."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the key `{key}` is missing: {_EXPECTED.get(key, 'a value')}"
    if first["type"] == "extra_forbidden":
        return f"there is no key `{key}`"
    return f"{key}: expected {_EXPECTED.get(key, 'another value')}, found {first['input']!r}"


def _suggest(error: ValidationError) -> str | None:
    first = error.errors(include_url=False)[0]
    if first["type"] != "extra_forbidden":
        return None
    key = str(first["loc"][-1])
    within: dict[str | int, type[BaseModel]] = {"resources": Resources, "scale": Scale}
    known = list((within[first["loc"][0]] if len(first["loc"]) > 1 else ServiceSpec).model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(known)}"
