"""The cluster's API server, by the official client: objects applied by the server, and what its complaints mean."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import urllib3.exceptions
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ...errors import EngineError
from .manifests import MANAGER, OURS, Manifest

_TIMEOUT_S = 30.0
_APPLY = "application/apply-patch+yaml"
"""https://kubernetes.io/docs/reference/using-api/server-side-apply/."""
_MERGE = "application/merge-patch+json"
_NOT_FOUND = 404


class Cluster(NamedTuple):
    """Where objects go: an API server, and one of its namespaces."""

    api: client.ApiClient
    namespace: str

    @property
    def core(self) -> client.CoreV1Api:
        """Pods, services, secrets and nodes."""
        return client.CoreV1Api(self.api)

    @property
    def apps(self) -> client.AppsV1Api:
        """Deployments."""
        return client.AppsV1Api(self.api)

    def apply(self, manifest: Manifest) -> None:
        """Make an object what the manifest says, whether it is there or not; fields that others own are taken over."""
        patch, name = self._method("patch", manifest["kind"]), manifest["metadata"]["name"]
        _call(patch, name, self.namespace, manifest, field_manager=MANAGER, force=True, _content_type=_APPLY)

    def delete(self, kind: str, name: str) -> None:
        """Have an object end, after what belongs to it; nothing if there is none."""
        try:
            _call(self._method("delete", kind), name, self.namespace, propagation_policy="Foreground")
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise

    def find(self, kind: str, labels: Mapping[str, str] = OURS) -> list[Manifest]:
        """The objects with these labels, as the API server writes them."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return _items(_call(self._method("list", kind), self.namespace, label_selector=selector))

    def nodes(self) -> list[Manifest]:
        """The cluster's nodes."""
        return _items(_call(self.core.list_node))

    def set_unschedulable(self, node: str, unschedulable: bool) -> None:
        """Have the scheduler put nothing more on a node, or again."""
        body = {"spec": {"unschedulable": unschedulable}}
        _call(self.core.patch_node, node, body, field_manager=MANAGER, _content_type=_MERGE)

    def log(self, pod: str, lines: int | None, since_s: int | None) -> str:
        """What a pod has printed, a time before each line."""
        options = {"tail_lines": lines} if lines is not None else {"since_seconds": since_s}
        reply = _call(self.core.read_namespaced_pod_log, pod, self.namespace, timestamps=True, **options)
        return reply.decode("utf-8", "replace")

    def _method(self, verb: str, kind: str) -> Callable[..., Any]:
        """Of the generated client, for a kind of namespaced objects."""
        interface, noun = {
            "Service": (self.core, "service"),
            "Secret": (self.core, "secret"),
            "Pod": (self.core, "pod"),
            "Deployment": (self.apps, "deployment"),
            "PodDisruptionBudget": (client.PolicyV1Api(self.api), "pod_disruption_budget"),
        }[kind]
        method: Callable[..., Any] = getattr(interface, f"{verb}_namespaced_{noun}")
        return method


def _call(method: Callable[..., Any], *arguments: object, **options: object) -> bytes:
    """What the server answers, unread: the client's classes refuse what servers of other versions leave out."""
    reply = method(*arguments, **options, _preload_content=False, _request_timeout=_TIMEOUT_S)
    content: bytes = reply.data
    return content


def _items(reply: bytes) -> list[Manifest]:
    items: list[Manifest] = json.loads(reply)["items"]
    return items


@contextmanager
def cluster(what: str) -> Iterator[Cluster]:
    """The cluster of the current context of `KUBECONFIG`, or the one that this process runs in.

    Args:
        what: for messages, e.g. `node hz-1`.

    Raises:
        EngineError: there is none, it can't be reached, or what is done within the block fails there.
    """
    try:
        yield _cluster(os.environ.get("KUBECONFIG"))
    except config.ConfigException as error:
        raise EngineError(
            f"{what}: no cluster is configured: {error}",
            hint="set KUBECONFIG; `kubectl cluster-info` tells if it serves",
        ) from None
    except ApiException as error:
        raise EngineError(f"{what}: the cluster refuses: {_said(error)}", hint=_ADVICE.get(error.status or 0)) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise EngineError(
            f"{what}: the cluster does not answer: {reason}", hint="`kubectl cluster-info` tells if it does"
        ) from None


@cache
def _cluster(path: str | None) -> Cluster:
    try:
        api = config.new_client_from_config(config_file=path)  # type: ignore[no-untyped-call]
        _, context = config.list_kube_config_contexts(config_file=path)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        if path is not None or not _SERVICE_ACCOUNT.is_dir():
            raise
        config.load_incluster_config()  # type: ignore[no-untyped-call]
        return Cluster(client.ApiClient(), (_SERVICE_ACCOUNT / "namespace").read_text(encoding="ascii").strip())
    return Cluster(api, context["context"].get("namespace", "default"))


_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Of the pod that this process is in, if it is in one."""


_ADVICE = {
    401: "log in to the cluster again: `kubectl auth whoami` tells who you are there",
    403: "an administrator has to let you change and list what docs/kubernetes.md names",
}


def _said(error: ApiException) -> str:
    """The message of the Status object that the API server answers with."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (LookupError, TypeError, ValueError):
        return f"{error.status} {error.reason}"
