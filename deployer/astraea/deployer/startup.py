"""Starts instances, and waits until devices can be sent to them."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import httpx

from .engines import Engine, InstancePlan, InstanceStatus
from .errors import DeployError
from .health import is_offered, is_ready
from .images import ServiceImage

_POLL_S = 0.1
_LOG_LINES = 12
_PARALLEL = 16

Step = Literal["starting", "loading", "ready", "serving"]
"""How far an instance has come: its process lives, it is ready, and the broker offers it."""


class Progress(NamedTuple):
    """How far an instance has come."""

    instance: InstanceStatus
    step: Step


def start_all(engine: Engine, plans: Iterable[InstancePlan], image: ServiceImage) -> None:
    """Ask for the instances, all at once: a node that pulls an image keeps no other waiting.

    Raises:
        EngineError: the engine can't start one.
    """
    with ThreadPoolExecutor(_PARALLEL) as threads:
        list(threads.map(lambda plan: engine.start(plan, image), plans))


def wait_until_serving(
    client: httpx.Client,
    engine: Engine,
    plans: Sequence[InstancePlan],
    timeout_s: float,
    on_progress: Callable[[Sequence[Progress]], None],
) -> tuple[InstanceStatus, ...]:
    """Wait until devices can be sent to all of them; returns them.

    Raises:
        DeployError: one did not come up in time.
    """
    if not plans:
        return ()
    deadline = time.monotonic() + timeout_s
    wanted = {plan.id for plan in plans}
    while True:
        instances = [instance for instance in engine.instances(plans[0].service) if instance.id in wanted]
        progress = [Progress(instance, _step(client, instance)) for instance in instances]
        on_progress(progress)
        check_none_fails(engine, instances)
        late = next((entry for entry in progress if entry.step != "serving"), None)
        if late is None and len(instances) == len(wanted):
            return tuple(instances)
        if time.monotonic() > deadline:
            raise _missing(plans, instances, timeout_s) if late is None else _too_late(engine, late, timeout_s)
        time.sleep(_POLL_S)


def check_none_fails(engine: Engine, instances: Collection[InstanceStatus]) -> None:
    """Make sure that no instance ends soon after each start.

    Raises:
        DeployError: one does.
    """
    for instance in instances:
        if instance.state == "restarting":
            raise _failure(engine, instance, f"ends soon after each start: {instance.last_exit}")


def _step(client: httpx.Client, instance: InstanceStatus) -> Step:
    if instance.state != "running":
        return "starting"
    if not is_ready(client, instance.url):
        return "loading"
    return "serving" if is_offered(client, instance) else "ready"


def _missing(plans: Iterable[InstancePlan], instances: Iterable[InstanceStatus], timeout_s: float) -> DeployError:
    there = {instance.id for instance in instances}
    names = sorted({plan.node.name for plan in plans if plan.id not in there})
    return DeployError(
        f"nothing was heard of the instances on {', '.join(names)} for {timeout_s:g} s",
        hint="are those nodes up? whatever ran before still runs",
    )


def _too_late(engine: Engine, late: Progress, timeout_s: float) -> DeployError:
    instance, step = late
    reason = {
        "starting": "has not been started",
        "loading": f"is not ready at {instance.url}",
        "ready": f"is ready, but the broker at {instance.plan.broker} does not offer it",
    }[step]
    return _failure(engine, instance, f"{reason} after {timeout_s:g} s")


def _failure(engine: Engine, instance: InstanceStatus, reason: str) -> DeployError:
    lines = engine.log(instance).tail(_LOG_LINES)
    said = f"; it printed last:\n{chr(10).join(f'  {line}' for line in lines)}" if lines else "; it printed nothing"
    return DeployError(
        f"on node {instance.plan.node.name} the instance {instance.id} {reason}{said}",
        hint="put it right and deploy again; whatever ran before still runs",
    )
