"""The verbs that take a service from three files to running instances, and look after those."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.filesize import decimal
from rich.live import Live

from astraea.protocol import Location

from . import deployment
from .deployment import Progress
from .engines import Engine, InstanceLog, InstanceStatus
from .engines.process import ProcessEngine
from .errors import DeployError, NodeError
from .images import ServiceImage, build_image, default_layout, find_image
from .nodes import IMPLICIT_NODE, Node, NodeStore
from .packaging.base import DEFAULT_BASE
from .packaging.building import build_container
from .packaging.dependencies import parse_platforms
from .packaging.stages import Stage
from .placement import place
from .registry import Reference
from .starter import start_service
from .status import look
from .views import build_table, deployment_table, node_table, progress_table, status_table

app = typer.Typer(add_completion=False)
node_app = typer.Typer(no_args_is_help=True, help="Add, list and remove edge nodes.")
app.add_typer(node_app, name="node")

_FOLLOW_S = 0.3
_MIN_COLUMNS = 140


class EngineName(StrEnum):
    """What instances run as."""

    PROCESS = "process"


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
def build(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The service's folder.")] = Path(),
    push: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]/NAME[:TAG]", help="Make a container image, and put it into this registry."),
    ] = None,
    platform: Annotated[
        str, typer.Option(help="What a container image runs on: linux/amd64, linux/arm64, or both with a comma.")
    ] = "linux/amd64",
    base: Annotated[str, typer.Option(metavar="IMAGE", help="What a container image is built on.")] = DEFAULT_BASE,
) -> None:
    """Make an image of a service's folder; layers that have not changed are kept.

    Without --push the image is for this machine's own nodes, and stays here. With it, the image has all that a
    container needs, for every platform asked for, and goes straight to the registry; no container engine is needed.

    Example: `astraea build plates --push registry.example:5000/plates --platform linux/amd64,linux/arm64`
    """
    if push is None:
        _build(directory, _out())
        return
    with _showing_stages() as on_stage:
        done = build_container(
            directory,
            default_layout(),
            Reference.parse(push),
            base=Reference.parse(base),
            architectures=parse_platforms(platform),
            on_stage=on_stage,
        )
    _out().print(build_table(done.stages))
    _out().print(f"{done.reference} in {done.duration_s:.2f} s, {decimal(done.sent_bytes)} sent", highlight=False)


@app.command()
def deploy(
    target: Annotated[
        str, typer.Argument(metavar="DIR|IMAGE", help="A service's folder, to be built, or an image's reference.")
    ] = ".",
    node: Annotated[
        list[str] | None, typer.Option(help="A node to run on, instead of all that cover the region; repeatable.")
    ] = None,
    broker: Annotated[
        str, typer.Option(envvar="ASTRAEA_BROKER", help="Where instances register and devices ask.")
    ] = "http://127.0.0.1:8600",
    engine: Annotated[EngineName, typer.Option(help="What instances run as.")] = EngineName.PROCESS,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all instances to serve.")] = 300.0,
) -> None:
    """Run a service on the nodes that suit it, one instance on each, and wait until it serves.

    A new revision starts beside the old one, which ends when the new one serves.

    Example: `astraea deploy plates --node hz-1 --node hz-2`
    """
    image = _image(target)
    nodes = place(image.spec, _nodes(), node or ())
    with _showing_progress() as show:
        done = deployment.deploy(image, nodes, _engine(engine), broker.rstrip("/"), timeout_s=timeout, on_progress=show)
    _out().print(deployment_table(done))


@app.command()
def status(
    service: Annotated[str | None, typer.Argument(metavar="SERVICE", help="One service.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show services, where their instances run, and whether devices reach them.

    Example: `astraea status plates --json`
    """
    views = look(_engine(), service)
    if as_json:
        typer.echo(json.dumps([view.model_dump() for view in views], indent=2))
    elif not views:
        typer.echo("nothing runs" if service is None else f"nothing of {service} runs")
    else:
        _out().print(status_table(views))
        _warn_of_lost({view.service for view in views if view.state in ("unsupervised", "down")})


def _warn_of_lost(services: set[str]) -> None:
    for service in sorted(services):
        typer.echo(f"a node's agent is not running: `astraea deploy {service}` starts it again", err=True)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    tail: Annotated[int, typer.Option(min=0, max=100_000, help="Lines of each instance to begin with.")] = 100,
) -> None:
    """Show what a service's instances print.

    Example: `astraea logs plates -f --tail 20`
    """
    engine = _engine()
    if not _instances(engine, service, node):
        raise DeployError(
            f"no instance of {service!r} runs" + (f" on node {node!r}" if node else ""),
            hint="`astraea status` lists what runs",
        )
    known: dict[str, InstanceLog] = {}
    while True:
        for instance in _instances(engine, service, node):
            for line in _unseen(engine, instance, known, tail):
                typer.echo(f"{instance.plan.node.name} {instance.id} | {line}")
        if not follow:
            return
        time.sleep(_FOLLOW_S)


