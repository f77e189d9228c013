"""Kubernetes: what is applied, against the published schemas; and a service's life with an API over real HTTP."""

import hashlib
import os
import secrets
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from astraea.deployer.engines import InstancePlan
from astraea.deployer.engines.kubernetes import KubernetesEngine
from astraea.deployer.engines.kubernetes.manifests import deployment, secret, service_objects
from astraea.deployer.engines.kubernetes.nodes import node_of
from astraea.deployer.engines.kubernetes.pods import Seen, look_at
from astraea.deployer.errors import EngineError, NodeError
from astraea.deployer.images import ServiceImage
from astraea.deployer.nodes import Node
from astraea.deployer.oci import ImageLayout
from astraea.deployer.settings import Settings
from astraea.deployer.status import InstanceView, look
from astraea.protocol import Location, Resources, ServiceSpec

from .conftest import READS_SETTINGS, Cli, WriteService, token_of
from .container_engine import base_image, engine_address
from .kubernetes_api import READ_ONLY_TOKEN, VERSION, KubernetesApi, node, running_api, write_kubeconfig

DIGEST = f"sha256:{'0' * 64}"


def image(**resources: float) -> ServiceImage:
    spec = ServiceSpec(name="hello", version="1.0.0", resources=Resources.model_validate(resources))
    return ServiceImage(f"registry.example:5000/hello:1.0.0@{DIGEST}", DIGEST, spec, "1.0.0-0000")


def plan(name: str = "n1", **known: object) -> InstancePlan:
    known = {"service": "hello", "revision": "1.0.0-0000", "node": Node(name=name), "broker": "http://b", **known}
    return InstancePlan.model_validate(known)


@settings(max_examples=20)  # a validation takes a tenth of a second
@given(
    service=st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    revision=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", fullmatch=True),
    cpu=st.floats(0.001, 1024),
    gpu=st.integers(0, 8),
    env=st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text(max_size=9), max_size=3),
)
def test_whatever_is_deployed_the_objects_meet_the_published_schemas(
    service: str, revision: str, cpu: float, gpu: int, env: dict[str, str]
) -> None:
    made = plan(service=service, revision=revision)
    given_settings = Settings(env, {"camera": b"\xff"} if env else {})
    objects = [
        *service_objects(service),
        secret(made, given_settings.secrets),
        deployment(made, image(cpu=cpu, gpu=gpu), 20000, given_settings),
    ]
    for manifest in objects:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        for label in manifest["metadata"]["labels"].values():
            assert len(label) <= 63
            assert label[0].isalnum()
            assert label[-1].isalnum()


def test_a_pod_is_held_to_its_node_and_may_do_as_little_as_possible() -> None:
    pod = deployment(plan("n1"), image(cpu=0.5, memory=2**29, gpu=1), 20000, Settings({}, {}))["spec"]["template"][
        "spec"
    ]
    (server,) = pod["containers"]
    assert pod["nodeSelector"] == {"kubernetes.io/hostname": "n1"}
    assert server["resources"]["limits"] == {"cpu": "500m", "memory": str(2**29), "nvidia.com/gpu": "1"}
    assert server["image"] == f"registry.example:5000/hello@{DIGEST}"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {"--host=0.0.0.0", "--advertise=http://127.0.0.1:20000", "--port=20000"} <= set(server["args"])
    assert "--jwks=http://b/.well-known/jwks.json" in server["args"]


def test_a_node_is_described_by_what_the_cluster_knows_and_by_annotations() -> None:
    manifest = node("n1", "cape-town", lat="-33.9", lon="18.4", **{"cpu-price": "0.04", "host": "edge.example"})
    manifest["spec"]["unschedulable"] = True
    manifest["status"]["allocatable"]["nvidia.com/gpu"] = "2"
    found = node_of(manifest)
    assert (found.name, found.region, found.host, found.drained) == ("n1", "cape-town", "edge.example", True)
    assert found.location == Location(lat=-33.9, lon=18.4)
    assert (found.capacity.cpu, found.capacity.memory, found.capacity.gpu) == (3.9, 16 * 2**30, 2)
    assert found.price.per_cpu_hour == 0.04


def test_an_annotation_that_does_not_read_is_named_with_what_mends_it() -> None:
    with pytest.raises(NodeError, match="node n1: lat: 'north' can't be used") as refused:
        node_of(node("n1", "hangzhou", lat="north", lon="1"))
    assert "kubectl annotate" in str(refused.value.hint)


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(state: dict[str, Any], restarts: int = 0, **last: Any) -> dict[str, Any]:
    container = {"state": state, "restartCount": restarts, "lastState": last}
    return {"metadata": {"creationTimestamp": "2026-01-01T11:00:00Z"}, "status": {"containerStatuses": [container]}}


RUNS = {"running": {"startedAt": "2026-01-01T11:59:00Z"}}
PULLS = {"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}
UNSCHEDULED = {
    "metadata": {},
    "status": {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "Insufficient cpu"}]},
}


