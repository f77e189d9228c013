"""Which nodes a service runs on. Pure: nothing here looks at the nodes themselves.

A node suits a service if it covers its region, has what it asks for, and is not drained. All that suit it run one
instance each; or, where the template bounds the latency, the cheapest of them that reach the whole region in time.
Where a region's devices are, its nodes tell: devices are expected around each.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from astraea.protocol import ServiceSpec
from astraea.protocol.geography import distance_km, expected_rtt_ms

from .capacity import Taken, shortage
from .covering import cheapest_cover
from .errors import PlacementError
from .nodes import Node, find_nodes

TRAFFIC_GB_PER_HOUR = 1.0
"""Of the devices around a node, to weigh traffic against cores: one that sends ten frames of 30 kB a second."""


class Verdict(NamedTuple):
    """What placement makes of a node."""

    node: Node
    chosen: bool
    reason: str


def explain(
    spec: ServiceSpec, nodes: Sequence[Node], names: Sequence[str] = (), taken: Taken | None = None
) -> tuple[Verdict, ...]:
    """Why each node would run the service, or not.

    Args:
        spec: the service.
        nodes: all there are.
        names: of nodes to take, whatever their region and capacity; empty for those that suit it.
        taken: of the nodes, by other services.

    Raises:
        NodeError: a name is none of a node.
        PlacementError: the nodes that suit the service don't reach the whole region in time.
    """
    return _named(nodes, names) if names else _suited(spec, nodes, taken or {})


def place(
    spec: ServiceSpec, nodes: Sequence[Node], names: Sequence[str] = (), taken: Taken | None = None
) -> tuple[Node, ...]:
    """Choose the nodes for one instance each; named ones in the order they are named.

    Raises:
        NodeError: a name is none of a node.
        PlacementError: no node suits the service, or those that do don't reach the whole region in time.
    """
    verdicts = explain(spec, nodes, names, taken)
    chosen = tuple(verdict.node for verdict in verdicts if verdict.chosen)
    refused = [verdict for verdict in verdicts if not verdict.chosen and verdict.node.name in names]
    if refused or not chosen:
        rejected = _told(refused or verdicts) or "there are no nodes"
        where = f"--region {spec.region} " if spec.region else ""
        raise PlacementError(
            f"no node suits {spec.name} ({rejected})"
            if not names
            else f"{spec.name} can't be placed there ({rejected})",
            hint=f"add one with `astraea node add NAME {where}--at LAT,LON`, or name one with --node",
        )
    return find_nodes(chosen, names) if names else chosen


def _told(verdicts: Iterable[Verdict]) -> str:
    return "; ".join(f"{verdict.node.name}: {verdict.reason}" for verdict in verdicts)


def move(
    spec: ServiceSpec, nodes: Sequence[Node], running: Sequence[Node], away: str, taken: Taken | None = None
) -> tuple[Node, ...]:
    """Choose the nodes for a service that leaves one of those it runs on: the others, and the nearest that suits it.

    Args:
        spec: the service.
        nodes: all there are.
        running: those it runs on.
        away: the name of the one it leaves.
        taken: of the nodes, by other services.

    Raises:
        PlacementError: it runs nowhere else, and no other node suits it.
    """
    left = next((node for node in running if node.name == away), None)
    kept = tuple(node for node in running if node.name != away)
    used = {away, *(node.name for node in kept)}
    suited = [node for node in nodes if node.name not in used and _rejection(spec, node, taken or {}) is None]
    if not kept and not suited:
        others = (node for node in nodes if node.name != away)
        reasons = _told(Verdict(node, chosen=False, reason=str(_rejection(spec, node, taken or {}))) for node in others)
        raise PlacementError(
            f"{spec.name} runs on {away} alone, and no other node suits it ({reasons or 'there is none'})",
            hint=f"add a node first, or `astraea remove {spec.name}`",
        )
    by_distance = sorted(suited, key=lambda node: _rtt_ms(left, node))
    return (*kept, *by_distance[:1])


def _named(nodes: Sequence[Node], names: Sequence[str]) -> tuple[Verdict, ...]:
    named = find_nodes(nodes, names)
    return tuple(
        Verdict(node, chosen := node in named and not node.drained, _why_named(chosen, node in named)) for node in nodes
    )


def _why_named(chosen: bool, named: bool) -> str:
    return "named" if chosen else _DRAINED if named else "not named"


def _suited(spec: ServiceSpec, nodes: Sequence[Node], taken: Taken) -> tuple[Verdict, ...]:
    reasons = ((node, _rejection(spec, node, taken)) for node in nodes)
    verdicts = tuple(Verdict(node, reason is None, reason or _acceptance(spec, node)) for node, reason in reasons)
    suited = [verdict.node for verdict in verdicts if verdict.chosen]
    if spec.latency_ms is None or not suited:
        return verdicts
    places = [node for node in nodes if node.region is not None and spec.region in (None, node.region)]
    cheapest = {verdict.node.name: verdict for verdict in _cheapest(spec, spec.latency_ms, suited, places)}
    return tuple(cheapest.get(verdict.node.name, verdict) for verdict in verdicts)


def _cheapest(
    spec: ServiceSpec, within_ms: float, suited: Sequence[Node], places: Sequence[Node]
) -> tuple[Verdict, ...]:
    rtts = [[_rtt_ms(place, node) for node in suited] for place in places]
    opening = [spec.resources.cpu * node.price.per_cpu_hour for node in suited]
    serving = [[TRAFFIC_GB_PER_HOUR * node.price.per_gb for node in suited] for _ in places]
    cover = cheapest_cover(opening, serving, rtts, within_ms)
    if cover is None:
        raise _out_of_reach(spec, within_ms, suited, places)
    chosen = [suited[index] for index in cover.opened]
    return tuple(_weighed(node, chosen, places, within_ms, cover.per_hour) for node in suited)


def _weighed(node: Node, chosen: Sequence[Node], places: Sequence[Node], within_ms: float, per_hour: float) -> Verdict:
    """Why a node that suits the service is one of the cheapest set, or isn't."""
    if node in chosen:
        reached = [place.name for place in places if _rtt_ms(place, node) <= within_ms]
        around = f", reaching devices around {', '.join(reached)} within {within_ms:g} ms" if reached else ""
        return Verdict(node, chosen=True, reason=f"of the cheapest set, at {per_hour:.3g} an hour{around}")
    nearest = min(chosen, key=lambda other: _rtt_ms(node, other))
    if node not in places:
        return Verdict(node, chosen=False, reason=f"not needed: {nearest.name} reaches the region in time")
    reason = f"not needed: {nearest.name} reaches its devices in {_rtt_ms(node, nearest):.1f} ms"
    return Verdict(node, chosen=False, reason=reason)


