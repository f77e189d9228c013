"""The engine that a verb asks, and the nodes it has."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from astraea.protocol import MissingExtraError

from ..engines import ClusterEngine, ContainerEngine, Engine, InstancePlan
from ..engines.process import ProcessEngine
from ..errors import EngineError
from ..images import ServiceImage, default_layout
from ..nodes import IMPLICIT_NODE, Node, NodeStore, find_nodes
from .consoles import err

if TYPE_CHECKING:
    from ..engines.kubernetes import KubernetesEngine


class EngineName(StrEnum):
    """What instances run as."""

    PROCESS = "process"
    DOCKER = "docker"
    SWARM = "swarm"
    KUBERNETES = "kubernetes"


EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        envvar="ASTRAEA_ENGINE",
        help="What runs instances: this machine as processes, containers on each node, a Docker Swarm, or Kubernetes.",
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
    away: frozenset[str] = frozenset()
    """Names of the nodes that are left out, since their engines don't answer."""
    render: Callable[[Sequence[InstancePlan], ServiceImage], list[dict[str, Any]]] | None = None
    """Tells what starting instances would apply, if the engine takes objects of Kubernetes."""

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


def warn(error: EngineError) -> None:
    """Say that a node is passed over, and why."""
    err().print(f"[yellow]left out:[/] {escape(str(error))}")


def open_fleet(name: EngineName, on_away: Callable[[EngineError], None] = warn) -> Fleet:
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
    if name is EngineName.KUBERNETES:
        kubernetes = _kubernetes()
        return Fleet(kubernetes, kubernetes.nodes(), kubernetes, kubernetes, render=kubernetes.manifests)
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
    return Fleet(docker, reached, docker, away=frozenset(away))


def _kubernetes() -> "KubernetesEngine":
    try:
        from ..engines.kubernetes import KubernetesEngine  # noqa: PLC0415 - a second that others need not wait for
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("kubernetes"):
            raise
        raise MissingExtraError(
            "--engine kubernetes needs the package 'kubernetes', which is not installed",
            hint="pip install 'astraea[kubernetes]'",
        ) from None
    return KubernetesEngine()


def known_nodes() -> tuple[Node, ...]:
    """Those that were added, or else this machine."""
    return NodeStore().all() or (IMPLICIT_NODE,)
