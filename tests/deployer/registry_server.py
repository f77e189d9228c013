"""A real registry on loopback: Debian's `docker-registry`, with or without passwords and TLS."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

USER, PASSWORD = "ada", "lovelace-1843"
_HTPASSWD = f"{USER}:$2y$05$BloI2oFcL2sD9YcN6NTwHOT4jgTUhJlWNLIy.jDMfKtq430i2Ikhq\n"
"""As `htpasswd -nbB` prints it."""


@contextmanager
def running_registry(
    folder: Path, *, authenticated: bool = False, tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """A registry's host and port, while it runs.

    Args:
        folder: for its files.
        authenticated: whether it asks for the user and password above.
        tls: files of its certificate and key.
    """
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    configuration: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": host},
    }
    if authenticated:
        (folder / "htpasswd").write_text(_HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
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


def _wait_until_open(host: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    name, _, port = host.partition(":")
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with closing(socket.socket()) as probe:
            if probe.connect_ex((name, int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"no registry at {host}")
