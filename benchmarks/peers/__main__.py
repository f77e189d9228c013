"""The edge server beside other model servers, around the same handler: `python -m benchmarks.peers`.

The plate detector at 320 x 320 answers a JPEG of 68 kB behind the edge server, LitServe, BentoML and MLServer, each as
its documentation shows for an image and with its defaults, and behind bare FastAPI. A server with all its processes has
one core, the load the others. They take turns of some seconds, so that what the machine does meanwhile falls on all
alike. The peers are installed from the package index, into a folder of their own in the user's cache.

Added CPU is the CPU time of a server's processes less what the detector itself took in the same seconds.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from uv import find_uv_bin

from astraea.deployer.files import cache_folder

from ..load import closed_loop, edge_server_command, free_port, pinned, rss_bytes, server, split_cores, tree, tree_cpu_s
from ..overhead import photo
from ..serving import Figures, Turn, figures
from .handler import FOLDER

_FRAME_SIZE_PX = (640, 640)
_FRAME_BYTES = 68_000
_CONCURRENCY = (1, 8)
_BOUNDARY = "astraea-benchmark"


class Request(NamedTuple):
    """How a server is asked, and where its answer has the handler's."""

    path: str
    content_type: str
    wrapped: Callable[[bytes], bytes]
    unwrapped: Callable[[Any], dict[str, Any]] = lambda answer: answer


