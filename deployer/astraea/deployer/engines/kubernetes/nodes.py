"""What a cluster's nodes tell of themselves: their region by the well-known label, the rest by annotations. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity
from pydantic import ValidationError

from astraea.protocol import Location

from ...errors import NodeError
from ...nodes import Capacity, Node, NodePrice, what_is_wrong

REGION = "topology.kubernetes.io/region"
_PREFIX = "astraea/"


def node_of(manifest: Mapping[str, Any]) -> Node:
    """A node; one that is cordoned is drained.

    Annotations of ours are `astraea/lat` and `astraea/lon`, `astraea/host` (where devices reach it, if that is another
    address than the node's own), `astraea/cpu-price`, `astraea/traffic-price` and `astraea/insecure`; labels of these
    names count as well, but can't hold a negative number.

    Raises:
        NodeError: a label can't be read.
    """
    labels: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    told = {**labels, **(manifest["metadata"].get("annotations") or {})}
    own = {key.removeprefix(_PREFIX): value for key, value in told.items() if key.startswith(_PREFIX)}
    name = labels.get("kubernetes.io/hostname", manifest["metadata"]["name"])
    try:
        return Node(
            name=name,
            region=labels.get(REGION),
            location=Location(lat=own["lat"], lon=own["lon"]) if {"lat", "lon"} <= own.keys() else None,
            host=own.get("host") or _address(manifest["status"]),
            insecure=own.get("insecure", "false"),
            capacity=_capacity(manifest["status"].get("allocatable") or {}),
            price=NodePrice(per_cpu_hour=own.get("cpu-price", 0), per_gb=own.get("traffic-price", 0)),
            drained=bool(manifest["spec"].get("unschedulable")),
        )
    except ValidationError as error:
        raise NodeError(
            f"the cluster's node {name}: {what_is_wrong(error)}",
            hint=f"`kubectl annotate --overwrite node {name} {_PREFIX}lat=30.27` sets one of them",
        ) from None


def is_up(manifest: Mapping[str, Any]) -> bool:
    """Whether the cluster has heard from the node lately."""
    conditions = manifest["status"].get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _address(status: Mapping[str, Any]) -> str:
    """Where devices reach it: its address outside of the cluster if it has one."""
    addresses = {entry["type"]: str(entry["address"]) for entry in status.get("addresses") or ()}
    return addresses.get("ExternalIP") or addresses.get("InternalIP", "")


def _capacity(allocatable: Mapping[str, str]) -> Capacity:
    cpu, memory = (allocatable.get(name) for name in ("cpu", "memory"))
    return Capacity(
        cpu=None if cpu is None else float(_amount(cpu)),
        memory=None if memory is None else int(_amount(memory)),
        gpu=int(allocatable.get("nvidia.com/gpu", 0)),
    )


def _amount(quantity: str) -> Decimal:
    """`1500m` or `16Gi` as a number."""
    amount: Decimal = parse_quantity(quantity)  # type: ignore[no-untyped-call]
    return amount
