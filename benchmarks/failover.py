"""What faults between a device and its edge cost: `python -m benchmarks.failover` (as root).

The real client and the real edge server on two hosts with a link between them (see `benchmarks.field`, which says what
is emulated), and one fault at a time for some seconds while a camera goes on delivering. Every frame must be answered,
none later than its deadline plus the device's own time, and the edge be used again within 2 s of the fault's end.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from netlab import Conditions, unavailable

from . import clock
from .clock import SteppedClock
from .field import Field, FieldError

GOOD = Conditions(rate_mbps=20, delay_ms=10)
LOCAL_MS = 250.0
"""Slow enough that the edge is the better choice while it is there."""
DEADLINE_MS = 500.0
FAULT_S = 5.0
RECOVERY_S = 2.0
_WAIT_S = 30.0
_SETTLED_FRAMES = 10
_HOUR_S = 3600
_LONG_S = 600.0
"""The camera runs until it is no longer needed."""


Fault = Callable[["Rig"], AbstractContextManager[None]]


def _link(conditions: Conditions) -> Fault:
    @contextmanager
    def fault(rig: "Rig") -> Iterator[None]:
        rig.field.link.become(conditions)
        yield
        rig.field.link.become(GOOD)

    return fault


@contextmanager
def edge_killed(rig: "Rig") -> Iterator[None]:
    """It is started again where it was."""
    rig.field.server.kill()
    rig.field.server.wait()
    yield
    rig.field.start_server()


@contextmanager
def edge_hung(rig: "Rig") -> Iterator[None]:
    """The kernel goes on accepting connections and data for it."""
    rig.field.server.send_signal(signal.SIGSTOP)
    yield
    rig.field.server.send_signal(signal.SIGCONT)


@contextmanager
def names_gone(rig: "Rig") -> Iterator[None]:
    """The name server hangs, and the edge server is restarted, so that the device has to connect again."""
    rig.field.names.send_signal(signal.SIGSTOP)
    with edge_killed(rig):
        pass
    yield
    rig.field.names.send_signal(signal.SIGCONT)


def _clock(seconds: int) -> Fault:
    @contextmanager
    def fault(rig: "Rig") -> Iterator[None]:
        """On the device and the edge; it stays so."""
        rig.clock.step(seconds)
        yield

    return fault


FAULTS: Mapping[str, Fault] = {
    "link blackholed": _link(Conditions(up=False)),
    "5 % loss": _link(replace(GOOD, loss_pct=5)),
    "400 ms jitter": _link(replace(GOOD, jitter_ms=400)),
    "edge killed": edge_killed,
    "edge hung": edge_hung,
    "names gone, edge restarted": names_gone,
    "clock an hour ahead": _clock(_HOUR_S),
    "clock an hour back": _clock(-_HOUR_S),
}


class Figures(NamedTuple):
    """What a fault cost, from its begin to the recovery."""

    frames: int
    unanswered: int
    at_edge_pct: float
    """Of the frames."""
    worst_ms: float
    """From a frame's capture to its answer."""
    recovery_s: float
    """From the fault's end to the first answer of the edge to a frame captured after it."""

    @property
    def bearable(self) -> bool:
        """Whether it is within what is promised."""
        late = self.worst_ms > DEADLINE_MS + LOCAL_MS
        return not (self.unanswered or late or self.recovery_s > RECOVERY_S)


class Rig:
    """A device at work, with its edge used. Use it as a context manager.

    Attributes:
        field: the hosts, the link and the servers.
        clock: the wall clock of the device and the edge.
    """

    def __init__(self) -> None:
        with ExitStack() as opening:
            self.clock = opening.enter_context(SteppedClock())
            self.field = opening.enter_context(Field(GOOD, environment=self.clock.environment))
            self._camera = self.field.start_camera(local_ms=LOCAL_MS, deadline_ms=DEADLINE_MS, seconds=_LONG_S)
            self._camera.begin(time.monotonic())
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def suffer(self, fault: Fault, seconds: float) -> Figures:
        """Let a fault happen for some time, and wait until the edge is used again.

        Raises:
            FieldError: the edge was not used before, or not within half a minute after the fault.
        """
        self._await_edge(time.monotonic(), _SETTLED_FRAMES)
        began_s = time.monotonic()
        with fault(self):
            time.sleep(max(0.0, began_s + seconds - time.monotonic()))
        ended_s = time.monotonic()
        recovered_s = self._await_edge(ended_s, 1)
        answers = [answer for answer in self._camera.answers if began_s <= answer.answered_s <= recovered_s]
        return Figures(
            frames=len(answers),
            unanswered=sum(answer.tier is None for answer in answers),
            at_edge_pct=100 * sum(answer.tier == "edge" for answer in answers) / len(answers),
            worst_ms=max(answer.response_ms for answer in answers),
            recovery_s=recovered_s - ended_s,
        )

    def _await_edge(self, since_s: float, frames: int) -> float:
        """When the edge had answered so many frames that were captured since then."""
        deadline_s = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline_s and self._camera.process.poll() is None:
            by_edge = [one for one in self._camera.answers if one.tier == "edge" and one.captured_s >= since_s]
            if len(by_edge) >= frames:
                return by_edge[frames - 1].answered_s
            time.sleep(0.02)
        raise FieldError(f"the edge has not answered {frames} frames within {_WAIT_S:g} s")


def line(name: str, row: Figures) -> str:
    numbers = f"{row.frames:10}{row.unanswered:12}{row.at_edge_pct:10.0f}{row.worst_ms:10.0f}{row.recovery_s:12.2f}"
    return f"{name:28}{numbers}{'' if row.bearable else '  MORE THAN PROMISED'}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__.splitlines()[0])
    parser.add_argument("--fault", action="append", choices=FAULTS, help="may be repeated (default: all)")
    parser.add_argument("--seconds", type=float, default=FAULT_S, help="of each fault (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    if reason := unavailable() or clock.unavailable():
        sys.exit(reason)
    print(f"a frame's deadline is {DEADLINE_MS:g} ms, the device's own time {LOCAL_MS:g} ms")
    print(f"{'':28}{'frames':>10}{'unanswered':>12}{'edge %':>10}{'worst ms':>10}{'recovery s':>12}")
    figures = {}
    with Rig() as rig:
        for name in given.fault or FAULTS:
            figures[name] = rig.suffer(FAULTS[name], given.seconds)
            print(line(name, figures[name]), flush=True)
    if given.json:
        document = {name: row._asdict() for name, row in figures.items()}
        given.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row.bearable for row in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
