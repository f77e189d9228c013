"""Which videos the server may read itself: those that its operator has named. Pure, but for the names it resolves."""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ..errors import BadInputError, ForbiddenError, OptionError

_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
_MAX_CHARS = 2000

Resolve = Callable[[str], Iterable[str]]
"""From a host's name to its addresses; raises OSError for one that has none."""


def resolve(host: str) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Sources:
    """What is allowed: `rtsp://192.168.1.20`, `rtsp://*.cameras.example:8554`, `file:///srv/videos`.

    A host may have wildcards, a port counts if it is named, and of a file the folder is named. Addresses of this
    machine and of its link (127.0.0.1, ::1, 169.254.169.254, ...) are reached only by a host that is named in full:
    a wildcard, or a name that happens to lead there, is not enough.
    """

    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.allowed:
            parts = _split(pattern)
            good = parts is not None and (
                parts.path.startswith("/") if parts.scheme == "file" else parts.scheme in _SCHEMES and parts.hostname
            )
            if not good:
                raise OptionError(
                    f"--allow-source: {pattern!r} is no source",
                    hint="for example rtsp://192.168.1.20, https://*.cameras.example or file:///srv/videos",
                )

    def check(self, url: str, resolve: Resolve = resolve) -> None:
        """Whether a video may be read; it takes as long as resolving its host does.

        Raises:
            BadInputError: It is no address of a video.
            ForbiddenError: It is not among those that are allowed.
        """
        parts = _split(url) if len(url) <= _MAX_CHARS else None
        if parts is None or parts.scheme not in _SCHEMES | {"file"}:
            raise BadInputError(f"a source is an rtsp, rtsps, http, https or file URL, not {url[:80]!r}")
        if not any(self._matches(parts, pattern, resolve) for pattern in map(urlsplit, self.allowed)):
            raise ForbiddenError(
                f"this server may not read {shown(url)}; its operator allows sources with --allow-source"
            )

    def _matches(self, parts: SplitResult, pattern: SplitResult, resolve: Resolve) -> bool:
        if parts.scheme != pattern.scheme:
            return False
        if parts.scheme == "file":
            return Path(parts.path).resolve().is_relative_to(Path(pattern.path).resolve())
        host, allowed = parts.hostname or "", pattern.hostname or ""
        if not fnmatchcase(host, allowed) or pattern.port not in {None, parts.port}:
            return False
        return host == allowed or _is_elsewhere(host, resolve)


def shown(url: str) -> str:
    """A source without the password that it may have, for replies and the log."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()[:200]


def _is_elsewhere(host: str, resolve: Resolve) -> bool:
    """Whether all addresses of a host are of other machines."""
    try:
        addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in resolve(host)]
    except (OSError, ValueError):
        return False
    return bool(addresses) and not any(
        address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
        for address in addresses
    )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts if parts.scheme else None