def form(jpeg: bytes) -> bytes:
    """With the file `image`; see RFC 7578."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode()


def open_inference(jpeg: bytes) -> bytes:
    """With one input in base64; MLServer has no binary tensors."""
    data = base64.b64encode(jpeg).decode()
    tensor = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "data": [data],
        "parameters": {"content_type": "base64"},
    }
    return json.dumps({"inputs": [tensor]}).encode()


_FORM = Request("/predict", f"multipart/form-data; boundary={_BOUNDARY}", form)
_RAW = Request("/predict", "application/octet-stream", lambda jpeg: jpeg)
_INFER = Request(
    "/v2/models/finder/infer",
    "application/json",
    open_inference,
    lambda answer: json.loads(answer["outputs"][0]["data"][0]),
)


class Server(NamedTuple):
    """One of those compared."""

    request: Request
    package: str | None
    """To be installed."""
    command: Callable[[int, Path], Sequence[str]]
    """For a port, and a folder to write settings to."""
    ready: str = "/readyz"
    with_requirements: Sequence[str] = ()
    """What the package needs in an older version than it asks for."""


def _litserve(port: int, _scratch: Path) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.peers.with_litserve", str(port)]


def _bentoml(port: int, _scratch: Path) -> Sequence[str]:
    return [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "benchmarks.peers.with_bentoml:Service",
        f"--port={port}",
        "--host=127.0.0.1",
    ]


def _mlserver(port: int, scratch: Path) -> Sequence[str]:
    settings = {
        "metrics_dir": str(scratch),
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "host": "127.0.0.1",
    }
    (scratch / "settings.json").write_text(json.dumps(settings))
    model = {"name": "finder", "implementation": "benchmarks.peers.with_mlserver.Runtime"}
    (scratch / "model-settings.json").write_text(json.dumps(model))
    start = "import sys; from mlserver.cli import main; sys.argv[1:] = ['start', sys.argv[1]]; main()"
    return [sys.executable, "-c", start, str(scratch)]


def _fastapi(port: int, _scratch: Path) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.bare_fastapi", str(FOLDER), str(port)]


def _astraea(port: int, _scratch: Path) -> Sequence[str]:
    return edge_server_command(str(FOLDER), port)


SERVERS: Mapping[str, Server] = {
    "astraea": Server(_RAW, None, _astraea),
    "astraea form": Server(_FORM, None, _astraea),
    "fastapi": Server(_RAW, None, _fastapi, "/docs"),
    "litserve": Server(_FORM, "litserve", _litserve, "/health"),
    "bentoml": Server(_FORM, "bentoml", _bentoml),
    "mlserver": Server(_INFER, "mlserver", _mlserver, "/v2/models/finder/ready", ("uvloop<0.22",)),
}


class Running(NamedTuple):
    """A server that answers."""

    request: Request
    pid: int
    url: str


def installed(package: str, with_requirements: Sequence[str] = ()) -> Path:
    """A folder with a package and what it needs; made once."""
    folder = cache_folder() / "benchmarks" / package
    if not folder.is_dir():
        print(f"installing {package} ...", file=sys.stderr)
        partial_folder = folder.with_suffix(".partial")
        command = [find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, "--target"]
        subprocess.run([*command, str(partial_folder), package, *with_requirements], check=True)
        partial_folder.rename(folder)
    return folder


def version(folder: Path, package: str) -> str:
    found = next(folder.glob(f"{package}-*.dist-info"))
    return found.name.removesuffix(".dist-info").rpartition("-")[2]


@contextmanager
def started(name: str, cores: set[int]) -> Iterator[Running]:
    """A server on some cores."""
    peer = SERVERS[name]
    port = free_port()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables = {"PYTHONPATH": str(installed(peer.package, peer.with_requirements))} if peer.package else {}
        pid = stack.enter_context(server(peer.command(port, scratch), port, cores, peer.ready, variables))
        yield Running(peer.request, pid, f"http://127.0.0.1:{port}")


def turn(running: Running, jpeg: bytes, concurrency: int, seconds: float) -> Turn:
    """Have a server answer so many clients for so many seconds."""
    (path, content_type, wrapped, unwrapped), pid, url = running
    cpu_began = began = 0.0

    def ready() -> None:
        nonlocal cpu_began, began
        cpu_began, began = tree_cpu_s(pid), time.perf_counter()

    headers = {"content-type": content_type}
    body = wrapped(jpeg)
    exchanges = closed_loop(
        url, body, concurrency=concurrency, seconds=seconds, headers=headers, path=path, ready=ready
    )
    took_s = time.perf_counter() - began
    cpu_ms = (tree_cpu_s(pid) - cpu_began) * 1e3
    if failed := [exchange for exchange in exchanges if exchange.status != HTTPStatus.OK]:
        sys.exit(f"{url} answered {failed[0].status}: {failed[0].body[:200]!r}")
    detector_ms = sum(unwrapped(json.loads(exchange.body))["detector_cpu_ms"] for exchange in exchanges)
    return Turn(len(exchanges), took_s, sorted(exchange.ms for exchange in exchanges), detector_ms, cpu_ms)


def measure(names: Sequence[str], rounds: int, seconds: float) -> Iterator[tuple[Figures, float]]:
    """Figures of each server at each concurrency, and the memory of its processes in MB."""
    server_cores, load_cores = split_cores()
    jpeg = photo(_FRAME_SIZE_PX, _FRAME_BYTES)
    turns: dict[tuple[str, int], list[Turn]] = {}
    with ExitStack() as stack:
        running = {name: stack.enter_context(started(name, server_cores)) for name in names}
        stack.enter_context(pinned(load_cores))
        for number in range(-1, rounds):  # the first round warms up
            for concurrency in _CONCURRENCY:
                for name, one in running.items():
                    done = turn(one, jpeg, concurrency, seconds)
                    if number >= 0:
                        turns.setdefault((name, concurrency), []).append(done)
        for (name, concurrency), done_turns in turns.items():
            memory_mb = sum(rss_bytes(pid) for pid in tree(running[name].pid)) / 1e6
            yield figures(name, concurrency, done_turns), memory_mb


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a turn takes (default: %(default)s)")
    parser.add_argument("--server", action="append", choices=SERVERS, help="may be repeated (default: all)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    names = given.server or list(SERVERS)
    versions = {
        name: version(installed(peer.package, peer.with_requirements), peer.package)
        for name in names
        if (peer := SERVERS[name]).package
    }
    print(", ".join(f"{name} {number}" for name, number in versions.items()))
    print(f"{'':14}{'at once':>8}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'added CPU ms':>14}{'to FastAPI':>12}{'MB':>7}")
    results = list(measure(names, given.rounds, given.seconds))
    bare = {row.concurrency: row.added_cpu_ms for row, _ in results if row.side == "fastapi"}
    for row, memory_mb in results:
        ratio = f"{row.added_cpu_ms / bare[row.concurrency]:12.2f}" if bare else f"{'':12}"
        numbers = f"{row.concurrency:8}{row.per_second:9.1f}{row.p50_ms:9.2f}{row.p99_ms:9.2f}{row.added_cpu_ms:14.2f}"
        print(f"{row.side:14}{numbers}{ratio}{memory_mb:7.0f}")
    if given.json:
        sides = [{**asdict(row), "rss_mb": memory_mb} for row, memory_mb in results]
        given.json.write_text(json.dumps({"versions": versions, "sides": sides}, indent=2) + "\n")


if __name__ == "__main__":
    main()
