"""What the dashboard shows, put together from what the broker knows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import isnan
from statistics import median
from typing import NamedTuple

from pydantic import BaseModel, Field

from astraea.protocol import Candidate, Instance
from astraea.protocol.broker_api import Ask, Objective, Sharing
from astraea.protocol.service import ServiceName

from ..core import Broker
from ..events import Event
from .history import History
from .worldmap import WIDTH, on_map

MOST_SERVICES = 100
MOST_INSTANCES = 200


class RevisionView(NamedTuple):
    """One revision of a service."""

    name: str
    instances: int
    weight: float | None
    """As set; None when nothing is set for the service."""
    percent: float | None
    """Of devices; None as for the weight."""
    in_flight: int
    capacity: int
    service_ms: float | None


class ServiceView(NamedTuple):
    """One service."""

    name: str
    revisions: list[RevisionView]
    objective: Objective
    latency: str
    """A line over the last minutes, as the points of an SVG polyline."""
    service_ms: float | None
    per_second: float

    @property
    def canary(self) -> bool:
        """Whether devices are being shared out among several revisions."""
        return sum((revision.percent or 0) > 0 for revision in self.revisions) > 1


class NodeView(NamedTuple):
    """One node on the map."""

    name: str
    region: str | None
    x: float
    y: float
    instances: int
    use: float
    draining: bool


class Overview(NamedTuple):
    """The whole page."""

    services: list[ServiceView]
    more_services: int
    nodes: list[NodeView]
    unplaced: list[NodeView]
    instances: list[Instance]
    more_instances: int
    events: list[Event]
    regions: list[tuple[str, float, float]]
    """Names with their places on the map."""


def overview(broker: Broker, history: History) -> Overview:
    """Everything that is alive."""
    instances = broker.instances()
    by_service: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_service[instance.service].append(instance)
    names = sorted(by_service)
    services = [_service(broker, name, by_service[name], history) for name in names[:MOST_SERVICES]]
    nodes = _nodes(instances, frozenset(broker.draining.items))
    placed = [node for node in nodes if not isnan(node.x)]
    return Overview(
        services=services,
        more_services=max(0, len(names) - MOST_SERVICES),
        nodes=placed,
        unplaced=[node for node in nodes if isnan(node.x)],
        instances=instances[:MOST_INSTANCES],
        more_instances=max(0, len(instances) - MOST_INSTANCES),
        events=broker.events.last(12)[::-1],
        regions=_regions(placed),
    )


class AskedOf(BaseModel):
    """What somebody at the dashboard wants to know: what a device would be told."""

    service: ServiceName | None = None
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    device: str = Field(default="", pattern=r"^[A-Za-z0-9._~-]{0,64}$")


def device_view(broker: Broker, asked: AskedOf) -> Sequence[Candidate]:
    """What a device would be told, and why; asking this way leaves no trace in the selection.

    Raises:
        UnknownServiceError: nothing alive offers the service.
    """
    ask = Ask(lat=asked.lat, lon=asked.lon, limit=8, explain=True, device=asked.device or None, rate=1e-9)
    return broker.candidates(asked.service or "", ask).candidates


def _service(broker: Broker, name: str, instances: Sequence[Instance], history: History) -> ServiceView:
    sharing = broker.sharings.items.get(name, Sharing())
    by_revision: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_revision[instance.revision].append(instance)
    whole = sum(sharing.weights.values())
    order = [*(set(by_revision) - set(sharing.weights)), *sharing.weights]
    revisions = [_revision(revision, by_revision[revision], sharing, whole) for revision in order]
    return ServiceView(
        name=name,
        revisions=revisions,
        objective=sharing.objective,
        latency=history.line(name),
        service_ms=_service_ms(instances),
        per_second=sum(per_second(instance) for instance in instances),
    )


def _revision(name: str, instances: Sequence[Instance], sharing: Sharing, whole: float) -> RevisionView:
    weight = sharing.weights.get(name, 0.0) if sharing.weights else None
    return RevisionView(
        name=name,
        instances=len(instances),
        weight=weight,
        percent=None if weight is None else 100 * weight / whole,
        in_flight=sum(instance.load.in_flight for instance in instances),
        capacity=sum(instance.load.capacity for instance in instances),
        service_ms=_service_ms(instances),
    )


def per_second(instance: Instance) -> float:
    """Requests that an instance answers in a second, by Little's law from how many it has and how long they take."""
    return instance.load.in_flight / instance.load.service_ms * 1e3 if instance.load.service_ms else 0.0


def _service_ms(instances: Iterable[Instance]) -> float | None:
    known = [instance.load.service_ms for instance in instances if instance.load.service_ms is not None]
    return median(known) if known else None


def _nodes(instances: Iterable[Instance], draining: frozenset[str]) -> list[NodeView]:
    by_node: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_node[instance.node].append(instance)
    return [_node(name, on_it, name in draining) for name, on_it in sorted(by_node.items())]


def _node(name: str, instances: Sequence[Instance], draining: bool) -> NodeView:
    x, y = on_map(next((instance.location for instance in instances if instance.location), None))
    in_flight = sum(instance.load.in_flight for instance in instances)
    capacity = sum(instance.load.capacity for instance in instances)
    return NodeView(name, instances[0].region, x, y, len(instances), in_flight / capacity, draining)


def _regions(nodes: Iterable[NodeView]) -> list[tuple[str, float, float]]:
    by_region: defaultdict[str, list[NodeView]] = defaultdict(list)
    for node in nodes:
        if node.region is not None:
            by_region[node.region].append(node)
    return [
        (name, min(median(node.x for node in of_it), WIDTH - 40), min(node.y for node in of_it) - 8)
        for name, of_it in sorted(by_region.items())
    ]
