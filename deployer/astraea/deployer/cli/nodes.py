"""`astraea node`."""

from typing import Annotated

import typer
from pydantic import ValidationError

from astraea.protocol import Location

from .. import deployment
from ..capacity import taken_by_others
from ..desired import DesiredStore
from ..engines import Engine
from ..errors import DeployError, NodeError
from ..nodes import IMPLICIT_NODE, Capacity, Node, NodePrice, NodeStore, what_is_wrong
from ..placement import move
from ..views import node_table
from .consoles import out, showing_progress
from .fleet import EngineName, EngineOption, open_fleet

app = typer.Typer(add_completion=False)
node_app = typer.Typer(no_args_is_help=True, help="Add, list, drain and remove edge nodes.")
app.add_typer(node_app, name="node")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")]


@node_app.command("add")
def add_node(
    name: _Name,
    *,
    region: Annotated[str, typer.Option(help="The region it covers.")],
    at: Annotated[str, typer.Option(metavar="LAT,LON", help="Where it is, in degrees.")],
    host: Annotated[str, typer.Option(help="The address its instances are reached at.")] = IMPLICIT_NODE.host,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="unix://|ssh://|tcp://...",
            help="Its container engine's address; TCP takes TLS's files from DOCKER_CERT_PATH.",
            show_default="DOCKER_HOST, or this machine's",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let them listen beyond this machine, with callers not authenticated.")
    ] = False,
    cpus: Annotated[
        float | None, typer.Option(metavar="CORES", help="Cores that instances may take.", show_default="not bounded")
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="8Gi", help="Memory that instances may take.", show_default="not bounded"),
    ] = None,
    gpus: Annotated[int, typer.Option(help="GPUs that instances may take.")] = 0,
    cpu_price: Annotated[float, typer.Option(metavar="PRICE", help="Of a core for an hour, in any currency.")] = 0.0,
    traffic_price: Annotated[float, typer.Option(metavar="PRICE", help="Of a GB of traffic from devices.")] = 0.0,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="HOST[:PORT]", help="A pull-through registry near it, which it pulls images from."),
    ] = None,
) -> None:
    """Add a node that services can run on.

    What is said of cores, memory and GPUs bounds what is placed there; prices count where a template bounds its
    latency, and not all of its region's nodes are needed. The nodes of a swarm need not be added: labels describe them,
    `region`, `lat`, `lon`, `cpu-price`, `traffic-price`, `mirror` and `insecure=true`.

    Example: `astraea node add hz-1 --region hangzhou --at 30.27,120.15 --host 10.0.0.7 --engine ssh://ops@10.0.0.7`, or
    `... --cpus 8 --memory 16Gi --gpus 1 --cpu-price 0.04 --traffic-price 0.01 --mirror 10.0.0.2:5000`
    """
    try:
        lat, lon = (float(part) for part in at.split(","))
        node = Node(
            name=name,
            region=region,
            location=Location(lat=lat, lon=lon),
            host=host,
            engine=engine,
            insecure=insecure,
            capacity=Capacity.model_validate({"cpu": cpus, "memory": memory, "gpu": gpus}),
            price=NodePrice(per_cpu_hour=cpu_price, per_gb=traffic_price),
            mirror=mirror,
        )
    except ValidationError as error:
        raise NodeError(
            what_is_wrong(error),
            hint="names have letters, digits, dots, dashes and underscores; --at is like 30.27,120.15, "
            "--engine like unix:///var/run/docker.sock, --memory like 8Gi, --mirror like 10.0.0.2:5000",
        ) from None
    except ValueError:
        raise NodeError(
            f"--at: {at!r} is no place", hint="write it as LAT,LON in degrees, such as 30.27,120.15"
        ) from None
    NodeStore().add(node)
    typer.echo(f"added node {name}")


@node_app.command("list")
def list_nodes(engine: EngineOption = EngineName.PROCESS) -> None:
    """Show the nodes and how many instances each runs."""
    fleet = open_fleet(engine)
    out().print(node_table(fleet.nodes, fleet.engine.instances()))


@node_app.command("drain")
def drain_node(
    name: _Name,
    engine: EngineOption = EngineName.PROCESS,
    undo: Annotated[bool, typer.Option("--undo", help="Let services be placed on it again.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for each service to serve elsewhere.")] = 300.0,
) -> None:
    """Have nothing more placed on a node, and move what runs there to others.

    Each service starts on the nearest node that suits it, and ends here when it serves there. One that runs on other
    nodes, too, and finds none more, just ends here. If a service can't be moved, it stays, and the command says why.

    Example: `astraea node drain hz-1`
    """
    fleet = open_fleet(engine)
    fleet.set_drained(name, drained=not undo)
    if undo:
        typer.echo(f"services can be placed on node {name} again")
        return
    running = fleet.engine.instances()
    there = sorted({instance.plan.service for instance in running if instance.plan.node.name == name})
    for service in there:
        desired = DesiredStore().get(service)
        if desired is None:
            raise DeployError(
                f"{service!r} was not deployed from here", hint="deploy it again where it was, or `astraea remove` it"
            )
        release, taken = desired.release, taken_by_others(running, service)
        nodes = move(release.image.spec, fleet.nodes, release.nodes, name, taken)
        with showing_progress() as shown:
            deployment.relocate(desired, nodes, fleet.engine, timeout_s=timeout, on_progress=shown.progress)
        typer.echo(f"{service} runs on {', '.join(node.name for node in nodes)}")
    typer.echo(f"drained node {name}")


@node_app.command("remove")
def remove_node(
    name: _Name,
    engine: EngineOption = EngineName.PROCESS,
    force: Annotated[
        bool, typer.Option("--force", help="Do not ask what runs there, for instance because it is lost for good.")
    ] = False,
) -> None:
    """Remove a node on which nothing runs any more.

    Example: `astraea node drain hz-1 && astraea node remove hz-1`
    """
    if not force:
        fleet = open_fleet(engine)
        if fleet.cluster is not None:
            raise NodeError(
                f"the nodes of {engine.value} are its own",
                hint="`astraea node drain` empties one before you remove it there",
            )
        _check_empty(name, fleet.engine)
    NodeStore().remove(name)
    typer.echo(f"removed node {name}")


def _check_empty(name: str, engine: Engine) -> None:
    running = sorted({status.plan.service for status in engine.instances() if status.plan.node.name == name})
    if running:
        raise NodeError(
            f"node {name!r} runs {', '.join(running)}",
            hint=f"`astraea node drain {name}` moves that to other nodes",
        )
