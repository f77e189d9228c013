"""The edge nodes that services run on, kept in `nodes.yaml`."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from astraea.protocol import Location
from astraea.protocol.instance import Label

from .errors import NodeError
from .files import config_folder, locked, write_atomically


class Node(BaseModel):
    """A machine, or a part of one, that runs instances."""

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
