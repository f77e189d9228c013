"""Which nodes a service runs on. Pure: nothing here looks at the nodes themselves."""

from collections.abc import Sequence

from astraea.protocol import ServiceSpec

from .errors import PlacementError
from .nodes import Node, find_nodes


def place(spec: ServiceSpec, nodes: Sequence[Node], names: Sequence[str] = ()) -> tuple[Node, ...]:
    """Choose the nodes for one instance each: those named, whatever their region, or all that cover the service's.

    Raises:
        NodeError: a name is none of a node.
        PlacementError: no node covers the region; the message says which ones there are instead.
    """
    if names:
        return find_nodes(nodes, names)
    reasons = {node.name: _rejection(spec, node) for node in nodes}
    chosen = tuple(node for node in nodes if reasons[node.name] is None)
    if not chosen:
        rejected = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "there are no nodes"
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
