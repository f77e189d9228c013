"""The engine that runs instances as containers, each on its node's own container engine."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import DeviceRequest, LogConfig, Mount

from ...errors import EngineError
from ...images import ServiceImage
from ...nodes import Node
from ...settings import CONTAINER_SECRETS, Settings, read_settings
from .. import InstancePlan, InstanceState, InstanceStatus
from ..launch import (
    LOG_OPTIONS,
    PIDS_LIMIT,
    PLAN_LABEL,
    STABLE_S,
    STOP_GRACE_S,
    choose_port,
    health_options,
    labels_of,
    plan_of,
    pull_name,
)
from ..serving import instance_url, serve_options
from ..timed_log import EngineLog
from .connection import CALL_TIMEOUT_S, QUESTION_TIMEOUT_S, check_answers, connection
from .secrets import packed

logger = logging.getLogger(__name__)

_PARALLEL = 16
_CPU_NS = 10**9
_Result = TypeVar("_Result")


class DockerEngine:
    """Starts containers on nodes, and finds them again by their labels; the nodes' engines keep them running.

    Args:
        nodes: all that there are. Those of the same engine are told apart by the labels.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._hosts = {node.engine: node for node in reversed(nodes)}
        self._mirrors = {node.name: node.mirror for node in nodes}

    def start(self, plan: InstancePlan, image: ServiceImage) -> None:
        """See `Engine.start`."""
        with connection(plan.node.engine, f"node {plan.node.name}") as client:
            settings = read_settings(plan.settings)
            try:
                container = client.containers.get(plan.id)
            except NotFound:
                name = _pulled(client, image, self._mirrors.get(plan.node.name))
                container = _create(client, plan, image, settings, name)
            plan_of(container.labels, plan.id)
            if container.status not in ("running", "restarting"):
                if settings.secrets:
                    container.put_archive(CONTAINER_SECRETS, packed(settings.secrets))
                container.start()

    def stop(self, instance_ids: Iterable[str]) -> None:
        """See `Engine.stop`."""
        wanted = frozenset(instance_ids)

        def stop(client: DockerClient) -> None:
            doomed = [container for container in _containers(client) if container.name in wanted]
            _each(_end, doomed)

        _on_hosts(self._hosts, stop)

    def instances(self, service: str | None = None) -> list[InstanceStatus]:
        """See `Engine.instances`."""
        found = _on_hosts(
            self._hosts,
            lambda client: [_status(container) for container in _containers(client)],
            timeout_s=QUESTION_TIMEOUT_S,
        )
        statuses = (status for host in found for status in host)
        return sorted(
            (status for status in statuses if service in (None, status.plan.service)),
            key=lambda status: (status.plan.node.name, status.id),
        )

    def log(self, instance: InstanceStatus) -> EngineLog:
        """See `Engine.log`."""

        def fetch(lines: int | None, since_s: int | None) -> list[str]:
            node = instance.plan.node
            with connection(node.engine, f"node {node.name}", QUESTION_TIMEOUT_S) as client:
                try:
                    container = client.containers.get(instance.id)
                except NotFound:  # it has been removed
                    return []
                options: dict[str, Any] = {"tail": lines} if lines is not None else {"since": since_s}
                content: bytes = container.logs(timestamps=True, **options)
            return content.decode("utf-8", "replace").splitlines()

        return EngineLog(fetch)

    def architectures(self, nodes: Iterable[Node]) -> frozenset[str]:
        """What images for these nodes must run on, as Go and OCI name it."""
        hosts = {node.engine: node for node in nodes}
        return frozenset(_on_hosts(hosts, lambda client: str(client.version()["Arch"])))


def unreachable(nodes: Iterable[Node]) -> dict[str, EngineError]:
    """Why the engines of these nodes don't answer, by the nodes' names; those that do are not among them."""

    def complaint(node: Node) -> EngineError | None:
        try:
            check_answers(node.engine, f"node {node.name}")
        except EngineError as error:
            return error
        return None

    asked = list(nodes)
    return {node.name: error for node, error in zip(asked, _each(complaint, asked), strict=True) if error is not None}


