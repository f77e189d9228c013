"""As much of a Kubernetes API server, over real HTTP, as deploying needs, with a kubelet that runs pods as processes.

Objects are checked against the published schemas, and applied as a server does it: fields that a manager no longer
gives are removed, those of another are a conflict unless forced, and lists are replaced
(https://kubernetes.io/docs/reference/using-api/server-side-apply/). There is no scheduler, no network and no container:
a server of the test's own service starts with the arguments, environment and secrets of a Deployment's container.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

VERSION = "1.37"
"""Of the schemas."""
TOKEN = "operator-token"
READ_ONLY_TOKEN = "viewer-token"

Manifest = dict[str, Any]


def node(name: str, region: str, **annotations: str) -> Manifest:
    """A node as the cluster tells of it."""
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/region": region},
            "annotations": {f"astraea/{key}": value for key, value in annotations.items()},
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "allocatable": {"cpu": "3900m", "memory": "16Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"architecture": "amd64"},
        },
    }


class RefusedError(Exception):
    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message


class KubernetesApi:
    """The cluster's objects, by their kind in the plural and their name, and the processes of its pods."""

    def __init__(self, folder: Path, service: Path, nodes: list[Manifest]) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {("nodes", made["metadata"]["name"]): made for made in nodes}
        self.secrets = folder / "secrets"
        self._applied: dict[tuple[str, str], dict[str, Manifest]] = {}
        self._pods: dict[str, tuple[subprocess.Popen[bytes], Path, str]] = {}
        self._folder, self._service, self._lock = folder, service, threading.RLock()

    def answer(self, method: str, path: str, query: dict[str, str], content: str, kind: str) -> tuple[int, Any]:
        """The status and body of a reply."""
        parts = path.strip("/").split("/")
        plural, name = next(
            (plural, "/".join(parts[parts.index(plural) + 1 :])) for plural in _KINDS if plural in parts
        )
        with self._lock:
            if method == "GET" and name.endswith("/log"):
                return 200, self._log(name.removesuffix("/log"))
            if method == "GET":
                return 200, {"items": [made for made in self._list(plural) if _matches(made, query)]}
            if method == "DELETE":
                return 200, self._delete(plural, name)
            if kind == "application/merge-patch+json":
                return 200, _merge(self.objects[plural, name], json.loads(content))
            if kind == "application/apply-patch+yaml":
                return self._apply(plural, name, yaml.safe_load(content), query)
        raise RefusedError(415, f"{method} of {kind}")

    def close(self) -> None:
        """End the pods."""
        for name in list(self._pods):
            self._end(name)

    def pids(self) -> list[int]:
        return [process.pid for process, _, _ in self._pods.values()]

    def _apply(self, plural: str, name: str, given: Manifest, query: dict[str, str]) -> tuple[int, Manifest]:
        try:
            kubernetes_validate.validate(given, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise RefusedError(422, f"{given['kind']} {name} is invalid: {error}") from None
        key, manager = (plural, name), query["fieldManager"]
        owned = self._applied.setdefault(key, {})
        others = [other for by, other in owned.items() if by != manager]
        if query.get("force") != "true" and any(_conflict(other, given) for other in others):
            raise RefusedError(409, "Apply failed with a conflict")
        created = key not in self.objects
        live = self.objects.setdefault(key, {"metadata": {}})
        _remove(live, owned.get(manager, {}), given)
        _merge(live, given)
        owned[manager] = given
        if plural == "deployments":
            self._run(live)
        return 201 if created else 200, live

    def _delete(self, plural: str, name: str) -> Manifest:
        made = self.objects.pop((plural, name), None)
        self._applied.pop((plural, name), None)
        if made is None:
            raise RefusedError(404, f'{plural} "{name}" not found')
        self._end(name)
        return made

    def _list(self, plural: str) -> list[Manifest]:
        if plural == "pods":
            return [self._pod(name, made) for (kind, name), made in self.objects.items() if kind == "deployments"]
        return [made for (kind, _), made in self.objects.items() if kind == plural]

    def _pod(self, name: str, deployment: Manifest) -> Manifest:
        process, _, started = self._pods[name]
        code = process.poll()
        state = {"running": {"startedAt": started}} if code is None else {"waiting": {"reason": "CrashLoopBackOff"}}
        last = {} if code is None else {"terminated": {"exitCode": code}}
        status = {"containerStatuses": [{"restartCount": int(code is not None), "state": state, "lastState": last}]}
        return {"metadata": {**deployment["spec"]["template"]["metadata"], "name": f"{name}-x"}, "status": status}

    def _run(self, deployment: Manifest) -> None:
        name, pod = deployment["metadata"]["name"], deployment["spec"]["template"]["spec"]
        if name in self._pods:
            return
        container, env = pod["containers"][0], {}
        for variable in container.get("env", []):
            env[variable["name"]] = variable["value"]
        for volume in pod["volumes"]:
            if "secret" in volume:
                folder = self._mount(volume["secret"]["secretName"])
                mounts = {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume["name"]}
                env = {key: str(folder) if value in mounts else value for key, value in env.items()}
        arguments = [argument.replace("0.0.0.0", "127.0.0.1") for argument in container["args"]]
        command = [sys.executable, "-P", "-m", "astraea.deployer", "serve", str(self._service), *arguments]
        log = self._folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT)
        self._pods[name] = process, log, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _mount(self, secret: str) -> Path:
        folder = self.secrets / secret
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in self.objects["secrets", secret]["data"].items():
            (folder / key).write_bytes(base64.b64decode(value))
        return folder

    def _end(self, name: str) -> None:
        if name in self._pods:
            process, _, _ = self._pods.pop(name)
            process.terminate()
            process.wait(30)

    def _log(self, pod: str) -> str:
        _, log, started = self._pods[pod.removesuffix("-x")]
        return "".join(
            f"{started[:-1]}.{number:09}Z {line}\n" for number, line in enumerate(log.read_text().splitlines())
        )


