"""The verbs that make a service's folder and its images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from ..errors import BuildError
from ..images import default_layout
from ..inspection.folder import inspect_service
from ..packaging.base import DEFAULT_BASE
from ..packaging.building import build_container, find_bill
from ..packaging.dependencies import parse_platforms
from ..registry import Reference
from ..starter import start_service
from ..views import build_table, service_table
from .consoles import out, showing_stages
from .images import AllowOption, build_here, check_model

app = typer.Typer(add_completion=False)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new service's folder.")],
    model: Annotated[str | None, typer.Option(metavar="zoo:NAME|FILE", help="A model of the zoo, or a file.")] = None,
    name: Annotated[str | None, typer.Option(help="The service's name.", show_default="the folder's")] = None,
) -> None:
    """Write the template and the handler of a new service.

    Example: `astraea init plates --model zoo:plates`, then `astraea deploy plates`.
    """
    for path in start_service(directory, model, name):
        typer.echo(f"wrote {path}")


@app.command()
def inspect(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The service's folder.")] = Path(),
    allow: AllowOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Tell what a service's folder holds: model, framework, inputs, and the packages it needs.

    Nothing in the folder is executed: a pickle is read opcode by opcode, and refused if it would call what no model
    needs.

    Example: `astraea inspect plates`
    """
    view = inspect_service(directory, allow or ())
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
    else:
        out().print(service_table(view))


@app.command()
def build(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The service's folder.")] = Path(),
    *,
    push: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]/NAME[:TAG]", help="Make a container image, and put it into this registry."),
    ] = None,
    platform: Annotated[
        str, typer.Option(help="What a container image runs on: linux/amd64, linux/arm64, or both with a comma.")
    ] = "linux/amd64",
    base: Annotated[
        str, typer.Option(envvar="ASTRAEA_BASE", metavar="IMAGE", help="What a container image is built on.")
    ] = DEFAULT_BASE,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A label of the container image; it changes its digest; repeatable."),
    ] = None,
    allow: AllowOption = None,
) -> None:
    """Make an image of a service's folder; layers that have not changed are kept.

    Without --push the image is for this machine's own nodes, and stays here. With it, the image has all that a
    container needs, for every platform asked for, and goes straight to the registry; no container engine is needed. Its
    bill of materials is attached to it there: `astraea sbom IMAGE` shows it.

    Example: `astraea build plates --push registry.example:5000/plates --platform linux/amd64,linux/arm64`
    """
    check_model(directory, allow or ())
    if push is None:
        build_here(directory, out())
        return
    with showing_stages() as on_stage:
        done = build_container(
            directory,
            default_layout(),
            Reference.parse(push),
            base=Reference.parse(base),
            architectures=parse_platforms(platform),
            labels=_labels(label or ()),
            on_stage=on_stage,
        )
    out().print(build_table(done.stages))
    out().print(f"{done.reference} in {done.duration_s:.2f} s, {decimal(done.sent_bytes)} sent", highlight=False)


def _labels(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, sign, _ in pairs:
        if not (name and sign):
            raise BuildError(f"--label: {name!r} has no value", hint="such as org.opencontainers.image.revision=1f3c9a")
    return {name: value for name, _, value in pairs}


@app.command()
def sbom(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A container image in a registry.")],
) -> None:
    """Print what an image is made of: a bill of materials in CycloneDX's JSON, which its build attached to it.

    Example: `astraea sbom registry.example:5000/plates:1.0.0 > plates.cdx.json`
    """
    typer.echo(find_bill(Reference.parse(image)))
