"""`astraea node`."""

from typing import Annotated

import typer
from pydantic import ValidationError

from astraea.protocol import Location

from ..errors import NodeError
from ..nodes import IMPLICIT_NODE, Capacity, Node, NodePrice, NodeStore
from ..views import node_table
from .consoles import out
from .fleet import EngineName, EngineOption, open_fleet

app = typer.Typer(add_completion=False)
node_app = typer.Typer(no_args_is_help=True, help="Add, list and remove edge nodes.")
app.add_typer(node_app, name="node")


@node_app.command("add")
def add_node(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")],
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
        first = error.errors(include_url=False)[0]
        raise NodeError(
            f"{first['loc'][-1]}: {first['input']!r} can't be used: {first['msg']}",
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


@node_app.command("remove")
def remove_node(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")],
    engine: EngineOption = EngineName.PROCESS,
) -> None:
    """Remove a node on which nothing runs any more.

    Example: `astraea node remove hz-1`
    """
    running = sorted(
        {instance.plan.service for instance in open_fleet(engine).engine.instances() if instance.plan.node.name == name}
    )
    if running:
        raise NodeError(
            f"node {name!r} runs {', '.join(running)}",
            hint=f"`astraea remove {running[0]}`, or deploy it to other nodes with --node",
        )
    NodeStore().remove(name)
    typer.echo(f"removed node {name}")
