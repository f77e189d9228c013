"""Which nodes a service runs on. Pure: nothing here looks at the nodes themselves."""

from collections.abc import Sequence
from typing import NamedTuple

from astraea.protocol import ServiceSpec

from .errors import PlacementError
from .nodes import Node, find_nodes


class Verdict(NamedTuple):
    """What placement makes of a node."""

    node: Node
    chosen: bool
    reason: str


def explain(spec: ServiceSpec, nodes: Sequence[Node], names: Sequence[str] = ()) -> tuple[Verdict, ...]:
    """Why each node would run the service, or not.

    Raises:
        NodeError: a name is none of a node.
    """
    if names:
        named = find_nodes(nodes, names)
        return tuple(Verdict(node, node in named, "named" if node in named else "not named") for node in nodes)
    reasons = ((node, _rejection(spec, node)) for node in nodes)
    return tuple(Verdict(node, reason is None, reason or _acceptance(spec, node)) for node, reason in reasons)


def place(spec: ServiceSpec, nodes: Sequence[Node], names: Sequence[str] = ()) -> tuple[Node, ...]:
    """Choose the nodes for one instance each: those named, whatever their region, or all that cover the service's.

    Raises:
        NodeError: a name is none of a node.
        PlacementError: no node covers the region; the message says which ones there are instead.
    """
    if names:
        return find_nodes(nodes, names)
    verdicts = explain(spec, nodes)
    chosen = tuple(verdict.node for verdict in verdicts if verdict.chosen)
    if not chosen:
        rejected = "; ".join(f"{verdict.node.name}: {verdict.reason}" for verdict in verdicts) or "there are no nodes"
        raise PlacementError(
            f"no node suits {spec.name} ({rejected})",
            hint=f"add one with `astraea node add NAME --region {spec.region} --at LAT,LON`, or name one with --node",
        )
    return chosen


def _rejection(spec: ServiceSpec, node: Node) -> str | None:
    """Why a node doesn't suit a service; None if it does."""
    if spec.region is None or node.region is None or spec.region == node.region:
        return None
    return f"it covers {node.region}, not {spec.region}"


def _acceptance(spec: ServiceSpec, node: Node) -> str:
    """Why a node suits a service that it isn't rejected for."""
    if spec.region is None:
        return "the service asks for no region"
    return "it covers every region" if node.region is None else f"it covers {node.region}"
