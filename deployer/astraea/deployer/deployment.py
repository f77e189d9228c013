"""Brings the nodes from what runs on them to what should, without a moment in which nobody answers."""

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import httpx

from astraea.protocol.broker_api import calls

from .capacity import lack, with_room
from .desired import Desired, DesiredStore, Release, Rollout
from .engines import Engine, InstanceStatus
from .errors import BrokerError, BusyError, DeployError, EngineError
from .health import ask_broker, check_broker, new_client
from .history import History
from .nodes import Node
from .rollout.canary import LOOK_S, Canary, Decision, Judgement
from .rollout.plan import WHOLE, CanaryPlan, weights
from .rollout.sharing import Sharing
from .startup import Progress, start_all, wait_until_serving

_POLL_S = 0.1
_STOP_TIMEOUT_S = 30.0
"""Longer than any engine gives an instance to end before it kills it."""
_LOCK_WAIT_S = 3.0
"""The controller is done in less, as a rule; a deployment is not."""
_DECISION_TIMEOUT_S = 60.0


class Deployment(NamedTuple):
    """What a deployment did."""

    instances: tuple[InstanceStatus, ...]
    """What serves now."""
    started: frozenset[str]
    """Ids of those that are new."""
    stopped: tuple[InstanceStatus, ...]
    """Those that they replaced, or that ran where the service is no longer wanted."""


def deploy(
    release: Release,
    engine_name: str,
    engine: Engine,
    *,
    timeout_s: float,
    on_progress: Callable[[Sequence[Progress]], None] = lambda _progress: None,
    canary: CanaryPlan | None = None,
    on_judged: Callable[[Judgement], None] = lambda _judgement: None,
) -> Deployment:
    """Run a release's instances, and nothing else of its service anywhere.

    New instances start beside those they replace, which end only when all the new ones serve. Whatever keeps that from
    happening, being interrupted included, ends the new ones and leaves the others as they were.

    Args:
        release: what is to run.
        engine_name: of the engine, as `--engine` has it.
        engine: runs them.
        timeout_s: for all of them to serve.
        on_progress: is told how far they have come.
        canary: the steps in which devices move over to a new revision; None for all at once.
        on_judged: is told how such a step goes.

    Raises:
        RolloutAborted: the new revision did worse than the old one, or an operator took it back.
        BrokerError: no broker answers.
        PlacementError: the nodes have no room for so many instances.
        DeployError: an instance did not come up in time, or something else changes what runs of the service.
        EngineError: the engine can't start instances.
    """
    store, service = DesiredStore(), release.image.spec.name
    with store.lock(service, _LOCK_WAIT_S), new_client() as client:
        check_broker(client, release.broker)
        known, running = store.get(service), engine.instances()
        release = with_room(release, running)
        if (lacking := lack(release, running)) is not None:
            raise lacking
        plans = release.plans()
        wanted = frozenset(plan.id for plan in plans)
        before = [one for one in running if one.plan.service == service and one.state != "stopping"]
        started = wanted.difference(instance.id for instance in before)
        stopped = tuple(instance for instance in before if instance.id not in wanted)
        stable = sorted({instance.plan.revision for instance in stopped} - {release.image.revision})
        rollout = None if canary is None or not stable else _rollout(release, canary, known)
        sharing = Sharing(client, release.broker, service)
        if rollout is not None:  # until they are judged, the new ones get no device
            sharing.share(weights(release.image.revision, 0, stable))
        try:
            start_all(engine, plans, release.image)
            serving = wait_until_serving(client, engine, plans, timeout_s, on_progress)
            if rollout is not None:
                save = _saving(store, known)
                save(rollout)
                _take_over(Canary(rollout, stable, engine, client, save), on_judged)
            sharing.share({})
        except BaseException:
            with contextlib.suppress(EngineError, BrokerError):  # what went wrong first is what matters
                if rollout is not None:
                    sharing.share(weights(release.image.revision, 0, stable))
                engine.stop(started)
            if known is not None:
                store.put(known.model_copy(update={"rollout": None}))
            raise
        settle(store, Desired(engine=engine_name, release=release))
        _stop_and_wait(engine, [instance.id for instance in stopped])
    return Deployment(serving, started, stopped)


def _rollout(release: Release, plan: CanaryPlan, known: Desired | None) -> Rollout:
    """A new one, or the one that was left when whoever watched it ended."""
    left = known and known.rollout
    return left if left and (left.release, left.plan) == (release, plan) else Rollout(release=release, plan=plan)


def _saving(store: DesiredStore, known: Desired | None) -> Callable[[Rollout], None]:
    def save(rollout: Rollout) -> None:
        if known is not None:  # what was deployed from elsewhere can't be gone on with from here
            store.put(known.model_copy(update={"rollout": rollout}))

    return save


def _take_over(canary: Canary, on_judged: Callable[[Judgement], None]) -> None:
    while (judgement := canary.look(time.monotonic())) is not None:
        on_judged(judgement)
        time.sleep(LOOK_S)


def settle(store: DesiredStore, desired: Desired) -> None:
    """Note what runs now, and in the history if it is more than another number of instances. Needs the lock."""
    known, release = store.get(desired.service), desired.release
    store.put(desired)
    if known is None or known.release.model_copy(update={"count": release.count, "room": release.room}) != release:
        History(desired.service).add(
            revision=release.image.revision,
            image=release.image.reference,
            engine=desired.engine,
            broker=release.broker,
            nodes=[node.name for node in release.nodes],
            settings=release.settings,
        )


