"""How the container of an instance is to run: pure, but for a look at whether a port answers."""

import hashlib
import socket
from collections.abc import Collection, Mapping

from pydantic import ValidationError

from ..errors import EngineError
from ..images import ServiceImage
from ..packaging.container import (
    HEALTH_INTERVAL_S,
    HEALTH_START_S,
    HEALTH_TIMEOUT_S,
    SECOND_NS,
    health_command,
)
from ..registry import Reference
from . import InstancePlan
from .serving import instance_url

PLAN_LABEL, PORT_LABEL = "astraea.plan", "astraea.port"
STOP_GRACE_S = 10
"""From asking a container to end to killing it; an edge server drains and leaves the broker in this time."""
STABLE_S = 30.0
"""A container that lived this long has started well."""
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}
PIDS_LIMIT = 1024

# Below what Linux hands out to outgoing connections, above what services of the host take.
_FIRST_PORT, _PORTS = 20_000, 12_000
_CONNECT_TIMEOUT_S = 0.5


def labels_of(plan: InstancePlan, port: int) -> dict[str, str]:
    """What a container of the instance is found by."""
    return {PLAN_LABEL: plan.model_dump_json(), PORT_LABEL: str(port)}


def plan_of(labels: Mapping[str, str], name: str) -> tuple[InstancePlan, int]:
    """The instance and the port that labels tell of.

    Raises:
        EngineError: they are of no container of ours, or of another version of Astraea.
    """
    try:
        return InstancePlan.model_validate_json(labels[PLAN_LABEL]), int(labels[PORT_LABEL])
    except (LookupError, ValueError, ValidationError):
        raise EngineError(
            f"the container {name} is not Astraea's, or of another version of it", hint="remove or rename it"
        ) from None


def pull_name(image: ServiceImage, mirror: str | None = None) -> str:
    """What engines pull an image by: its digest alone says which it is.

    Args:
        image: in its registry.
        mirror: of that registry; None to pull from itself.

    Raises:
        EngineError: it is in no registry.
    """
    reference = Reference.parse(image.reference)
    if reference.digest is None:
        raise EngineError(f"the image {image.reference} is in no registry", hint="deploy the folder with --registry")
    return f"{mirror or reference.host}/{reference.repository}@{reference.digest}"


def choose_port(plan: InstancePlan, taken: Collection[int]) -> int:
    """A port of the node's that is free as far as one can see from here; as a rule the same one for the same plan.

    Raises:
        EngineError: there is none.
    """
    first = int.from_bytes(hashlib.sha256(plan.id.encode()).digest()[:4]) % _PORTS
    for offset in range(_PORTS):
        port = _FIRST_PORT + (first + offset) % _PORTS
        if port not in taken and not _answers(plan.node.host, port):
            return port
    raise EngineError(f"node {plan.node.name} has no free port from {_FIRST_PORT} on")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def health_options(plan: InstancePlan, port: int) -> dict[str, object]:
    """How the engine finds out whether the instance lives, in the words of Docker's SDK."""
    return {
        "test": list(health_command(instance_url(plan, port))),
        "interval": HEALTH_INTERVAL_S * SECOND_NS,
        "timeout": HEALTH_TIMEOUT_S * SECOND_NS,
        "start_period": HEALTH_START_S * SECOND_NS,
    }
