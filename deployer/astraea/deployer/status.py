"""How the instances are, seen from all sides: their engine, themselves and their broker."""

import httpx
from pydantic import BaseModel, ConfigDict

from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from .engines import Engine, InstanceState, InstanceStatus
from .health import is_offered, is_ready, new_client


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


def look(engine: Engine, service: str | None = None) -> list[InstanceView]:
    """The instances of a service, or all, as they are now.

    Raises:
        EngineError: the engine can't tell.
    """
    with new_client() as client:
        return [_look_at(client, instance) for instance in engine.instances(service)]


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