def _out_of_reach(
    spec: ServiceSpec, within_ms: float, suited: Sequence[Node], places: Sequence[Node]
) -> PlacementError:
    lost = next(place for place in places if all(_rtt_ms(place, node) > within_ms for node in suited))
    nearest = min(suited, key=lambda node: _rtt_ms(lost, node))
    took = _rtt_ms(lost, nearest)
    known = f"from the nearest, {nearest.name}, it takes {took:.1f} ms" if took < inf else "nobody knows where it is"
    return PlacementError(
        f"no node that suits {spec.name} reaches the devices around {lost.name} within {within_ms:g} ms: {known}",
        hint="raise latency_ms in the template, add a node there, or name nodes with --node",
    )


def _rtt_ms(place: Node | None, node: Node) -> float:
    """What devices around a node may expect of an instance on another; infinite where nobody knows."""
    if place is not None and place.name == node.name:
        return expected_rtt_ms(0.0)
    there, here = None if place is None else place.location, node.location
    return inf if there is None or here is None else expected_rtt_ms(distance_km(there, here))


_DRAINED = "it is drained"


def _rejection(spec: ServiceSpec, node: Node, taken: Taken) -> str | None:
    """Why a node doesn't suit a service; None if it does."""
    if spec.region is not None and node.region not in (None, spec.region):
        return f"it covers {node.region}, not {spec.region}"
    return _DRAINED if node.drained else shortage(spec.resources, node, taken.get(node.name))


def _acceptance(spec: ServiceSpec, node: Node) -> str:
    """Why a node suits a service that it isn't rejected for."""
    if spec.region is None:
        return "the service asks for no region"
    return "it covers every region" if node.region is None else f"it covers {node.region}"
