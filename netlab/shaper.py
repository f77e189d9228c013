"""The process behind a link: reads packets from each end, and hands them to the other when its pipe lets them out.

`python -m netlab.shaper LEFT_FD RIGHT_FD`: two open TUN devices. Each line on standard input is a JSON list of changes,
which replaces those still to come; it is acknowledged by a line on standard output once those due have been made. The
process ends with its standard input.
"""

import json
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from random import Random
from time import monotonic

from .conditions import Change, Conditions
from .pipe import Pipe

_MOST_PACKET_BYTES = 65536
_BATCH = 64
"""Packets read from one end before the other has its turn."""
_NICE = -20
"""A router does not wait for a CPU that applications keep busy."""


class Shaper:
    """Two ends and the pipes between them.

    Args:
        ends: the left and the right TUN device, non-blocking.
    """

    def __init__(self, ends: Sequence[int]) -> None:
        self._ends = ends
        self._pipes = [Pipe(Conditions(), Random()) for _ in ends]  # noqa: S311 - no secret depends on which packets are lost
        self._changes: deque[Change] = deque()

    def run(self, commands: int, acknowledge: int) -> None:
        """Carry packets until `commands` ends."""
        while True:
            now = monotonic()
            self._make_changes(now)
            self._deliver(now)
            ready, _, _ = select.select([*self._ends, commands], [], [], self._idle_s())
            for end in (0, 1):
                if self._ends[end] in ready:
                    self._read(end)
            if commands in ready:
                if not (line := _read_line(commands)):
                    return
                self._changes = deque(Change.from_document(change) for change in json.loads(line))
                self._make_changes(monotonic())
                os.write(acknowledge, b"\n")

    def _make_changes(self, now: float) -> None:
        while self._changes and self._changes[0].at_s <= now:
            change = self._changes.popleft()
            for pipe, conditions in zip(self._pipes, (change.uplink, change.downlink), strict=True):
                pipe.change(conditions, now)

    def _deliver(self, now: float) -> None:
        for pipe, end in zip(self._pipes, reversed(self._ends), strict=True):
            for packet in pipe.due(now):
                with suppress(OSError):  # that end has no room or is down: the packet is lost
                    os.write(end, packet)

    def _read(self, end: int) -> None:
        for _ in range(_BATCH):
            try:
                packet = os.read(self._ends[end], _MOST_PACKET_BYTES)
            except BlockingIOError:
                return
            self._pipes[end].push(packet, monotonic())

    def _idle_s(self) -> float | None:
        next_s = min(pipe.next_s for pipe in self._pipes)
        if self._changes:
            next_s = min(next_s, self._changes[0].at_s)
        return None if next_s == inf else max(0.0, next_s - monotonic())


def _read_line(fd: int) -> bytes:
    """Up to and with its end; empty at the end of the file. The writer sends whole lines and waits for each."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, _MOST_PACKET_BYTES)
        if not part:
            return b""
        line += part
    return line


def main() -> None:
    """See the module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the link, and ends it in order
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    Shaper([int(argument) for argument in sys.argv[1:]]).run(sys.stdin.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
