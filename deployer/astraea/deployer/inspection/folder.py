"""What a service's folder would be made into."""

from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from astraea.protocol import ServiceSpec, load_service_spec

from ..packaging.requirements import requirements_of
from .models import ModelView, inspect_model


class ServiceView(BaseModel):
    """A service's folder as `astraea inspect --json` shows it."""

    model_config = ConfigDict(frozen=True)

    service: ServiceSpec
    model: ModelView | None
    """None without a model, and for one of the zoo."""
    requirements: tuple[str, ...]
    """The packages that its container image is resolved from."""


def inspect_service(directory: Path, allowed: Collection[str] = ()) -> ServiceView:
    """Read a service's folder; nothing in it is executed.

    Raises:
        ServiceSpecError, BuildError, InspectionError: something can't be read.
        UntrustedPickleError: loading the model would call what a model doesn't need.
    """
    spec = load_service_spec(directory)
    own = spec.model is not None and not spec.model.startswith("zoo:")
    model = inspect_model(directory / str(spec.model), allowed) if own else None
    return ServiceView(service=spec, model=model, requirements=tuple(requirements_of(directory, spec)))