def _instances(engine: Engine, service: str, node: str | None) -> list[InstanceStatus]:
    return [instance for instance in engine.instances(service) if node in (None, instance.plan.node.name)]


def _unseen(engine: Engine, instance: InstanceStatus, known: dict[str, InstanceLog], tail: int) -> list[str]:
    if instance.id in known:
        return known[instance.id].new_lines()
    known[instance.id] = engine.log(instance)
    return known[instance.id].tail(tail)


@app.command()
def remove(service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")]) -> None:
    """Stop a service on every node and delete what its instances kept there; its images stay.

    Example: `astraea remove plates`
    """
    for instance in deployment.remove(service, _engine()):
        typer.echo(f"stopped {instance.id} on node {instance.plan.node.name}")


@node_app.command("add")
def add_node(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")],
    region: Annotated[str, typer.Option(help="The region it covers.")],
    at: Annotated[str, typer.Option(metavar="LAT,LON", help="Where it is, in degrees.")],
    host: Annotated[str, typer.Option(help="The address its instances are reached at.")] = IMPLICIT_NODE.host,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let them listen beyond this machine, with callers not authenticated.")
    ] = False,
) -> None:
    """Add a node that services can run on.

    Example: `astraea node add hz-1 --region hangzhou --at 30.27,120.15`
    """
    try:
        lat, lon = (float(part) for part in at.split(","))
        node = Node(name=name, region=region, location=Location(lat=lat, lon=lon), host=host, insecure=insecure)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NodeError(
            f"{first['loc'][-1]}: {first['input']!r} can't be used: {first['msg']}",
            hint="names have letters, digits, dots, dashes and underscores; --at is 30.27,120.15, for instance",
        ) from None
    except ValueError:
        raise NodeError(
            f"--at: {at!r} is no place", hint="write it as LAT,LON in degrees, such as 30.27,120.15"
        ) from None
    NodeStore().add(node)
    typer.echo(f"added node {name}")


@node_app.command("list")
def list_nodes() -> None:
    """Show the nodes and how many instances each runs."""
    _out().print(node_table(_nodes(), _engine().instances()))


@node_app.command("remove")
def remove_node(name: Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")]) -> None:
    """Remove a node on which nothing runs any more.

    Example: `astraea node remove hz-1`
    """
    running = sorted({instance.plan.service for instance in _engine().instances() if instance.plan.node.name == name})
    if running:
        raise NodeError(
            f"node {name!r} runs {', '.join(running)}",
            hint=f"`astraea remove {running[0]}`, or deploy it to other nodes with --node",
        )
    NodeStore().remove(name)
    typer.echo(f"removed node {name}")


def _build(directory: Path, console: Console) -> ServiceImage:
    done = build_image(directory, default_layout())
    console.print(build_table(done.stages))
    console.print(f"{done.image.reference} {done.image.digest} in {done.duration_s:.2f} s", highlight=False)
    return done.image


def _image(target: str) -> ServiceImage:
    """The image of a folder, built if need be, or the one that is meant."""
    if Path(target).is_dir():
        return _build(Path(target), _err())
    return find_image(default_layout(), target)


def _nodes() -> tuple[Node, ...]:
    return NodeStore().all() or (IMPLICIT_NODE,)


def _engine(name: EngineName = EngineName.PROCESS) -> Engine:
    return {EngineName.PROCESS: ProcessEngine}[name](default_layout())


@contextlib.contextmanager
def _showing_stages() -> Iterator[Callable[[Stage], None]]:
    """Says what a build has done last, to a person who watches."""
    console = Console(stderr=True)
    with console.status("building") as shown:
        yield lambda stage: shown.update(f"building: {stage.name} took {stage.duration_s:.1f} s")


@contextlib.contextmanager
def _showing_progress() -> Iterator[Callable[[Sequence[Progress]], None]]:
    """Shows a deployment's progress while it lasts, to a person who watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _progress: None
        return
    with Live(console=console, transient=True) as live:
        yield lambda progress: live.update(progress_table(progress))


def _out() -> Console:
    return _unfolded(Console(soft_wrap=True))


def _err() -> Console:
    return _unfolded(Console(stderr=True, soft_wrap=True))


def _unfolded(console: Console) -> Console:
    """Addresses are to be copied: a narrow terminal breaks lines itself, where a table would fold its cells."""
    console.width = max(console.width, _MIN_COLUMNS)
    return console
