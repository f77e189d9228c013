"""The verbs that run services and look after them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from astraea.protocol import load_service_spec

from .. import deployment
from ..capacity import taken_by_others
from ..desired import DesiredStore, Release
from ..engines import Engine
from ..engines.process import ProcessEngine
from ..errors import DeployError
from ..health import check_broker, check_node_key, new_client
from ..images import ServiceImage
from ..nodes import Node
from ..operator_keys import DEFAULT_BROKER
from ..packaging.base import DEFAULT_BASE
from ..placement import explain, place
from ..rollout.plan import parse_canary
from ..settings import SettingsSource, find_settings, read_settings
from ..status import look
from ..views import deployment_table, status_table, verdict_table
from .consoles import err, out, showing_progress
from .fleet import EngineName, EngineOption, Fleet, open_fleet
from .following import Follower
from .images import AllowOption, build_here, check_model, container_image, found_image
from .rendering import rendered

app = typer.Typer(add_completion=False)

_RATES_OVER_S = 0.5


@app.command()
def deploy(
    target: Annotated[
        str, typer.Argument(metavar="DIR|IMAGE", help="A service's folder, to be built, or an image's reference.")
    ] = ".",
    *,
    node: Annotated[
        list[str] | None, typer.Option(help="A node to run on, instead of all that cover the region; repeatable.")
    ] = None,
    broker: Annotated[
        str, typer.Option(envvar="ASTRAEA_BROKER", help="Where instances register and devices ask.")
    ] = DEFAULT_BROKER,
    engine: EngineOption = EngineName.PROCESS,
    registry: Annotated[
        str | None,
        typer.Option(envvar="ASTRAEA_REGISTRY", metavar="HOST[:PORT]", help="Where a folder's container image is put."),
    ] = None,
    base: Annotated[
        str, typer.Option(envvar="ASTRAEA_BASE", metavar="IMAGE", help="What a container image is built on.")
    ] = DEFAULT_BASE,
    allow: AllowOption = None,
    env_file: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Its environment, NAME=VALUE a line, as for docker run; repeatable."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A secret that it reads from $CREDENTIALS_DIRECTORY/NAME; repeatable."),
    ] = None,
    canary: Annotated[
        str | None,
        typer.Option(metavar="5,25,100", help="Give a new revision this share of devices (%), step by step."),
    ] = None,
    every: Annotated[str, typer.Option(metavar="30s|2m|1h", help="How long each of those steps is watched.")] = "2m",
    shadow: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="PERCENT", help="Of the old revision's requests, so many are copied to a canary."
        ),
    ] = 10.0,
    max_disagreement: Annotated[
        float,
        typer.Option(min=0, max=100, metavar="PERCENT", help="By which its answers may differ; with 100 by anything."),
    ] = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say where it would run, and why.")] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Only print what would be applied to Kubernetes, as YAML.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all instances to serve.")] = 300.0,
) -> None:
    """Run a service on the nodes that suit it, one instance on each, and wait until it serves.

    A new revision starts beside the old one, which ends when the new one serves. With --canary devices move over step
    by step, and all go back to the old revision as soon as the new one fails more requests or is slower. If this
    command is gone by then, `astraea controller` goes on. `astraea scale` sets another number of instances.

    A canary also answers copies of what devices ask the old revision, and goes back if it disagrees too much with the
    answers they got. `--canary 0,5,100` begins with copies alone: no device has it in the first step.

    Example: `astraea deploy plates --canary 5,25,100 --every 2m`, or
    `astraea deploy plates --engine docker --registry registry.example:5000`
    """
    steps = None if canary is None else parse_canary(canary, every, shadow, max_disagreement)
    settings = find_settings(env_file or (), secret or ())
    fleet = open_fleet(engine)
    found = found_image(target, fleet.containers)
    spec = load_service_spec(Path(target)) if found is None else found.spec
    taken = taken_by_others(fleet.engine.instances(), spec.name)
    if dry_run:
        out().print(verdict_table(explain(spec, fleet.nodes, node or (), taken)))
        return
    nodes = place(spec, fleet.nodes, node or (), taken)
    if found is None:
        check_model(Path(target), allow or ())
    if not render:
        _check_broker(broker, fleet.engine, nodes, settings)
    image = found or _built(Path(target), fleet, nodes, registry=registry, base=base)
    known = DesiredStore().get(image.spec.name)
    release = Release(
        image=image,
        nodes=nodes,
        broker=broker.rstrip("/"),
        settings=settings,
        count=known.release.count if known else None,
    )
    if render:
        typer.echo(rendered(release, fleet), nl=False)
        return
    with showing_progress() as shown:
        done = deployment.deploy(
            release,
            engine.value,
            fleet.engine,
            timeout_s=timeout,
            on_progress=shown.progress,
            canary=steps,
            on_judged=shown.judged,
        )
    out().print(deployment_table(done))
    if not release.size:
        typer.echo(f"it is scaled to 0, so nothing runs: `astraea scale {image.spec.name} 1` changes that", err=True)


def _check_broker(broker: str, engine: Engine, nodes: Sequence[Node], settings: SettingsSource | None) -> None:
    """What a build would be in vain without: a broker that answers, and lets the instances register."""
    with new_client() as client:
        check_broker(client, broker)
    given = read_settings(settings)
    inherited = [engine.environment(node.name) for node in nodes] if isinstance(engine, ProcessEngine) else [{}]
    for key in {given.node_key(variables) for variables in inherited}:
        check_node_key(broker, key)


def _built(directory: Path, fleet: Fleet, nodes: Sequence[Node], *, registry: str | None, base: str) -> ServiceImage:
    if fleet.containers is None:
        return build_here(directory, err())
    architectures = fleet.containers.architectures(nodes)
    return container_image(directory, registry=registry, base=base, architectures=architectures)


@app.command()
def status(
    service: Annotated[str | None, typer.Argument(metavar="SERVICE", help="One service.", show_default="all")] = None,
    engine: EngineOption = EngineName.PROCESS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show services: where their instances run, whether devices reach them, how many do, and how canaries stand.

    Requests are counted for half a second.

    Example: `astraea status plates --json`
    """
    views = look(open_fleet(engine).engine, service, rates_over_s=_RATES_OVER_S)
    if as_json:
        typer.echo(json.dumps([view.model_dump() for view in views], indent=2))
    elif not views:
        typer.echo("nothing runs" if service is None else f"nothing of {service} runs")
    else:
        out().print(status_table(views))
        for line in _intents({view.service for view in views}):
            typer.echo(line)
        _warn_of_lost({view.service for view in views if view.state in ("unsupervised", "down")}, engine)


