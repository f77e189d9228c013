"""What a service's instances print, as it comes, also while some of the nodes are away."""

import time
from collections.abc import Iterator

from ..engines import Engine, InstanceLog, InstanceStatus
from ..errors import EngineError
from .consoles import err
from .fleet import EngineName, Fleet, open_fleet, warn

_POLL_S = 0.3
_RETRY_S = 3.0
"""Between two attempts to reach a node that is away."""


class Follower:
    """Reads the logs of a service's instances, and of those that are started meanwhile.

    Args:
        name: of the engine that runs them.
        service: the service's name.
        node: the only one to look at; None for all.
        tail: how many lines of each instance to begin with.
    """

    def __init__(self, name: EngineName, service: str, node: str | None, tail: int) -> None:
        self._name, self._service, self._node, self._tail = name, service, node, tail
        self._logs: dict[str, InstanceLog] = {}
        self._told: set[str] = set()

    def instances(self, engine: Engine) -> list[InstanceStatus]:
        """Those whose logs are read."""
        return [one for one in engine.instances(self._service) if self._node in (None, one.plan.node.name)]

    def new_lines(self, engine: Engine) -> Iterator[str]:
        """What they have printed since the last call, each line after its node and instance.

        Raises:
            EngineError: it can't tell of one of them; after the lines of all others.
        """
        failure = None
        for instance in self.instances(engine):
            try:
                lines = self._unseen(engine, instance)
            except EngineError as error:
                failure = error
            else:
                yield from (f"{instance.plan.node.name} {instance.id} | {line}" for line in lines)
        if failure is not None:
            raise failure

    def follow(self, fleet: Fleet) -> Iterator[str]:
        """All lines from now on, without an end; what goes wrong is told, once while it stays the same."""
        due = 0.0
        while True:
            failed = False
            try:
                yield from self.new_lines(fleet.engine)
            except EngineError as error:
                self._tell(error)
                failed = True
            if not (failed or fleet.away):
                self._told.clear()
            elif time.monotonic() >= due:
                fleet, before = self._reach(fleet), fleet.away
                for name in sorted(before - fleet.away):
                    err().print(f"node {name} is back")
                due = time.monotonic() + _RETRY_S
            time.sleep(_POLL_S)

    def _reach(self, fleet: Fleet) -> Fleet:
        """The nodes that answer now."""
        try:
            return open_fleet(self._name, self._tell)
        except EngineError as error:
            self._tell(error)
            return fleet._replace(away=fleet.away.union(node.name for node in fleet.nodes))

    def _tell(self, error: EngineError) -> None:
        if str(error) not in self._told:
            warn(error)
            self._told.add(str(error))

    def _unseen(self, engine: Engine, instance: InstanceStatus) -> list[str]:
        if instance.id in self._logs:
            return self._logs[instance.id].new_lines()
        log = engine.log(instance)
        lines = log.tail(self._tail)
        self._logs[instance.id] = log
        return lines
