"""Keeps one service as it is to be."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from astraea.protocol import AstraeaError
from astraea.protocol.broker_api import calls

from ..capacity import lack, with_room
from ..deployment import go_on
from ..desired import Desired, DesiredStore, Rollout
from ..engines import Engine, InstanceStatus
from ..errors import BusyError, DeployerError
from ..health import ask_broker, is_ready
from ..rollout.canary import Canary
from .autoscaling import DOWN_WINDOW_S, Usage, wanted
from .healing import Absences, Wanted, idle_nodes, spread, to_start, to_stop
from .healing import wanted as wanted_instances
from .measuring import Meter

logger = logging.getLogger(__name__)

_PARALLEL = 16
_RETRY_S = 10.0
"""Between two attempts to start an instance: a node that is away is asked again soon enough."""
_MOST_USAGES = 1000


class Keeper:
    """One service: what is lost is started again, a canary goes on, and the number of instances follows the load.

    Args:
        service: its name.
        store: says what is to run.
        open_engine: gives the engine of a name.
        client: asks instances and the broker.
    """

    def __init__(
        self, service: str, store: DesiredStore, open_engine: Callable[[str], Engine], client: httpx.Client
    ) -> None:
        self._service, self._store, self._open_engine, self._client = service, store, open_engine, client
        self._absences = Absences()
        self._meter = Meter(client)
        self._usages: deque[Usage] = deque(maxlen=_MOST_USAGES)
        self._canary: Canary | None = None
        self._not_before: dict[str, float] = {}
        self._complaints: dict[str, str | None] = {}

    def step(self, now: float) -> None:
        """Look once, and do what there is to do; trouble is logged, once while it stays the same.

        Args:
            now: monotonic seconds.
        """
        try:
            with self._store.lock(self._service):
                self._look(now)
        except BusyError:  # somebody else sees to it
            self._canary = None
        except AstraeaError as error:
            self._complain("keeping it", error)
        else:
            self._complain("keeping it", None)

    def _look(self, now: float) -> None:
        desired = self._store.get(self._service)
        if desired is None:
            return
        engine = self._open_engine(desired.engine)
        everything = [one for one in engine.instances() if one.state != "stopping"]
        ready = [one for one in everything if one.plan.service == self._service and is_ready(self._client, one.url)]
        self._heal(desired, engine, everything, {one.id for one in ready}, now)
        if desired.rollout is not None:
            self._go_on(desired, engine, now)
        else:
            self._canary = None
            self._autoscale(desired, everything, ready, now)

    def _heal(
        self, desired: Desired, engine: Engine, everything: Sequence[InstanceStatus], ready: set[str], now: float
    ) -> None:
        instances = [one for one in everything if one.plan.service == self._service]
        lost = self._absences.lost(idle_nodes(desired, instances), now)
        standing_in = spread(desired, lost, everything)
        self._complain("lost nodes", None if standing_in is None else lack(standing_in, everything))
        wants = wanted_instances(desired, standing_in)
        due = [want for want in to_start(wants, instances) if now >= self._not_before.get(want.plan.id, now)]
        with ThreadPoolExecutor(_PARALLEL) as threads:
            list(threads.map(lambda want: self._start(engine, want, now), due))
        if extra := to_stop(wants, instances, ready, lost):
            logger.info("%s: ending %s, which should not run", self._service, ", ".join(extra))
            engine.stop(extra)

    def _start(self, engine: Engine, want: Wanted, now: float) -> None:
        self._not_before[want.plan.id] = now + _RETRY_S
        logger.info("%s: starting %s on node %s", self._service, want.plan.id, want.plan.node.name)
        try:
            engine.start(want.plan, want.image)
        except DeployerError as error:
            logger.warning("%s: %s", self._service, error)

    def _go_on(self, desired: Desired, engine: Engine, now: float) -> None:
        assert desired.rollout is not None  # noqa: S101 - the caller has looked
        if self._canary is None or self._canary.revision != desired.rollout.release.image.revision:
            logger.info("%s: going on with the canary %s", self._service, desired.rollout.release.image.revision)
            stable = [desired.release.image.revision]

            def save(rollout: Rollout) -> None:
                self._store.put(desired.model_copy(update={"rollout": rollout}))

            self._canary = Canary(desired.rollout, stable, engine, self._client, save)
        left = go_on(self._canary, desired, engine, self._client, now)
        if left.rollout is None:
            logger.info("%s: all devices have %s now", self._service, left.release.image.revision)
            self._canary = None

    def _autoscale(
        self, desired: Desired, everything: Sequence[InstanceStatus], ready: Sequence[InstanceStatus], now: float
    ) -> None:
        scale = desired.release.image.spec.scale
        if scale is None:
            return
        if (usage := self._meter.measure(ready, now)) is not None:
            self._usages.append(usage)
        while len(self._usages) > 1 and self._usages[1].at <= now - DOWN_WINDOW_S:
            self._usages.popleft()
        current = desired.release.size
        count = wanted(self._usages, current, scale, now, self._asked_s(desired) if scale.min == 0 else None)
        release = with_room(desired.release.model_copy(update={"count": count}), everything)
        lacking = lack(release, everything)
        self._complain("following the load", lacking)
        if lacking is not None:
            release = release.model_copy(update={"count": release.most})
        if release.size != current:
            logger.info("%s: from %d instances to %d", self._service, current, release.size)
            self._store.put(desired.model_copy(update={"release": release}))

    def _asked_s(self, desired: Desired) -> float | None:
        return ask_broker(self._client, desired.release.broker, calls.signals(self._service)).asked_s

    def _complain(self, about: str, error: AstraeaError | None) -> None:
        complaint = None if error is None else str(error)
        if complaint is not None and complaint != self._complaints.get(about):
            logger.warning("%s: %s", self._service, complaint)
        self._complaints[about] = complaint
