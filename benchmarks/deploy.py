"""How long it takes from a service's folder to its first answer: `python -m benchmarks.deploy`.

Needs a registry that has the base image (`--registry`, `--base`); for `--engines docker` an engine at DOCKER_HOST; for
`--engines swarm` a manager at ASTRAEA_SWARM_MANAGER, or else there, and a broker that its nodes reach (`--host`).
Builds are timed with nothing cached, unchanged, and with another handler; `--peer` builds and pushes the same packages
and files by `docker build` and `docker push`. A deployment is timed from the command's start to the first answer of an
instance that the broker named; a container's image is in the registry, and its top layer new to the engine.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from astraea.deployer.oci import ImageLayout
from astraea.deployer.packaging.building import ContainerBuild, build_container
from astraea.deployer.registry import Reference
from astraea.protocol import Candidates, load_service_spec

_SERVICES = Path(__file__).resolve().parents[1] / "demos/services"
_ASTRAEA = [sys.executable, "-m", "astraea.deployer"]
_HANDLER_BYTES = 100


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="astraea-bench-") as folder, _own_folders(Path(folder)):
        figures = _measure(Path(folder), options)
    for name, value in figures.items():
        print(f"{name:32} {value if isinstance(value, str) else format(value, '.2f'):>10}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="plates", help="one of demos/services")
    parser.add_argument("--registry", default=os.environ.get("ASTRAEA_REGISTRY", "127.0.0.1:5000"))
    parser.add_argument("--base", default=os.environ.get("ASTRAEA_BASE"), help="default: python:3.11-slim there")
    parser.add_argument("--engines", default="process,docker", help="which to deploy on; none: -")
    parser.add_argument("--host", default="127.0.0.1", help="where the broker listens: a swarm's nodes must reach it")
    parser.add_argument("--peer", action="store_true", help="docker build and push of the same, for comparison")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _own_folders(folder: Path) -> Iterator[None]:
    """Nothing is cached beforehand: no layer, no model, no package."""
    before = dict(os.environ)
    for kind in ("CACHE", "DATA", "STATE", "CONFIG"):
        os.environ[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
    os.environ["UV_CACHE_DIR"] = str(folder / "uv")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    service = folder / options.service
    shutil.copytree(_SERVICES / options.service, service)
    base = Reference.parse(options.base or f"{options.registry}/python:3.11-slim")
    target = Reference(options.registry, f"bench-{secrets.token_hex(4)}")
    layout = ImageLayout(folder / "layout")

    def build() -> ContainerBuild:
        return build_container(service, layout, target, base=base, architectures=("amd64",))

    first = build()
    unpacked = sum(stage.layer.unpacked_bytes for stage in first.stages if stage.layer is not None)
    figures: dict[str, Any] = {f"first build, {stage.name} (s)": stage.duration_s for stage in first.stages}
    figures |= {"first build (s)": first.duration_s, "unpacked over the base (MB)": unpacked / 1e6}
    figures["unchanged (s)"] = build().duration_s
    handler = service / "handler.py"
    handler.write_text(f"{handler.read_text()}\n# {secrets.token_hex(_HANDLER_BYTES)}\n")
    changed = build()
    figures |= {"another handler (s)": changed.duration_s, "another handler (kB sent)": changed.sent_bytes / 1e3}
    if options.peer:
        figures["docker build and push (s)"] = peer = _docker_build(service, base, options.registry)
        figures["docker / ours"] = peer / first.duration_s
    for engine in [] if options.engines == "-" else options.engines.split(","):
        what = str(service) if engine == "process" else str(changed.reference)
        figures[f"deployed on {engine} (s)"] = _deploy(
            folder, what, load_service_spec(service).name, engine, options.host
        )
    return figures


def _docker_build(service: Path, base: Reference, registry: str) -> float:
    """What people do without us: pip in a Dockerfile. The packages are those of our own lock."""
    pip = "RUN pip install --no-cache-dir --no-deps -r /app/astraea.lock"
    (service / "Dockerfile").write_text(f"FROM {base}\nCOPY . /app/\n{pip}\n")
    name = f"{registry}/bench-peer-{secrets.token_hex(4)}"
    began = time.perf_counter()
    for command in (
        ["docker", "build", "--no-cache", "--network", "host", "-t", name, str(service)],
        ["docker", "push", name],
    ):
        subprocess.run(command, check=True, capture_output=True)
    taken = time.perf_counter() - began
    subprocess.run(["docker", "rmi", name], check=True, capture_output=True)
    return taken


def _deploy(folder: Path, what: str, service: str, engine: str, host: str) -> float:
    with _broker(folder, host) as broker:
        command = [*_ASTRAEA, "deploy", what, "--engine", engine, "--broker", broker]
        manager = os.environ.get("ASTRAEA_SWARM_MANAGER") if engine == "swarm" else None
        env = {**os.environ, "DOCKER_HOST": manager} if manager else None
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) as process:
            taken = _first_answer(broker, service, process) - began
        removing = [*_ASTRAEA, "remove", service, "--engine", engine]
        subprocess.run(removing, check=True, stdout=subprocess.DEVNULL, env=env)
    return taken


def _first_answer(broker: str, service: str, deploying: "subprocess.Popen[bytes]") -> float:
    with httpx.Client(trust_env=False, timeout=5) as client:
        while deploying.poll() in (None, 0):
            reply = client.get(f"{broker}/v1/services/{service}/candidates")
            if reply.is_success:
                found = Candidates.model_validate_json(reply.content).candidates
                if client.get(f"{found[0].instance.url}readyz").is_success:
                    return time.perf_counter()
            time.sleep(0.02)
    sys.exit(f"the deployment failed with {deploying.returncode}")


@contextmanager
def _broker(folder: Path, host: str) -> Iterator[str]:
    command = [*_ASTRAEA, "broker", "--host", host, "--insecure", "--port", "0", "--store", str(folder / "broker.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = re.search(r"http://[0-9.:]+", process.stdout.readline() if process.stdout else "")
        try:
            yield found.group() if found else sys.exit("the broker did not start")
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