@pytest.mark.parametrize(
    ("pods", "seen"),
    [
        ([], Seen("starting")),
        ([UNSCHEDULED], Seen("starting", 0, "Insufficient cpu")),
        ([pod({"waiting": {"reason": "ContainerCreating"}})], Seen("starting")),
        ([pod(RUNS)], Seen("running")),
        ([pod(PULLS)], Seen("restarting", 0, "ImagePullBackOff: no such host")),
        ([pod(RUNS, 1, terminated={"exitCode": 3})], Seen("running", 1, "exit status 3")),
        (
            [pod({"running": {"startedAt": "2026-01-01T11:59:50Z"}}, 2, terminated={"exitCode": 1})],
            Seen("restarting", 2, "exit status 1"),
        ),
        (
            [pod(RUNS, 1, terminated={"exitCode": 137, "reason": "OOMKilled"})],
            Seen("running", 1, "killed: it took more memory than the template gives it"),
        ),
    ],
)
def test_pods_tell_how_an_instance_is(pods: list[dict[str, Any]], seen: Seen) -> None:
    assert look_at(pods, ending=False, lost=False, now=NOW) == seen
    assert look_at(pods, ending=True, lost=False, now=NOW).state == "stopping"
    assert look_at(pods, ending=False, lost=True, now=NOW).state == "down"


@pytest.fixture
def api(
    cli: Cli, home: Path, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, KubernetesApi]]:
    """A cluster of two nodes in one region and a third in another, which the command takes."""
    nodes = [
        node("n1", "hangzhou", lat="30.27", lon="120.15"),
        node("n2", "hangzhou", lat="30.20", lon="120.20"),
        node("n3", "shanghai"),
    ]
    with running_api(home, write_service(handler=READS_SETTINGS, keys="region: hangzhou\n"), nodes) as (url, api):
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(home / "kubeconfig", url)))
        monkeypatch.setenv("ASTRAEA_ENGINE", "kubernetes")
        yield url, api


def views() -> list[InstanceView]:
    return look(KubernetesEngine())


def test_a_services_whole_life_on_a_cluster(
    api: tuple[str, KubernetesApi],
    cli: Cli,
    broker: str,
    *,
    home: Path,
    kept_layout: ImageLayout,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine_address()
    monkeypatch.setenv("ASTRAEA_BASE", base_image())
    _, cluster = api
    (home / "camera").write_text(password := secrets.token_hex(16))
    (home / "env").write_text("CITY=Hangzhou\n")
    options = ("--secret", "camera=camera", "--env-file", "env")

    printed = cli("deploy", "service", *options, "--render")
    assert "kubectl create secret generic hello-" in printed.stderr
    assert password not in printed.stdout + printed.stderr
    manifests = list(yaml.safe_load_all(printed.stdout))
    assert [manifest["kind"] for manifest in manifests] == [
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "Deployment",
    ]
    assert not any(kind == "deployments" for kind, _ in cluster.objects)

    cli("deploy", "service", *options)
    first = views()
    assert [(view.node, view.ready, view.offered) for view in first] == [("n1", True, True), ("n2", True, True)]
    assert [cluster.objects["deployments", manifest["metadata"]["name"]] for manifest in manifests[2:]] == manifests[2:]
    url, headers = f"{first[0].url}/predict", {"content-type": "text/plain"}
    assert httpx.post(url, content="camera", headers=headers, trust_env=False).status_code == 401
    reply = httpx.post(url, content="camera", headers=headers | token_of(broker), trust_env=False).json()
    assert (reply["digest"], reply["city"]) == (hashlib.sha256(password.encode()).hexdigest(), "Hangzhou")
    assert "started" not in cli("deploy", "service", *options).stdout
    assert "answers at" in cli("logs", "hello", "--node", "n2").stdout

    assert "hello runs on n1" in cli("node", "drain", "n2").stdout
    assert [view.node for view in views()] == ["n1"]
    assert cluster.objects["nodes", "n2"]["spec"] == {"unschedulable": True}

    os.kill(cluster.pids()[0], signal.SIGKILL)
    assert [view.state for view in views()] == ["restarting"]
    cli("remove", "hello")
    assert {kind for kind, _ in cluster.objects} == {"nodes"}


@pytest.mark.parametrize(
    ("token", "message"), [("wrong", "the cluster refuses: Unauthorized"), (READ_ONLY_TOKEN, "is forbidden")]
)
def test_what_the_cluster_does_not_allow_is_said(
    api: tuple[str, KubernetesApi], home: Path, monkeypatch: pytest.MonkeyPatch, token: str, message: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(home / "other", api[0], token)))
    with pytest.raises(EngineError, match=message):
        KubernetesEngine().start(plan(), image())


def test_a_cluster_that_is_away_or_unknown_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(home / "away", "http://127.0.0.1:9")))
    with pytest.raises(EngineError, match="the cluster does not answer"):
        KubernetesEngine().nodes()
    monkeypatch.setenv("KUBECONFIG", str(home / "nowhere"))
    with pytest.raises(EngineError, match="no cluster is configured"):
        KubernetesEngine().nodes()


def test_what_others_set_on_an_object_stays_and_what_we_no_longer_set_goes(api: tuple[str, KubernetesApi]) -> None:
    _, cluster = api
    engine, one = KubernetesEngine(), plan()
    engine.start(one, image(gpu=1))
    made = cluster.objects["deployments", one.id]
    made["metadata"]["annotations"]["their"] = "note"
    engine.start(one, image())
    assert made["metadata"]["annotations"]["their"] == "note"
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].keys() == {"cpu", "memory"}