def go_on(canary: Canary, desired: Desired, engine: Engine, client: httpx.Client, now: float) -> Desired:
    """Look once at a rollout that nobody else watches, and end it when it has come to an end. Needs the lock.

    Args:
        canary: the rollout, made from `desired`.
        desired: what is to run.
        engine: runs it.
        client: asks instances and broker.
        now: monotonic seconds.

    Returns:
        What is to run from now on, as it is in the store.

    Raises:
        RolloutAborted, DeployError: the new revision was taken back.
        BrokerError: the broker doesn't answer; nothing was changed.
    """
    store = DesiredStore()
    assert desired.rollout is not None  # noqa: S101 - the canary was made from it
    candidate = desired.rollout.release
    try:
        if canary.look(now) is not None:
            return store.get(desired.service) or desired
    except DeployError:
        canary.take_back()
        engine.stop(plan.id for plan in candidate.plans())
        store.put(desired.model_copy(update={"rollout": None}))
        raise
    Sharing(client, candidate.broker, desired.service).share({})
    done = Desired(engine=desired.engine, release=candidate)
    settle(store, done)
    engine.stop(plan.id for plan in desired.release.plans())
    return done


def decide(service: str, engine: Engine, decision: Decision) -> None:
    """End a canary as an operator wants it, whoever watches it.

    Raises:
        DeployError: none is under way, or whoever watches it doesn't come to an end.
        BrokerError: the broker doesn't answer.
    """
    store = DesiredStore()
    with new_client() as client:
        desired = store.get(service)
        if desired is None or desired.rollout is None:
            raise DeployError(f"no canary of {service!r} is under way", hint="`astraea status` shows what runs")
        stable = desired.release.image.revision
        chosen = desired.rollout.release.image.revision if decision == "promote" else stable
        Sharing(client, desired.release.broker, service).share({chosen: WHOLE})
        deadline = time.monotonic() + _DECISION_TIMEOUT_S
        while desired is not None and desired.rollout is not None:
            with contextlib.suppress(BusyError), store.lock(service):  # nobody watches it: it ends here
                canary = Canary(desired.rollout, [stable], engine, client)
                with contextlib.suppress(DeployError):
                    go_on(canary, desired, engine, client, time.monotonic())
            if time.monotonic() > deadline:
                raise DeployError(f"whoever watches the canary of {service!r} does not end it", hint=_AGAIN)
            time.sleep(_POLL_S)
            desired = store.get(service)


def scale(desired: Desired, count: int, engine: Engine, *, timeout_s: float) -> Deployment:
    """Run another number of instances: new ones serve when this returns, and those that are too many have ended.

    Raises:
        DeployError: a canary is under way, the template bounds the number, an instance did not come up, or something
            else changes what runs.
        PlacementError: the nodes have no room for so many.
        BrokerError: no broker answers.
        EngineError: the engine can't.
    """
    _check_steady(desired)
    bounds = desired.release.image.spec.scale
    if bounds is not None and not bounds.min <= count <= bounds.max:
        raise DeployError(
            f"the template keeps {desired.service!r} at {bounds.min} to {bounds.max} instances, not {count}",
            hint="change its `scale`, and deploy it again",
        )
    release = desired.release.model_copy(update={"count": count})
    return deploy(release, desired.engine, engine, timeout_s=timeout_s)


def relocate(
    desired: Desired,
    nodes: Sequence[Node],
    engine: Engine,
    *,
    timeout_s: float,
    on_progress: Callable[[Sequence[Progress]], None] = lambda _progress: None,
) -> Deployment:
    """Run a service on other nodes: it ends where it is no longer wanted when it serves where it is.

    Raises:
        DeployError: a canary is under way, an instance did not come up, or something else changes what runs.
        BrokerError: no broker answers.
        EngineError: the engine can't.
    """
    _check_steady(desired)
    release = desired.release.model_copy(update={"nodes": tuple(nodes)})
    return deploy(release, desired.engine, engine, timeout_s=timeout_s, on_progress=on_progress)


def _check_steady(desired: Desired) -> None:
    if desired.rollout is not None:
        raise DeployError(
            f"a canary of {desired.service!r} is under way", hint="`astraea promote` or `astraea abort` ends it"
        )


def remove(service: str, engine_name: str, engine: Engine) -> tuple[InstanceStatus, ...]:
    """End all of a service's instances and wait until nothing of them is left; returns what there was.

    Args:
        service: its name.
        engine_name: of the engine, as `--engine` has it.
        engine: runs them; what runs on another one is left.

    Raises:
        DeployError: there is none, they do not end, or something else changes what runs of the service.
    """
    store = DesiredStore()
    with store.lock(service, _LOCK_WAIT_S):
        known, instances = store.get(service), tuple(engine.instances(service))
        is_here = known is not None and known.engine == engine_name
        if not is_here and not instances:
            hint = f"it was deployed with --engine {known.engine}" if known else "`astraea status` lists what runs"
            raise DeployError(f"no instance of {service!r} runs on any node", hint=hint)
        if known is not None and is_here:
            store.delete(service)
            with new_client() as client, contextlib.suppress(BrokerError):  # a broker that is gone shares nothing out
                ask_broker(client, known.release.broker, calls.share_alike(service))
        _stop_and_wait(engine, [instance.id for instance in instances])
    return instances


def _stop_and_wait(engine: Engine, instance_ids: Collection[str]) -> None:
    engine.stop(instance_ids)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while remaining := [instance for instance in engine.instances() if instance.id in instance_ids]:
        if time.monotonic() > deadline:
            raise DeployError(f"{remaining[0].id} on node {remaining[0].plan.node.name} does not end", hint=_AGAIN)
        time.sleep(_POLL_S)


_AGAIN = "try again in a moment"