def _intents(services: set[str]) -> Iterator[str]:
    """What is under way, as far as it was begun from here."""
    for desired in filter(None, map(DesiredStore().get, sorted(services))):
        if (rollout := desired.rollout) is not None:
            percents, revision = rollout.plan.percents, rollout.release.image.revision
            step = f"step {rollout.step + 1} of {len(percents)}, each {rollout.plan.every_s:g} s"
            yield f"{desired.service}: canary {revision} at {percents[rollout.step]:g} % of devices, {step}"
        if (scale := desired.release.image.spec.scale) is not None:
            yield f"{desired.service}: {desired.release.size} wanted, from {scale.min} to {scale.max} by load"


def _warn_of_lost(services: set[str], engine: EngineName) -> None:
    is_process = engine is EngineName.PROCESS
    what = "a node's agent is not running" if is_process else "a node is down, or its container was stopped"
    for service in sorted(services):
        typer.echo(f"{what}: `astraea deploy {service}` starts it again", err=True)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    engine: EngineOption = EngineName.PROCESS,
    tail: Annotated[int, typer.Option(min=0, max=100_000, help="Lines of each instance to begin with.")] = 100,
) -> None:
    """Show what a service's instances print.

    With -f a node that goes away is named and passed over, and followed again when it is back.

    Example: `astraea logs plates -f --tail 20`
    """
    fleet, follower = open_fleet(engine), Follower(engine, service, node, tail)
    if not follower.instances(fleet.engine):
        raise DeployError(
            f"no instance of {service!r} runs" + (f" on node {node!r}" if node else ""),
            hint="`astraea status` lists what runs",
        )
    for line in follower.follow(fleet) if follow else follower.new_lines(fleet.engine):
        typer.echo(line)


@app.command()
def remove(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")],
    engine: EngineOption = EngineName.PROCESS,
) -> None:
    """Stop a service on every node and delete what its instances kept there; its images stay.

    Example: `astraea remove plates`
    """
    for instance in deployment.remove(service, engine.value, open_fleet(engine).engine):
        typer.echo(f"stopped {instance.id} on node {instance.plan.node.name}")
