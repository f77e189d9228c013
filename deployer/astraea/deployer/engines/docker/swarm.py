"""The engine that runs instances on the nodes of a Docker Swarm, through its manager.

Each instance is a service of one task, held to its node by a constraint, so that the swarm starts it again there when
it ends, or when the node comes back; and a new revision starts beside the old one, as everywhere.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from docker.errors import NotFound
from docker.models.services import Service
from docker.types import Mount, Resources, RestartPolicy
from pydantic import ValidationError

from astraea.protocol import Location

from ...errors import NodeError
from ...images import ServiceImage
from ...nodes import Capacity, Node, NodePrice, what_is_wrong
from ...settings import CONTAINER_SECRETS, read_settings
from .. import InstancePlan, InstanceState, InstanceStatus
from ..launch import (
    LOG_OPTIONS,
    PLAN_LABEL,
    STOP_GRACE_S,
    choose_port,
    health_options,
    labels_of,
    plan_of,
    pull_name,
)
from ..serving import instance_url, serve_options
from ..timed_log import EngineLog
from .connection import connection
from .secrets import forget, keep

_SECOND_NS = 10**9
_RESTART_DELAY_S = 2
_WHAT = "the swarm"
_GPU = "NVIDIA-GPU"
"""What a node's `node-generic-resources` call one (dockerd's configuration): a swarm does not find GPUs by itself."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

_BEGINNING = frozenset({"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready"})
_ENDED = frozenset({"failed", "rejected"})
"""https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/."""


class SwarmEngine:
    """Asks a swarm's manager for instances.

    Args:
        manager: the address of its engine; None for `DOCKER_HOST`, or else this machine's.
    """

    def __init__(self, manager: str | None = None) -> None:
        self._manager = manager

    def nodes(self) -> tuple[Node, ...]:
        """The swarm's nodes, by what they have and by their labels; those that take no new tasks count as drained.

        The labels are `region`, `lat` and `lon`, `cpu-price`, `traffic-price`, `mirror`, `insecure`.

        Raises:
            EngineError: the manager doesn't answer.
            NodeError: a label can't be read.
        """
        with connection(self._manager, _WHAT) as client:
            found = [node.attrs for node in client.nodes.list()]
        return tuple(sorted(map(_node, found), key=lambda node: node.name))

    def set_drained(self, name: str, *, drained: bool) -> None:
        """Have the swarm give a node no new tasks, or again; what runs there stays.

        Raises:
            EngineError: the manager doesn't answer.
        """
        with connection(self._manager, _WHAT) as client:
            for node in client.nodes.list():
                if node.attrs["Description"]["Hostname"] == name:
                    node.update({**node.attrs["Spec"], "Availability": "pause" if drained else "active"})

    def architectures(self, nodes: Iterable[Node]) -> frozenset[str]:
        """What images for these nodes must run on, as Go and OCI name it."""
        names = {node.name for node in nodes}
        with connection(self._manager, _WHAT) as client:
            described = [node.attrs["Description"] for node in client.nodes.list()]
        machines = (node["Platform"]["Architecture"] for node in described if node["Hostname"] in names)
        return frozenset(_ARCHITECTURES.get(machine, machine) for machine in machines)

    def start(self, plan: InstancePlan, image: ServiceImage) -> None:
        """See `Engine.start`."""
        mirrors = {node.name: node.mirror for node in self.nodes()}
        with connection(self._manager, f"node {plan.node.name}") as client:
            services = {service.name: service for service in client.services.list(filters={"label": PLAN_LABEL})}
            if plan.id in services:
                return
            taken = {_plan(service)[1] for service in services.values()}
            needs, port, settings = image.spec.resources, choose_port(plan, taken), read_settings(plan.settings)
            client.services.create(  # type: ignore[no-untyped-call] # the stubs leave some of the SDK out, here and below
                pull_name(image, mirrors.get(plan.node.name)),
                args=serve_options(plan, port),
                name=plan.id,
                labels=labels_of(plan, port),
                env=settings.env_at(CONTAINER_SECRETS),
                secrets=keep(client, plan.id, settings.secrets),
                constraints=[f"node.hostname=={plan.node.name}"],
                networks=["host"],
                read_only=True,
                mounts=[Mount("/tmp", None, type="tmpfs")],  # noqa: S108 - the container's own
                cap_drop=["ALL"],
                resources=Resources(
                    cpu_limit=int(needs.cpu * _SECOND_NS),
                    mem_limit=needs.memory,
                    generic_resources={_GPU: needs.gpu} if needs.gpu else None,
                ),
                healthcheck=health_options(plan, port),
                log_driver="json-file",
                log_driver_options=LOG_OPTIONS,
                restart_policy=RestartPolicy("any", delay=_RESTART_DELAY_S * _SECOND_NS),
                stop_grace_period=STOP_GRACE_S * _SECOND_NS,
            )

    def stop(self, instance_ids: Iterable[str]) -> None:
        """See `Engine.stop`."""
        with connection(self._manager, _WHAT) as client:
            for instance_id in instance_ids:
                with suppress(NotFound):
                    client.services.get(instance_id).remove()  # type: ignore[no-untyped-call]
                forget(client, instance_id)

    def instances(self, service: str | None = None) -> list[InstanceStatus]:
        """See `Engine.instances`."""
        with connection(self._manager, _WHAT) as client:
            down = {str(node.id) for node in client.nodes.list() if node.attrs["Status"]["State"] != "ready"}
            services = client.services.list(filters={"label": PLAN_LABEL})
            found = [_status(entry, entry.tasks(), down) for entry in services]  # type: ignore[no-untyped-call]
        return sorted(
            (status for status in found if service in (None, status.plan.service)),
            key=lambda status: (status.plan.node.name, status.id),
        )

    def log(self, instance: InstanceStatus) -> EngineLog:
        """See `Engine.log`."""

        def fetch(lines: int | None, since_s: int | None) -> list[str]:
            with connection(self._manager, _WHAT) as client:
                try:
                    found = client.services.get(instance.id)  # type: ignore[no-untyped-call]
                except NotFound:  # it has been removed
                    return []
                options: dict[str, Any] = {"tail": lines} if lines is not None else {"since": since_s}
                parts = found.logs(timestamps=True, stdout=True, stderr=True, **options)
                content: bytes = b"".join(parts)
            return content.decode("utf-8", "replace").splitlines()

        return EngineLog(fetch)


