"""Connections to container engines, and what their complaints mean."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
import docker.errors
import docker.tls
import requests
from docker import DockerClient

from ...errors import EngineError

CALL_TIMEOUT_S = 120
"""Of a call; the longest is a pull, which answers while it goes on."""
QUESTION_TIMEOUT_S = 20
"""Of a call that only asks: an engine whose machine is gone says nothing at all."""
_PING_TIMEOUT_S = 5


@contextmanager
def connection(address: str | None, what: str, timeout_s: int = CALL_TIMEOUT_S) -> Iterator[DockerClient]:
    """A client of the engine at an address, shared by all who ask for it.

    Args:
        address: `unix://`, `ssh://` or `tcp://` (TLS by the files in `DOCKER_CERT_PATH`); None for what `DOCKER_HOST`
            says, or else this machine's.
        what: for messages, e.g. `node hz-1`.
        timeout_s: for the engine to say something in a call.

    Raises:
        EngineError: the engine can't be reached, or what is done within the block fails there.
    """
    try:
        yield _client(address or os.environ.get("DOCKER_HOST"), timeout_s)
    except _FAILURES as error:
        raise _explained(address, what, error) from None


def check_answers(address: str | None, what: str) -> None:
    """Make sure that an engine is there, sooner than other calls would give it up.

    Raises:
        EngineError: it can't be reached.
    """
    try:
        client = _new_client(address or os.environ.get("DOCKER_HOST"), _PING_TIMEOUT_S)  # it asks for the version
        client.close()
    except _FAILURES as error:
        raise _explained(address, what, error) from None


_FAILURES = (docker.errors.DockerException, requests.RequestException, OSError)


@cache
def _client(address: str | None, timeout_s: int) -> DockerClient:
    return _new_client(address, timeout_s)


def _new_client(address: str | None, timeout_s: int) -> DockerClient:
    scheme = (address or "").partition(":")[0]
    tls = _tls() if scheme == "tcp" else False
    return DockerClient(base_url=address, timeout=timeout_s, tls=tls, use_ssh_client=scheme == "ssh")


def _tls() -> docker.tls.TLSConfig | bool:
    """As the `docker` command has it: https://docs.docker.com/engine/security/protect-access/."""
    folder = os.environ.get("DOCKER_CERT_PATH")
    if not folder:
        return False
    files = (f"{folder}/cert.pem", f"{folder}/key.pem")
    return docker.tls.TLSConfig(client_cert=files, ca_cert=f"{folder}/ca.pem", verify=True)


def _explained(address: str | None, what: str, error: Exception) -> EngineError:
    if isinstance(error, docker.errors.APIError):
        said = " ".join((error.explanation or str(error)).split())
        return EngineError(f"{what}: the container engine refuses: {said}", hint=_advice(said))
    where = address or os.environ.get("DOCKER_HOST") or "its usual address"
    return EngineError(
        f"{what}: no container engine answers at {where}: {_shortly(error)}",
        hint="is it running, and may you use it? `docker info` tells; `astraea node list` has the nodes' addresses",
    )


_ADVICE = (
    ("unauthorized", "`docker login` to the registry first"),
    ("no space left", "free some there: `docker image prune` drops what nothing uses"),
    ("is already in use by container", "a container that is not Astraea's has this name: remove or rename it"),
    ("could not select device driver", "install NVIDIA's container toolkit on the node, and let its engine use it"),
    ("not a swarm manager", "`docker swarm init`, or set DOCKER_HOST to the manager's engine"),
    ("server gave http response to https client", "the registry speaks no TLS: see insecure-registries of dockerd"),
)


def _advice(said: str) -> str | None:
    return next((advice for part, advice in _ADVICE if part in said.lower()), None)


def _shortly(error: Exception) -> str:
    """The innermost cause: requests wraps what happened three times."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
