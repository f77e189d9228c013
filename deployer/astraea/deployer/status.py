"""How the instances are, seen from all sides: their engine, themselves and their broker."""

import time
from collections.abc import Sequence

import httpx
from pydantic import BaseModel, ConfigDict

from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from .engines import Engine, InstanceState, InstanceStatus
from .errors import BrokerError
from .health import is_offered, is_ready, new_client
from .rollout.plan import WHOLE
from .rollout.sampling import Sampler
from .rollout.sharing import Sharing


class InstanceView(BaseModel):
    """An instance as `astraea status --json` shows it."""

    model_config = ConfigDict(frozen=True)

    id: Label
    service: ServiceName
    revision: Label
    node: Label
    region: Label | None
    state: InstanceState
    url: str | None
    pid: int | None
    restarts: int
    last_exit: str | None
    ready: bool
    """Whether it answers and says that it is ready."""
    offered: bool
    """Whether the broker has it to offer to devices."""
    share_percent: float | None = None
    """Of devices, that its revision gets; None while all revisions are treated alike."""
    requests_per_s: float | None = None
    failures_per_s: float | None = None
    """Of those, the ones that were the server's fault; None for both where nobody asked, or it doesn't tell."""


def look(engine: Engine, service: str | None = None, *, rates_over_s: float = 0.0) -> list[InstanceView]:
    """The instances of a service, or all, as they are now.

    Args:
        engine: runs them.
        service: its name; None for all.
        rates_over_s: how long to watch for requests; 0 for not at all.

    Raises:
        EngineError: the engine can't tell.
    """
    with new_client() as client:
        instances = engine.instances(service)
        rates = _rates(client, instances, rates_over_s) if instances and rates_over_s else {}
        shares = _shares(client, instances)
        return [
            _look_at(client, one).model_copy(update={**rates.get(one.id, {}), "share_percent": shares.get(_of(one))})
            for one in instances
        ]


def _of(instance: InstanceStatus) -> tuple[str, str]:
    return instance.plan.service, instance.plan.revision


def _rates(client: httpx.Client, instances: Sequence[InstanceStatus], over_s: float) -> dict[str, dict[str, float]]:
    samplers = {one.id: Sampler(client, [one]) for one in instances}
    began = time.monotonic()
    time.sleep(over_s)
    samples = {name: sampler.sample() for name, sampler in samplers.items() if sampler.hears}
    span_s = time.monotonic() - began
    return {
        name: {"requests_per_s": sample.requests / span_s, "failures_per_s": sample.errors / span_s}
        for name, sample in samples.items()
    }


def _shares(client: httpx.Client, instances: Sequence[InstanceStatus]) -> dict[tuple[str, str], float]:
    """Percent of devices by service and revision."""
    shares: dict[tuple[str, str], float] = {}
    for service, broker in {(one.plan.service, one.plan.broker) for one in instances}:
        try:
            weights = Sharing(client, broker, service).weights()
        except BrokerError:  # that no instance is offered says so already
            continue
        whole = sum(weights.values())
        shares |= {(service, revision): WHOLE * weight / whole for revision, weight in weights.items()}
    return shares


def _look_at(client: httpx.Client, instance: InstanceStatus) -> InstanceView:
    plan = instance.plan
    return InstanceView(
        id=instance.id,
        service=plan.service,
        revision=plan.revision,
        node=plan.node.name,
        region=plan.node.region,
        state=instance.state,
        url=instance.url,
        pid=instance.pid,
        restarts=instance.restarts,
        last_exit=instance.last_exit,
        ready=is_ready(client, instance.url),
        offered=is_offered(client, instance),
    )
