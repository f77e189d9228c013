"""The objects of a service, as the API server takes them. Pure."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ...images import ServiceImage
from ...packaging.container import HEALTH_INTERVAL_S, HEALTH_TIMEOUT_S, USER_ID
from ...settings import CONTAINER_SECRETS, Settings
from .. import InstancePlan
from ..launch import PLAN_LABEL, PORT_LABEL, STOP_GRACE_S, pull_name
from ..serving import serve_options

Manifest = dict[str, Any]

MANAGER = "astraea"
"""What marks the objects as ours, and who applies them."""
SERVICE_LABEL, INSTANCE_LABEL = "app.kubernetes.io/name", "app.kubernetes.io/instance"
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/."""
OURS = {"app.kubernetes.io/managed-by": MANAGER}
LATE_START_S = 600
"""A model may take so long to load; then the pod is started again."""

_LEAVE_S = 2
"""Before a pod is asked to end, so that the Service has stopped sending it callers."""
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - the node's address is what devices reach it at, not always one that it has


def service_objects(service: str) -> list[Manifest]:
    """What there is once of a service: its address within the cluster, and a bound on voluntary disruptions."""
    labels = {SERVICE_LABEL: service, **OURS}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": service, "labels": labels},
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": labels},
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        },
    ]


def secret(plan: InstancePlan, secrets: Mapping[str, bytes]) -> Manifest:
    """An instance's secrets."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": plan.id, "labels": _labels(plan)},
        "data": {name: base64.b64encode(content).decode() for name, content in secrets.items()},
    }


def deployment(plan: InstancePlan, image: ServiceImage, port: int, settings: Settings) -> Manifest:
    """An instance."""
    labels = _labels(plan)
    pod = {
        "automountServiceAccountToken": False,
        "containers": [_container(plan, image, port, settings)],
        "dnsPolicy": "ClusterFirstWithHostNet",
        "enableServiceLinks": False,
        "hostNetwork": True,
        "nodeSelector": {"kubernetes.io/hostname": plan.node.name},
        "securityContext": {
            "fsGroup": USER_ID,
            "runAsGroup": USER_ID,
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": STOP_GRACE_S + _LEAVE_S,
        "volumes": _volumes(plan, settings),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": plan.id,
            "labels": labels,
            "annotations": {PLAN_LABEL: plan.model_dump_json(), PORT_LABEL: str(port)},
        },
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {INSTANCE_LABEL: plan.id, **OURS}},
            "strategy": {"type": "Recreate"},  # two pods can't have one port of the node
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _labels(plan: InstancePlan) -> dict[str, str]:
    return {
        SERVICE_LABEL: plan.service,
        INSTANCE_LABEL: plan.id,
        "app.kubernetes.io/version": plan.revision[:63].rstrip("._-"),
        **OURS,
    }


def _container(plan: InstancePlan, image: ServiceImage, port: int, settings: Settings) -> Manifest:
    needs = image.spec.resources
    gpus = {"nvidia.com/gpu": str(needs.gpu)} if needs.gpu else {}
    amounts = {"cpu": f"{round(needs.cpu * 1000)}m", "memory": str(needs.memory), **gpus}
    env = settings.env_at(CONTAINER_SECRETS)
    return {
        "name": "server",
        "image": pull_name(image),
        "args": serve_options(plan, port, listen=_ANY_ADDRESS),
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"name": "http", "containerPort": port, "hostPort": port}],
        "resources": {"limits": amounts, "requests": amounts},
        "startupProbe": _probe("/livez", LATE_START_S // HEALTH_INTERVAL_S, HEALTH_INTERVAL_S),
        "livenessProbe": _probe("/livez", 3, HEALTH_INTERVAL_S),
        "readinessProbe": _probe("/readyz", 2, HEALTH_TIMEOUT_S),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_LEAVE_S)]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": _mounts(settings),
    }


def _probe(path: str, failures: int, period_s: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": HEALTH_TIMEOUT_S,
        "failureThreshold": failures,
    }


def _mounts(settings: Settings) -> Sequence[Manifest]:
    secrets = {"name": "secrets", "mountPath": CONTAINER_SECRETS, "readOnly": True}
    temporary = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the container's own
    return [temporary, secrets] if settings.secrets else [temporary]


def _volumes(plan: InstancePlan, settings: Settings) -> Sequence[Manifest]:
    temporary: Manifest = {"name": "tmp", "emptyDir": {}}
    secrets: Manifest = {"name": "secrets", "secret": {"secretName": plan.id, "defaultMode": 0o440}}
    return [temporary, secrets] if settings.secrets else [temporary]
