"""A link between two namespaces whose delay, rate, loss and outages a test or a trace controls."""

import fcntl
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from .conditions import Change, Conditions
from .errors import NetlabError
from .namespace import Namespace

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
"""See the kernel's Documentation/networking/tuntap.rst."""
_QUEUE_PACKETS = 5000
"""What the kernel holds for the shaper while it is busy; the queue that counts is `Conditions.queue_kb`."""
_CONGESTION_CONTROL = "cubic"
"""What Linux has by default, and so a device in the field; this machine may have another."""
_END_S = 5.0


class Link:
    """A point-to-point link, perfect until told otherwise. Use it as a context manager, or `close` it.

    Args:
        left: one end, conventionally the device's; what it sends is the uplink.
        right: the other end.
        network: of four addresses, of which the ends have the second and the third; another one for each link.

    Attributes:
        left: the address of the left end, as text.
        right: that of the right end.

    Raises:
        NetlabError: an end has no room for it, for instance because the network's addresses are taken there.
    """

    def __init__(self, left: Namespace, right: Namespace, network: str = "10.77.0.0/30") -> None:
        _, first, second, _ = IPv4Network(network)
        self.left, self.right = str(first), str(second)
        name = f"link{int(first):x}"
        ends = [_open_end(left, name, self.left, self.right), _open_end(right, name, self.right, self.left)]
        try:
            self._shaper = subprocess.Popen(
                [sys.executable, "-m", "netlab.shaper", *map(str, ends)],
                cwd=Path(__file__).parents[1],
                bufsize=0,
                pass_fds=ends,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        finally:
            for end in ends:
                os.close(end)
        self.become(Conditions())  # it answers once it is ready

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the link away; both ends lose their interface."""
        assert self._shaper.stdin is not None  # noqa: S101 - both are pipes
        assert self._shaper.stdout is not None  # noqa: S101
        self._shaper.stdin.close()
        self._shaper.stdout.close()
        try:
            self._shaper.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._shaper.kill()
            self._shaper.wait()

    def become(self, uplink: Conditions, downlink: Conditions | None = None) -> None:
        """Change it at once, for good.

        Args:
            uplink: from left to right.
            downlink: the way back; as the uplink when it is None.
        """
        self.follow([Change(monotonic(), uplink, uplink if downlink is None else downlink)])

    def follow(self, changes: Iterable[Change]) -> None:
        """Change it at the given times, which are in order, and forget what else was to come."""
        document = [change.as_document() for change in changes]
        assert self._shaper.stdin is not None  # noqa: S101 - both are pipes
        assert self._shaper.stdout is not None  # noqa: S101
        try:
            self._shaper.stdin.write(json.dumps(document).encode() + b"\n")
        except BrokenPipeError:
            raise NetlabError("the link's shaper has ended") from None
        if not self._shaper.stdout.readline():
            raise NetlabError("the link's shaper has ended")


def _open_end(namespace: Namespace, name: str, address: str, peer: str) -> int:
    """A TUN device in a namespace; it is there for as long as the file is open in some process."""
    with namespace.entered():
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    namespace.run("ip", "address", "add", address, "peer", peer, "dev", name)
    namespace.run("ip", "link", "set", name, "txqueuelen", str(_QUEUE_PACKETS), "up")
    namespace.run("ip", "route", "replace", peer, "dev", name, "src", address, "congctl", _CONGESTION_CONTROL)
    return end
