"""What is to run of each service: written by the verbs that change it, read by the controller that keeps it so."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from astraea.protocol.service import ServiceName

from .engines import InstancePlan
from .errors import BusyError, DeployError
from .files import locked, state_folder, write_atomically
from .images import ServiceImage
from .nodes import Node
from .rollout.plan import CanaryPlan
from .settings import SettingsSource

_POLL_S = 0.05


class Release(BaseModel):
    """A revision of a service, and where it is to run."""

    model_config = ConfigDict(frozen=True)

    image: ServiceImage
    nodes: tuple[Node, ...]
    broker: str
    """The URL of the broker that instances register with."""
    settings: SettingsSource | None = None
    """Where instances' environment and secrets come from."""
    count: int | None = Field(default=None, ge=0, le=10_000)
    """Instances in all; None for one on each node."""
    room: dict[str, int] = Field(default_factory=dict)
    """The most instances that a node takes, by its name; the others' number is not bounded."""

    @property
    def size(self) -> int:
        """How many instances that makes."""
        return len(self.nodes) if self.count is None else self.count

    @property
    def most(self) -> int | None:
        """For how many instances the nodes have room together; None if nothing bounds them."""
        bounds = [self.room.get(node.name) for node in self.nodes]
        return None if None in bounds else sum(bound for bound in bounds if bound is not None)

    def plans(self) -> tuple[InstancePlan, ...]:
        """The instances, dealt out in turn to the nodes that have room for one more; as many as they have room for."""
        rounds = range(self.size)  # with one node, each round deals one
        dealt = (
            self._plan(node, ordinal)
            for ordinal in rounds
            for node in self.nodes
            if ordinal < self.room.get(node.name, self.size)
        )
        return tuple(islice(dealt, self.size))

    def _plan(self, node: Node, ordinal: int) -> InstancePlan:
        spec = self.image.spec
        return InstancePlan(
            service=spec.name,
            revision=self.image.revision,
            node=node,
            broker=self.broker,
            resources=spec.resources,
            price=node.price.of(spec.resources),
            settings=self.settings,
            ordinal=ordinal,
        )


class Rollout(BaseModel):
    """A new revision on its way to take over; its instances run beside those of the one before."""

    model_config = ConfigDict(frozen=True)

    release: Release
    plan: CanaryPlan
    step: int = 0
    """Which of the plan's steps is being watched."""


class Desired(BaseModel):
    """What is to run of one service."""

    model_config = ConfigDict(frozen=True)

    engine: str
    """What runs it, as `--engine` names it."""
    release: Release
    rollout: Rollout | None = None

    @property
    def service(self) -> ServiceName:
        """The service's name."""
        return self.release.image.spec.name


class DesiredStore:
    """What is to run of every service of this user, in a file each; whoever changes one holds its lock.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = state_folder() / "services" if folder is None else folder

    def services(self) -> list[str]:
        """The names of those that are to run."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def get(self, service: str) -> Desired | None:
        """What is to run of a service; None for one that was not deployed from here.

        Raises:
            DeployError: the file is damaged, or of another version of Astraea.
        """
        path = self._path(service)
        try:
            return Desired.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise DeployError(
                f"{path} doesn't read: {error.errors(include_url=False)[0]['msg']}",
                hint=f"delete it and run `astraea deploy {service}` again",
            ) from None

    def put(self, desired: Desired) -> None:
        """Say what is to run. Needs the service's lock."""
        write_atomically(self._path(desired.service), desired.model_dump_json())

    def delete(self, service: str) -> None:
        """Let nothing of a service run. Needs its lock."""
        self._path(service).unlink(missing_ok=True)

    @contextmanager
    def lock(self, service: str, wait_s: float = 0.0) -> Iterator[None]:
        """Held by whoever changes what runs of a service, for as long as that takes.

        Raises:
            BusyError: another process does, still after `wait_s`.
        """
        with ExitStack() as held:
            deadline = time.monotonic() + wait_s
            while True:
                try:
                    held.enter_context(locked(self._folder / f".{service}.lock", wait=False))
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise _busy(service) from None
                time.sleep(_POLL_S)
            yield

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.json"


def _busy(service: str) -> BusyError:
    return BusyError(
        f"another command, or the controller, is changing what runs of {service!r}",
        hint="try again in a moment; `astraea promote` and `astraea abort` end a canary",
    )
