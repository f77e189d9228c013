"""What the pods of a Deployment tell of an instance. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .. import InstanceState
from ..launch import STABLE_S

_HOPELESS = frozenset({"ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff"})
"""Why a container waits, where it was tried before and is tried again after a pause."""


class Seen(NamedTuple):
    """An instance, as far as pods tell."""

    state: InstanceState
    restarts: int = 0
    last_exit: str | None = None


def look_at(pods: Sequence[Mapping[str, Any]], *, ending: bool, lost: bool, now: datetime) -> Seen:
    """What becomes of an instance.

    Args:
        pods: of its Deployment, as the API server writes them.
        ending: whether the Deployment is to end.
        lost: whether its node is.
        now: the time.
    """
    if ending:
        return Seen("stopping")
    pod = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)
    if pod is None:
        return Seen("down" if lost else "starting")
    container = next(iter(pod["status"].get("containerStatuses") or ()), None)
    if container is None:
        return Seen("down" if lost else "starting", 0, _unscheduled(pod))
    restarts, reason = int(container.get("restartCount", 0)), _reason(container)
    state = "down" if lost else _state(container.get("state") or {}, restarts, now)
    return Seen(state, restarts, reason)


def _state(state: Mapping[str, Any], restarts: int, now: datetime) -> InstanceState:
    if (state.get("waiting") or {}).get("reason") in _HOPELESS:
        return "restarting"
    running = state.get("running")
    if running is None:
        return "restarting" if restarts > 1 else "starting"
    lived_s = (now - datetime.fromisoformat(running["startedAt"]).astimezone(UTC)).total_seconds()
    return "restarting" if restarts > 1 and lived_s < STABLE_S else "running"


def _reason(container: Mapping[str, Any]) -> str | None:
    """Why a container does not run, or ended the last time."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") in _HOPELESS - {"CrashLoopBackOff"}:
        return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        return "killed: it took more memory than the template gives it"
    return f"exit status {ended['exitCode']}" if "exitCode" in ended else None


def _unscheduled(pod: Mapping[str, Any]) -> str | None:
    """What the scheduler says of a pod that it finds no room for."""
    conditions = pod["status"].get("conditions") or ()
    return next((entry.get("message") for entry in conditions if entry.get("reason") == "Unschedulable"), None)
