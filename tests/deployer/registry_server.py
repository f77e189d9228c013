"""A real registry on loopback: Debian's `docker-registry`, with or without passwords, tokens and TLS."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

USER, PASSWORD = "ada", "lovelace-1843"
_HTPASSWD = f"{USER}:$2y$05$BloI2oFcL2sD9YcN6NTwHOT4jgTUhJlWNLIy.jDMfKtq430i2Ikhq\n"
"""As `htpasswd -nbB` prints it."""


@contextmanager
def running_registry(
    folder: Path,
    *,
    authenticated: bool = False,
    tokens: Mapping[str, str] | None = None,
    tls: tuple[Path, Path] | None = None,
    address: str = "127.0.0.1",
    mirrors: str | None = None,
) -> Iterator[str]:
    """A registry's host and port, while it runs.

    Args:
        folder: for its files.
        authenticated: whether it asks for the user and password above.
        tokens: of whom it asks for tokens, as its configuration has it.
        tls: files of its certificate and key.
        address: to listen on.
        mirrors: the host and port of the registry that it passes on and keeps what it is asked for; see `asked_for`.
    """
    with closing(socket.socket()) as probe:
        probe.bind((address, 0))
        host = f"{address}:{probe.getsockname()[1]}"
    configuration: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": host},
    }
    if authenticated:
        (folder / "htpasswd").write_text(_HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    if tokens is not None:
        configuration["auth"] = {"token": dict(tokens)}
    if mirrors is not None:
        configuration["proxy"] = {"remoteurl": f"http://{mirrors}"}
        configuration["log"]["accesslog"]["disabled"] = False
    if tls is not None:
        configuration["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    path = folder / "registry.yml"
    path.write_text(yaml.safe_dump(configuration))
    with (
        (folder / "registry.log").open("wb") as log,
        subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log) as process,
    ):
        try:
            _wait_until_open(host, process, folder / "registry.log")
            yield host
        finally:
            process.terminate()


class Asked(NamedTuple):
    """What a mirror was asked for."""

    digest: str
    sent_bytes: int


def blobs_asked_for(folder: Path) -> list[Asked]:
    """The blobs that the mirror in this folder has sent."""
    lines = re.findall(r'"GET /v2/\S+/blobs/(\S+) HTTP/1.1" 200 (\d+)', (folder / "registry.log").read_text())
    return [Asked(digest, int(size)) for digest, size in lines]


def _wait_until_open(host: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    name, _, port = host.partition(":")
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with closing(socket.socket()) as probe:
            if probe.connect_ex((name, int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"no registry at {host}")
