"""The image that a verb's argument means, made if it is a folder."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from astraea.protocol import load_service_spec

from ..engines import ContainerEngine
from ..errors import DeployError
from ..images import ServiceImage, build_image, default_layout, find_image
from ..inspection.models import inspect_model
from ..packaging.building import build_container, find_container
from ..packaging.dependencies import Architecture, parse_platforms
from ..registry import Reference
from ..views import build_table
from .consoles import err, showing_stages

AllowOption = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE.NAME", help="What the model's pickle may call beside data; repeatable."),
]


def check_model(directory: Path, allowed: Collection[str]) -> None:
    """Refuse a model whose pickle would call what no model needs.

    Raises:
        ServiceSpecError, InspectionError: it can't be read, or is refused.
    """
    spec = load_service_spec(directory)
    if spec.model is not None and not spec.model.startswith("zoo:"):
        inspect_model(directory / spec.model, allowed)


def build_here(directory: Path, console: Console) -> ServiceImage:
    """Make an image for this machine's own nodes, and say how it went."""
    done = build_image(directory, default_layout())
    console.print(build_table(done.stages))
    console.print(f"{done.image.reference} {done.image.digest} in {done.duration_s:.2f} s", highlight=False)
    return done.image


def found_image(target: str, containers: ContainerEngine | None) -> ServiceImage | None:
    """The image that a verb's argument names, in a registry or this user's layout; None if it is a folder."""
    if Path(target).is_dir():
        return None
    return find_image(default_layout(), target) if containers is None else find_container(Reference.parse(target))


def container_image(directory: Path, *, registry: str | None, base: str, architectures: frozenset[str]) -> ServiceImage:
    """The image of a folder, pushed to a registry if it lacks something of it.

    Raises:
        DeployError: no registry is named.
    """
    if registry is None:
        raise DeployError(
            "containers are started from images in a registry, and none is named",
            hint="--registry HOST[:PORT], or ASTRAEA_REGISTRY; `docker run -d -p 127.0.0.1:5000:5000 registry` is one",
        )
    spec = load_service_spec(directory)
    with showing_stages() as on_stage:
        done = build_container(
            directory,
            default_layout(),
            Reference.parse(f"{registry}/{spec.name}:{spec.version.replace('+', '-')}"),
            base=Reference.parse(base),
            architectures=_known(architectures),
            on_stage=on_stage,
        )
    err().print(build_table(done.stages))
    return done.image


def _known(architectures: frozenset[str]) -> tuple[Architecture, ...]:
    return parse_platforms(",".join(f"linux/{name}" for name in sorted(architectures)))
