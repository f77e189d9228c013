"""Brings the nodes from what runs on them to what should, without a moment in which nobody answers."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import httpx

from .engines import Engine, InstancePlan, InstanceStatus
from .errors import DeployError, EngineError
from .files import locked, state_folder
from .health import check_broker, is_offered, is_ready, new_client
from .images import ServiceImage
from .nodes import Node
from .rollout.canary import CanaryPlan, Judgement, take_over, weights
from .rollout.sharing import Sharing

_POLL_S = 0.1
_STOP_TIMEOUT_S = 30.0
"""Longer than any engine gives an instance to end before it kills it."""
_LOG_LINES = 12
_PARALLEL = 16

Step = Literal["starting", "loading", "ready", "serving"]
"""How far an instance has come: its process lives, it is ready, and the broker offers it."""


class Progress(NamedTuple):
    """How far an instance has come."""

    instance: InstanceStatus
    step: Step


class Deployment(NamedTuple):
    """What a deployment did."""

    instances: tuple[InstanceStatus, ...]
    """What serves now."""
    started: frozenset[str]
    """Ids of those that are new."""
    stopped: tuple[InstanceStatus, ...]
    """Those that they replaced, or that ran where the service is no longer wanted."""


def deploy(
    image: ServiceImage,
    nodes: Sequence[Node],
    engine: Engine,
    broker: str,
    *,
    timeout_s: float,
    on_progress: Callable[[Sequence[Progress]], None] = lambda _progress: None,
    canary: CanaryPlan | None = None,
    on_judged: Callable[[Judgement], None] = lambda _judgement: None,
) -> Deployment:
    """Run one instance of an image on each node, and nothing else of its service anywhere.

    New instances start beside those they replace, which end only when all the new ones serve. Whatever keeps that from
    happening, being interrupted included, ends the new ones and leaves the others as they were.

    Args:
        image: of the service.
        nodes: one instance runs on each.
        engine: runs them.
        broker: its URL.
        timeout_s: for all of them to serve.
        on_progress: is told how far they have come.
        canary: the steps in which devices move over to a new revision; None for all at once.
        on_judged: is told how such a step goes.

    Raises:
        RolloutAborted: the new revision did worse than the old one.
        BrokerError: no broker answers.
        DeployError: an instance did not come up in time, or another deployment is under way.
        EngineError: the engine can't start instances.
    """
    plans = [_plan(image, node, broker) for node in nodes]
    wanted = frozenset(plan.id for plan in plans)
    with _alone(), new_client() as client:
        check_broker(client, broker)
        before = [instance for instance in engine.instances(image.spec.name) if instance.state != "stopping"]
        started = wanted.difference(instance.id for instance in before)
        stopped = tuple(instance for instance in before if instance.id not in wanted)
        sharing = Sharing(client, broker, image.spec.name)
        if canary is not None and stopped:  # until they are judged, the new ones get no device
            sharing.share(weights(image.revision, 0, (instance.plan.revision for instance in stopped)))
        try:
            with ThreadPoolExecutor(_PARALLEL) as threads:  # a node that pulls an image keeps no other waiting
                list(threads.map(lambda plan: engine.start(plan, image), plans))
            serving = _wait_until_serving(client, engine, plans, timeout_s, on_progress)
            if canary is not None and stopped:
                check = _failure_check(engine, wanted, image.spec.name)
                take_over(canary, client, sharing, serving, stopped, check=check, on_judged=on_judged)
            sharing.share({})
        except BaseException:
            with contextlib.suppress(EngineError):  # what went wrong first is what matters
                engine.stop(started)
            raise
        _stop_and_wait(engine, [instance.id for instance in stopped])
    return Deployment(serving, started, stopped)


def _plan(image: ServiceImage, node: Node, broker: str) -> InstancePlan:
    spec = image.spec
    return InstancePlan(service=spec.name, revision=image.revision, node=node, broker=broker, resources=spec.resources)


def remove(service: str, engine: Engine) -> tuple[InstanceStatus, ...]:
    """End all of a service's instances and wait until nothing of them is left; returns what there was.

    Raises:
        DeployError: there is none, they do not end, or a deployment is under way.
    """
    with _alone():
        instances = tuple(engine.instances(service))
        if not instances:
            raise DeployError(f"no instance of {service!r} runs on any node", hint="`astraea status` lists what runs")
        _stop_and_wait(engine, [instance.id for instance in instances])
    return instances


def _wait_until_serving(
    client: httpx.Client,
    engine: Engine,
    plans: Sequence[InstancePlan],
    timeout_s: float,
    on_progress: Callable[[Sequence[Progress]], None],
) -> tuple[InstanceStatus, ...]:
    deadline = time.monotonic() + timeout_s
    wanted = {plan.id for plan in plans}
    while True:
        instances = [instance for instance in engine.instances(plans[0].service) if instance.id in wanted]
        progress = [Progress(instance, _step(client, instance)) for instance in instances]
        on_progress(progress)
        _check_none_fails(engine, instances)
        if all(step == "serving" for _, step in progress):
            return tuple(instances)
        if time.monotonic() > deadline:
            raise _too_late(engine, progress, timeout_s)
        time.sleep(_POLL_S)


def _step(client: httpx.Client, instance: InstanceStatus) -> Step:
    if instance.state != "running":
        return "starting"
    if not is_ready(client, instance.url):
        return "loading"
    return "serving" if is_offered(client, instance) else "ready"


def _check_none_fails(engine: Engine, instances: Collection[InstanceStatus]) -> None:
    for instance in instances:
        if instance.state == "restarting":
            raise _failure(engine, instance, f"ends soon after each start: {instance.last_exit}")


def _failure_check(engine: Engine, wanted: Collection[str], service: str) -> Callable[[], None]:
    def check() -> None:
        _check_none_fails(engine, [instance for instance in engine.instances(service) if instance.id in wanted])

    return check


def _too_late(engine: Engine, progress: Sequence[Progress], timeout_s: float) -> DeployError:
    instance, step = next(entry for entry in progress if entry.step != "serving")
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


def _stop_and_wait(engine: Engine, instance_ids: Collection[str]) -> None:
    engine.stop(instance_ids)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while remaining := [instance for instance in engine.instances() if instance.id in instance_ids]:
        if time.monotonic() > deadline:
            raise DeployError(f"{remaining[0].id} on node {remaining[0].plan.node.name} does not end", hint=_AGAIN)
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Only one at a time changes what runs."""
    try:
        with locked(state_folder() / "deploy.lock", wait=False):
            yield
    except BlockingIOError:
        raise DeployError("another `astraea deploy` or `astraea remove` is under way", hint=_AGAIN) from None


_AGAIN = "try again in a moment"