def _node(attributes: Mapping[str, Any]) -> Node:
    name, labels = attributes["Description"]["Hostname"], attributes["Spec"].get("Labels") or {}
    try:
        return Node(
            name=name,
            region=labels.get("region"),
            location=Location(lat=labels["lat"], lon=labels["lon"]) if {"lat", "lon"} <= labels.keys() else None,
            host=attributes["Status"]["Addr"],
            insecure=labels.get("insecure", "false"),
            capacity=_capacity(attributes["Description"].get("Resources") or {}),
            price=NodePrice(per_cpu_hour=labels.get("cpu-price", 0), per_gb=labels.get("traffic-price", 0)),
            drained=attributes["Spec"]["Availability"] != "active",
            mirror=labels.get("mirror"),
        )
    except ValidationError as error:
        raise NodeError(
            f"the swarm's node {name}: {what_is_wrong(error)}",
            hint=f"`docker node update --label-add region=REGION {name}` sets a label",
        ) from None


def _capacity(resources: Mapping[str, Any]) -> Capacity:
    """Of a node, as it tells the swarm: https://docs.docker.com/reference/api/engine/#tag/Node, `ResourceObject`."""
    kinds = (next(iter(resource.values())) for resource in resources.get("GenericResources") or ())
    gpus = sum(int(kind["Value"]) if str(kind["Value"]).isdigit() else 1 for kind in kinds if kind["Kind"] == _GPU)
    cpu, memory = resources.get("NanoCPUs"), resources.get("MemoryBytes")
    return Capacity(cpu=cpu / _SECOND_NS if cpu else None, memory=memory or None, gpu=gpus)


def _plan(service: Service) -> tuple[InstancePlan, int]:
    return plan_of(service.attrs["Spec"]["Labels"], str(service.name))


def _status(service: Service, tasks: list[dict[str, Any]], down: set[str]) -> InstanceStatus:
    plan, port = _plan(service)
    newest = sorted(tasks, key=lambda task: task["CreatedAt"])
    ended = [task["Status"] for task in newest if task["Status"]["State"] in _ENDED]
    return InstanceStatus(
        plan=plan,
        state=_state(newest, len(ended), down),
        url=instance_url(plan, port),
        pid=None,
        restarts=len(ended),
        last_exit=ended[-1].get("Err") if ended else None,
    )


def _state(tasks: list[dict[str, Any]], failures: int, down: set[str]) -> InstanceState:
    if any(task.get("NodeID") in down for task in tasks):
        return "down"
    if not tasks or tasks[-1]["Status"]["State"] in _BEGINNING | _ENDED:
        return "restarting" if failures > 1 else "starting"
    return "running"