_KINDS = ("deployments", "pods", "nodes", "services", "secrets", "poddisruptionbudgets")


def _matches(made: Manifest, query: dict[str, str]) -> bool:
    wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
    return bool(wanted.items() <= made["metadata"].get("labels", {}).items())


def _merge(live: Manifest, given: Manifest) -> Manifest:
    for key, value in given.items():
        live[key] = _merge(live.get(key) or {}, value) if isinstance(value, dict) else value
    return live


def _remove(live: Manifest, before: Manifest, after: Manifest) -> None:
    for key, value in before.items():
        if key not in after:
            live.pop(key, None)
        elif isinstance(value, dict) and isinstance(after[key], dict):
            _remove(live[key], value, after[key])


def _conflict(other: Manifest, given: Manifest) -> bool:
    return any(
        _conflict(other[key], value) if isinstance(value, dict) else other[key] != value
        for key, value in given.items()
        if key in other
    )


@contextmanager
def running_api(folder: Path, service: Path, nodes: list[Manifest]) -> Iterator[tuple[str, KubernetesApi]]:
    """The server's URL and its cluster, while it serves."""
    api = KubernetesApi(folder, service, nodes)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            address = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            content = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            try:
                self._check_token()
                kind = self.headers.get("content-type", "").partition(";")[0]
                code, body = api.answer(self.command, address.path, query, content, kind)
            except RefusedError as refusal:
                code, body = refusal.code, {"kind": "Status", "status": "Failure", "message": refusal.message}
            reply = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def _check_token(self) -> None:
            token = self.headers.get("authorization", "")
            if token not in (f"Bearer {TOKEN}", f"Bearer {READ_ONLY_TOKEN}"):
                raise RefusedError(401, "Unauthorized")
            if token != f"Bearer {TOKEN}" and self.command != "GET":
                raise RefusedError(403, 'deployments.apps is forbidden: User "viewer" cannot patch')

        do_GET = do_PATCH = do_DELETE = _answer  # noqa: N815 - what the server calls

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", api
    finally:
        server.shutdown()
        server.server_close()
        api.close()


def write_kubeconfig(path: Path, url: str, token: str = TOKEN, namespace: str = "edge") -> Path:
    """A kubeconfig for the server."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path
