"""What runs instances on nodes: one small interface, and the engines behind it."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from astraea.protocol import Price, Resources
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..images import ServiceImage
from ..nodes import Node, Site
from ..settings import SettingsSource

__all__ = [
    "ClusterEngine",
    "ContainerEngine",
    "Engine",
    "InstanceLog",
    "InstancePlan",
    "InstanceState",
    "InstanceStatus",
]

InstanceState = Literal["starting", "running", "restarting", "stopping", "unsupervised", "down"]
"""What an engine sees of an instance, from outside.

starting      asked for, not yet begun
running       its process lives (whether it is ready, only itself can tell)
restarting    it has ended more than once, and is started again after a pause
stopping      asked to end
unsupervised  its process lives, but nothing would restart it
down          neither its process nor what would restart it lives
"""


class InstancePlan(BaseModel):
    """Everything an instance is started with; another plan is another instance, which can start beside this one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: ServiceName
    revision: Label
    node: Annotated[Site, BeforeValidator(lambda node: node.site if isinstance(node, Node) else node)]
    broker: str
    """The URL of the broker it registers with."""
    resources: Resources = Resources()
    """What it takes of its node."""
    price: Price = Price()
    """What that costs."""
    settings: SettingsSource | None = None
    """Where its environment and secrets come from."""
    ordinal: int = Field(default=0, ge=0)
    """Tells apart several of a revision on one node."""

    @property
    def id(self) -> str:
        """Names the instance; equal plans have equal ids, so asking twice for an instance gives one."""
        told = self.model_dump_json(exclude_defaults=True)  # a field that is new and unused renames nothing
        return f"{self.service[:40]}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


class InstanceStatus(BaseModel):
    """An instance as its engine sees it."""

    model_config = ConfigDict(frozen=True)

    plan: InstancePlan
    state: InstanceState
    url: str | None = None
    """Where devices reach it; None until that is settled."""
    pid: int | None = None
    restarts: int = 0
    last_exit: str | None = None
    """How it ended the last time, e.g. `exit status 1`."""

    @property
    def id(self) -> str:
        """The instance's name, as the broker knows it."""
        return self.plan.id


class InstanceLog(Protocol):
    """What an instance has printed and prints."""

    def tail(self, lines: int) -> list[str]:
        """The last lines, and from now on `new_lines` gives what follows them."""
        ...

    def new_lines(self) -> list[str]:
        """The lines printed since the last call."""
        ...


class Engine(Protocol):
    """Runs instances on nodes and keeps them running."""

    def start(self, plan: InstancePlan, image: ServiceImage) -> None:
        """See to it that the instance runs from now on; does nothing to one that does. Does not wait for it.

        Raises:
            EngineError: the engine can't.
            SettingsError: the instance's settings can't be read.
        """
        ...

    def stop(self, instance_ids: Iterable[str]) -> None:
        """See to it that the instances end, and that nothing remains of them. Does not wait for it.

        Raises:
            EngineError: the engine can't.
        """
        ...

    def instances(self, service: str | None = None) -> list[InstanceStatus]:
        """The instances there are, of one service or all, those that are stopping included.

        Raises:
            EngineError: the engine can't tell.
        """
        ...

    def log(self, instance: InstanceStatus) -> InstanceLog:
        """What the instance prints."""
        ...


class ContainerEngine(Engine, Protocol):
    """Starts instances from images in a registry, which its nodes pull."""

    def architectures(self, nodes: Iterable[Node]) -> frozenset[str]:
        """What images for these nodes must run on, as Go and OCI name it.

        Raises:
            EngineError: the engine can't tell.
        """
        ...


class ClusterEngine(ContainerEngine, Protocol):
    """Has nodes of its own, which it describes itself."""

    def nodes(self) -> tuple[Node, ...]:
        """Those there are, by name; the drained ones included.

        Raises:
            EngineError: the engine can't tell.
            NodeError: a label of one can't be read.
        """
        ...

    def set_drained(self, name: str, *, drained: bool) -> None:
        """Have nothing more placed on a node, or again. What runs there goes on.

        Raises:
            EngineError: the engine can't.
        """
        ...
