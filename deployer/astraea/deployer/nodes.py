"""The edge nodes that services run on, kept in `nodes.yaml`."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from astraea.protocol import Location, Price, Resources
from astraea.protocol.instance import Label
from astraea.protocol.service import Memory

from .errors import NodeError
from .files import config_folder, locked, write_atomically


class Site(BaseModel):
    """Where an instance runs, as far as it is told itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Label
    region: Label | None = None
    """The region it covers; None for any."""
    location: Location | None = None
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")
    """The address that its instances listen on and are reached at."""
    engine: str | None = Field(default=None, pattern=r"^(unix|ssh|tcp)://\S{1,200}$")
    """Where its container engine listens; None for `DOCKER_HOST`, or else this machine's."""
    insecure: bool = False
    """Whether they may listen beyond this machine, though they do not authenticate their callers."""


class Capacity(BaseModel):
    """What a node has for its instances; None where nobody has said how much, and nothing is held against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: float | None = Field(default=None, gt=0, le=100_000)
    """Cores."""
    memory: Memory | None = None
    gpu: int = Field(default=0, ge=0, le=1024)


class NodePrice(BaseModel):
    """What a node costs, in one currency for the whole fleet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_cpu_hour: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Of a core that an instance has for itself."""
    per_gb: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Of traffic from devices."""

    def of(self, resources: Resources) -> Price:
        """What an instance with these resources costs."""
        return Price(per_hour=self.per_cpu_hour * resources.cpu, per_gb=self.per_gb)


class Node(Site):
    """A machine, or a part of one, that runs instances: their site, and what counts when one is placed."""

    capacity: Capacity = Capacity()
    price: NodePrice = NodePrice()
    drained: bool = False
    """Whether nothing more is placed on it."""
    mirror: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:\d{1,5})?$")
    """`HOST[:PORT]` of a registry near it that passes on, and keeps, what it is asked for: images are pulled there."""

    @property
    def site(self) -> Site:
        """What its instances are told."""
        return Site.model_validate(self.model_dump(include=set(Site.model_fields)))


IMPLICIT_NODE = Node(name="local")
"""What services run on while no node has been added: this machine, whatever the region."""

_Nodes = TypeAdapter(tuple[Node, ...])


class NodeStore:
    """The list of nodes in a file, safe against other writers and crashes.

    Args:
        path: the file; absent means no nodes.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = config_folder() / "nodes.yaml" if path is None else path

    def all(self) -> tuple[Node, ...]:
        """The nodes, in the order they were added.

        Raises:
            NodeError: the file doesn't read.
        """
        try:
            return _Nodes.validate_python(yaml.safe_load(self.path.read_text(encoding="utf-8")) or ())
        except FileNotFoundError:
            return ()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise NodeError(f"{self.path}: {where}: {first['msg']}", hint=_MEND) from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise NodeError(f"{self.path} can't be read: {' '.join(str(error).split())}", hint=_MEND) from None

    def add(self, node: Node) -> None:
        """Add a node.

        Raises:
            NodeError: there is one of this name.
        """
        with self._lock():
            nodes = self.all()
            if any(node.name == other.name for other in nodes):
                raise NodeError(
                    f"there is a node {node.name!r} already", hint=f"`astraea node remove {node.name}` first"
                )
            self._write((*nodes, node))

    def remove(self, name: str) -> None:
        """Remove a node.

        Raises:
            NodeError: there is none of this name.
        """
        with self._lock():
            nodes = self.all()
            find_nodes(nodes, [name])
            self._write(tuple(node for node in nodes if node.name != name))

    def set_drained(self, name: str, *, drained: bool) -> None:
        """Have nothing more placed on a node, or again.

        Raises:
            NodeError: there is none of this name.
        """
        with self._lock():
            nodes = self.all()
            find_nodes(nodes, [name])
            update = {"drained": drained}
            self._write(tuple(node.model_copy(update=update) if node.name == name else node for node in nodes))

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self.path.with_name(f".{self.path.name}.lock"))

    def _write(self, nodes: tuple[Node, ...]) -> None:
        document = [node.model_dump(mode="json", exclude_defaults=True) for node in nodes]
        write_atomically(self.path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def find_nodes(nodes: Iterable[Node], names: Sequence[str]) -> tuple[Node, ...]:
    """The nodes of these names, each once.

    Raises:
        NodeError: a name is none of a node.
    """
    known = {node.name: node for node in nodes}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NodeError(f"there is no node {unknown[0]!r}", hint=f"the nodes are {', '.join(known)}" if known else _ADD)
    return tuple(known[name] for name in dict.fromkeys(names))


_ADD = "`astraea node add NAME --region REGION --at LAT,LON` adds one"
_MEND = "mend the file, or delete it and add the nodes again"


def what_is_wrong(error: ValidationError) -> str:
    """Of a node's values, the first that can't be used, and why."""
    first = error.errors(include_url=False)[0]
    return f"{first['loc'][-1]}: {first['input']!r} can't be used: {first['msg']}"
