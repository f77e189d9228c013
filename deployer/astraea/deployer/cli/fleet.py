"""The engine that a verb asks, and the nodes it has."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, NamedTuple

import typer
from rich.markup import escape

from ..engines import ClusterEngine, ContainerEngine, Engine
from ..engines.process import ProcessEngine
from ..errors import EngineError
from ..images import default_layout
from ..nodes import IMPLICIT_NODE, Node, NodeStore, find_nodes
from .consoles import err


class EngineName(StrEnum):
    """What instances run as."""

    PROCESS = "process"
    DOCKER = "docker"
    SWARM = "swarm"


EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        envvar="ASTRAEA_ENGINE",
        help="What instances run as: processes of this machine, containers on each node, or those of a Docker Swarm.",
    ),
]


class Fleet(NamedTuple):
    """Nodes, and what runs instances on them."""

    engine: Engine
    nodes: tuple[Node, ...]
    containers: ContainerEngine | None = None
    """The same engine, if it starts instances from images in a registry."""
    cluster: ClusterEngine | None = None
    """The same engine, if the nodes are its own rather than those that were added."""

    def set_drained(self, name: str, *, drained: bool) -> None:
        """Have nothing more placed on a node, or again.

        Raises:
            NodeError: there is none of this name.
            EngineError: the engine doesn't answer.
        """
        if self.cluster is None:
            NodeStore().set_drained(name, drained=drained)
        else:
            find_nodes(self.nodes, [name])
            self.cluster.set_drained(name, drained=drained)


def _warn(error: EngineError) -> None:
    err().print(f"[yellow]left out:[/] {escape(str(error))}")


def open_fleet(name: EngineName, on_away: Callable[[EngineError], None] = _warn) -> Fleet:
    """The nodes that an engine of this kind runs instances on; those whose engine is away are left out.

    Args:
        name: of the engine.
        on_away: is told which those are.

    Raises:
        EngineError: it doesn't answer.
        NodeError: the nodes can't be read.
    """
    if name is EngineName.PROCESS:
        return Fleet(ProcessEngine(default_layout()), known_nodes())
    # Docker's SDK takes a fifth of a second to import, which those who have no containers need not wait for.
    from ..engines.docker import DockerEngine, SwarmEngine, unreachable  # noqa: PLC0415

    if name is EngineName.SWARM:
        swarm = SwarmEngine()
        return Fleet(swarm, swarm.nodes(), swarm, swarm)
    nodes = known_nodes()
    away = unreachable(nodes)
    if len(away) == len(nodes):
        raise next(iter(away.values()))
    for error in away.values():
        on_away(error)
    docker = DockerEngine(reached := tuple(node for node in nodes if node.name not in away))
    return Fleet(docker, reached, docker)


def known_nodes() -> tuple[Node, ...]:
    """Those that were added, or else this machine."""
    return NodeStore().all() or (IMPLICIT_NODE,)