def _on_hosts(
    hosts: dict[str | None, Node], do: Callable[[DockerClient], _Result], *, timeout_s: int = CALL_TIMEOUT_S
) -> list[_Result]:
    def ask(node: Node) -> _Result:
        with connection(node.engine, f"node {node.name}", timeout_s) as client:
            return do(client)

    return _each(ask, hosts.values())


_Item = TypeVar("_Item")


def _each(do: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Do it for all at once; what fails for one is raised when the others are done."""
    with ThreadPoolExecutor(_PARALLEL) as threads:
        return list(threads.map(do, items))


def _containers(client: DockerClient) -> list[Container]:
    # ignore_removed: one may go between being listed and being looked at
    found: list[Container] = client.containers.list(all=True, filters={"label": PLAN_LABEL}, ignore_removed=True)
    return found


def _pulled(client: DockerClient, image: ServiceImage, mirror: str | None) -> str:
    """The name of an image that the engine has now: from the mirror near it, or else from the registry itself."""
    for name in (pull_name(image), pull_name(image, mirror)):
        with suppress(ImageNotFound):
            client.images.get(name)
            return name
    if mirror is not None:
        try:
            return _pull(client, pull_name(image, mirror))
        except APIError as error:
            logger.warning("the mirror %s does not have %s: %s", mirror, image.reference, error.explanation)
    return _pull(client, pull_name(image))


def _pull(client: DockerClient, name: str) -> str:
    """Have the engine pull an image; what goes wrong once it has begun to answer, the SDK's own `pull` passes over."""
    for said in client.api.pull(name, stream=True, decode=True):
        if "error" in said:
            raise APIError("pull", explanation=said["error"])
    return name


def _create(client: DockerClient, plan: InstancePlan, image: ServiceImage, settings: Settings, name: str) -> Container:
    taken = {plan_of(container.labels, str(container.name))[1] for container in _containers(client)}
    port = choose_port(plan, taken)
    needs = image.spec.resources
    gpus = [DeviceRequest(count=needs.gpu, capabilities=[["gpu"]])] if needs.gpu else []
    return client.containers.create(
        name,
        serve_options(plan, port),
        name=plan.id,
        labels=labels_of(plan, port),
        environment=settings.env_at(CONTAINER_SECRETS),
        mounts=[Mount(CONTAINER_SECRETS, None, type="volume", no_copy=True)] if settings.secrets else [],
        network_mode="host",
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 - the container's own
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=PIDS_LIMIT,
        mem_limit=needs.memory,
        nano_cpus=int(needs.cpu * _CPU_NS),
        device_requests=gpus,
        healthcheck=health_options(plan, port),
        log_config=LogConfig(type="json-file", config=LOG_OPTIONS),
        restart_policy={"Name": "unless-stopped"},  # type: ignore[arg-type] # the stubs want all keys
    )


def _end(container: Container) -> None:
    try:
        container.stop(timeout=STOP_GRACE_S)
        container.remove(v=True)
    except NotFound:
        pass  # somebody else was faster


def _status(container: Container) -> InstanceStatus:
    plan, port = plan_of(container.labels, str(container.name))
    state = container.attrs["State"]
    restarts = container.attrs.get("RestartCount", 0)
    return InstanceStatus(
        plan=plan,
        state=_state(state, restarts, datetime.now(UTC)),
        url=instance_url(plan, port),
        pid=state["Pid"] or None,
        restarts=restarts,
        last_exit=_last_exit(state) if restarts or not state["Running"] else None,
    )


def _state(state: dict[str, Any], restarts: int, now: datetime) -> InstanceState:
    if state["Status"] == "created":
        return "starting"
    if state["Restarting"]:
        return "restarting"
    if not state["Running"]:
        return "down"
    began = datetime.fromisoformat(f"{state['StartedAt'][:19]}+00:00")
    return "restarting" if restarts > 1 and (now - began).total_seconds() < STABLE_S else "running"


def _last_exit(state: dict[str, Any]) -> str:
    if state["OOMKilled"]:
        return "killed: it took more memory than the template gives it"
    return f"exit status {state['ExitCode']}" + (f": {state['Error']}" if state["Error"] else "")
