"""The engine that runs instances on a Kubernetes cluster."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ...errors import EngineError
from ...images import ServiceImage
from ...nodes import Node
from ...settings import read_settings
from .. import InstancePlan, InstanceStatus
from ..launch import choose_port, plan_of
from ..serving import instance_url
from ..timed_log import EngineLog
from .cluster import Cluster, cluster
from .manifests import INSTANCE_LABEL, OURS, Manifest, deployment, secret, service_objects
from .nodes import is_up, node_of
from .pods import look_at

_WHAT = "the cluster"


class KubernetesEngine:
    """Applies Deployments to the cluster of the current context, and finds them again by their labels."""

    def nodes(self) -> tuple[Node, ...]:
        """See `ClusterEngine.nodes`."""
        with cluster(_WHAT) as here:
            return tuple(sorted(map(node_of, here.nodes()), key=lambda node: node.name))

    def set_drained(self, name: str, *, drained: bool) -> None:
        """See `ClusterEngine.set_drained`: the node is cordoned."""
        with cluster(_WHAT) as here:
            for manifest in here.nodes():
                if node_of(manifest).name == name:
                    here.set_unschedulable(manifest["metadata"]["name"], drained)

    def architectures(self, nodes: Iterable[Node]) -> frozenset[str]:
        """See `ContainerEngine.architectures`."""
        names = {node.name for node in nodes}
        with cluster(_WHAT) as here:
            wanted = (manifest for manifest in here.nodes() if node_of(manifest).name in names)
            return frozenset(manifest["status"]["nodeInfo"]["architecture"] for manifest in wanted)

    def manifests(self, plans: Sequence[InstancePlan], image: ServiceImage) -> list[Manifest]:
        """What starting these instances of one service applies, but for secrets' values.

        Raises:
            EngineError: the cluster can't tell which ports are free.
            SettingsError: the instances' settings can't be read.
        """
        ports = self._ports(plans)
        instances = [deployment(plan, image, ports[plan.id], read_settings(plan.settings)) for plan in plans]
        return [*service_objects(image.spec.name), *instances]

    def _ports(self, plans: Iterable[InstancePlan]) -> dict[str, int]:
        """The port of each instance: the one it has, or else one that is free on its node."""
        with cluster(_WHAT) as here:
            known = dict(_known(manifest) for manifest in here.find("Deployment"))
        ports = {plan.id: port for plan, port in known.items()}
        for plan in plans:
            if plan.id not in ports:
                ports[plan.id] = choose_port(plan, frozenset(ports.values()))
        return ports

    def start(self, plan: InstancePlan, image: ServiceImage) -> None:
        """See `Engine.start`."""
        secrets = read_settings(plan.settings).secrets
        manifests = self.manifests([plan], image)
        with cluster(f"node {plan.node.name}") as here:
            if secrets:
                here.apply(secret(plan, secrets))
            for manifest in manifests:
                here.apply(manifest)

    def stop(self, instance_ids: Iterable[str]) -> None:
        """See `Engine.stop`."""
        doomed = frozenset(instance_ids)
        with cluster(_WHAT) as here:
            plans = [_known(manifest)[0] for manifest in here.find("Deployment")]
            for plan in plans:
                if plan.id in doomed:
                    here.delete("Deployment", plan.id)
                    here.delete("Secret", plan.id)
            remaining = {plan.service for plan in plans if plan.id not in doomed}
            for service in {plan.service for plan in plans if plan.id in doomed} - remaining:
                _forget(here, service)

    def instances(self, service: str | None = None) -> list[InstanceStatus]:
        """See `Engine.instances`."""
        with cluster(_WHAT) as here:
            deployments, pods = here.find("Deployment"), defaultdict[str, list[Manifest]](list)
            for pod in here.find("Pod"):
                pods[pod["metadata"]["labels"][INSTANCE_LABEL]].append(pod)
            lost = {node_of(manifest).name for manifest in here.nodes() if not is_up(manifest)}
        statuses = [_status(manifest, pods[manifest["metadata"]["name"]], lost) for manifest in deployments]
        return sorted(
            (status for status in statuses if service in (None, status.plan.service)),
            key=lambda status: (status.plan.node.name, status.id),
        )

    def log(self, instance: InstanceStatus) -> EngineLog:
        """See `Engine.log`."""

        def fetch(lines: int | None, since: int | None) -> list[str]:
            since_s = None if since is None else max(int(time.time()) - since + 1, 1)
            with cluster(f"node {instance.plan.node.name}") as here:
                pods = here.find("Pod", {INSTANCE_LABEL: instance.id, **OURS})
                started = [pod for pod in pods if pod["status"].get("containerStatuses")]
                logs = (here.log(pod["metadata"]["name"], lines, since_s) for pod in started)
                return [line for log in logs for line in log.splitlines()]

        return EngineLog(fetch)


def _forget(here: Cluster, service: str) -> None:
    for manifest in service_objects(service):
        here.delete(manifest["kind"], service)


def _known(manifest: Manifest) -> tuple[InstancePlan, int]:
    name = manifest["metadata"]["name"]
    try:
        return plan_of(manifest["metadata"].get("annotations") or {}, name)
    except EngineError:
        raise EngineError(
            f"the deployment {name} is of another version of Astraea", hint=f"`kubectl delete deployment {name}`"
        ) from None


def _status(manifest: Manifest, pods: list[Manifest], lost: set[str]) -> InstanceStatus:
    plan, port = _known(manifest)
    ending = "deletionTimestamp" in manifest["metadata"]
    seen = look_at(pods, ending=ending, lost=plan.node.name in lost, now=datetime.now(UTC))
    return InstanceStatus(
        plan=plan, state=seen.state, url=instance_url(plan, port), restarts=seen.restarts, last_exit=seen.last_exit
    )
