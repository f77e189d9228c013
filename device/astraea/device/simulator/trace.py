"""What a network delivered over time, as it was measured, and what it would have done to a transfer."""

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import ceil, inf, isfinite
from pathlib import Path
from statistics import median

from ..errors import SimulationError

FORMAT_HINT = "a trace is a measured uplink as CSV: columns t_s,uplink_mbps[,rtt_ms], a row holds until the next one"
_COLUMNS = (["t_s", "uplink_mbps"], ["t_s", "uplink_mbps", "rtt_ms"])
_MOST_BYTES = 64 * 2**20
_MOST_MBPS = 1e6
_MOST_S = 1e6
_MOST_RTT_MS = 1e5
_BITS_PER_BYTE = 8


class Trace:
    """An uplink's rate over time. It repeats when it is over; before its first row that row's rate holds.

    Args:
        name: for reports.
        times_s: starts of the intervals, increasing from 0; the last interval is as long as the median one.
        mbps: their rates in 10^6 bit/s, zero where nothing got through.
        rtts_ms: their round trip times; empty where they were not measured.
    """

    def __init__(
        self, name: str, times_s: Sequence[float], mbps: Sequence[float], rtts_ms: Sequence[float] = ()
    ) -> None:
        intervals_s = [after - before for before, after in pairwise(times_s)]
        intervals_s.append(median(intervals_s) if intervals_s else 1.0)
        self.name = name
        self.duration_s = times_s[-1] + intervals_s[-1]
        self._times_s = [*times_s, self.duration_s]
        self._bits_per_s = [rate * 1e6 for rate in mbps]
        sent = (rate * interval_s for rate, interval_s in zip(self._bits_per_s, intervals_s, strict=True))
        self._bits = list(accumulate(sent, initial=0.0))
        self._rtts_ms = list(rtts_ms)

    def upload_end_s(self, start_s: float, size_bytes: int) -> float:
        """When the last of `size_bytes` is through if the first goes out at `start_s`; infinite if never."""
        return self._time_of(self._bits_until(start_s) + size_bytes * _BITS_PER_BYTE)

    def mbps(self, at_s: float) -> float:
        """The rate at a time."""
        return self._bits_per_s[self._row(at_s)] / 1e6

    def rtt_ms(self, at_s: float) -> float | None:
        """The round trip time at a time; None where the trace does not know it."""
        return self._rtts_ms[self._row(at_s)] if self._rtts_ms else None

    def rates(self) -> Iterator[tuple[float, float]]:
        """Each interval's start in seconds, and its rate in 10^6 bit/s."""
        return zip(self._times_s, (rate / 1e6 for rate in self._bits_per_s), strict=False)  # the last time is the end

    def part(self, start_s: float, seconds: float) -> "Trace":
        """The rows from the one that holds at `start_s` on, for so many seconds or to the end, as a trace of its own.

        Raises:
            ValueError: it has no such part.
        """
        if not (0 <= start_s < self.duration_s and seconds > 0):
            raise ValueError(f"{self.name}, {self.duration_s:g} s long, has no {seconds:g} s from {start_s:g} s on")
        rows = range(self._row(start_s), bisect_left(self._times_s, start_s + seconds, hi=len(self._bits_per_s)))
        times_s = [max(0.0, self._times_s[row] - start_s) for row in rows]
        rtts_ms = [self._rtts_ms[row] for row in rows] if self._rtts_ms else []
        return Trace(self.name, times_s, [self._bits_per_s[row] / 1e6 for row in rows], rtts_ms)

    def _row(self, at_s: float) -> int:
        within_s = max(at_s, 0.0) % self.duration_s
        return bisect_right(self._times_s, within_s, hi=len(self._bits_per_s)) - 1

    def _bits_until(self, at_s: float) -> float:
        if at_s <= 0:
            return self._bits_per_s[0] * at_s
        loops, within_s = divmod(at_s, self.duration_s)
        row = self._row(within_s)
        return loops * self._bits[-1] + self._bits[row] + self._bits_per_s[row] * (within_s - self._times_s[row])

    def _time_of(self, bits: float) -> float:
        """When so many have been sent since time 0: the end of the interval's part that carries the last."""
        if bits <= 0:
            return bits / self._bits_per_s[0]
        if not self._bits[-1]:
            return inf
        loops = ceil(bits / self._bits[-1]) - 1
        within = bits - loops * self._bits[-1]
        row = bisect_left(self._bits, within, hi=len(self._bits_per_s)) - 1
        return loops * self.duration_s + self._times_s[row] + (within - self._bits[row]) / self._bits_per_s[row]


def read_trace(path: Path) -> Trace:
    """Read a trace's CSV file.

    Raises:
        SimulationError: the message names the file, the line and what is wrong with it.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SimulationError(f"{path} is larger than {_MOST_BYTES >> 20} MiB", hint=FORMAT_HINT)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse(path, csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SimulationError(f"{path} can't be read: {reason}", hint=FORMAT_HINT) from None


def _parse(path: Path, lines: Iterable[list[str]]) -> Trace:
    rows = iter(lines)
    header = [name.strip() for name in next(rows, [])]
    if header not in _COLUMNS:
        raise SimulationError(f"{path}, line 1: the columns are {','.join(header)!r}", hint=FORMAT_HINT)
    samples: list[list[float]] = []
    for line, row in enumerate(rows, start=2):
        if row:
            samples.append(_numbers(path, line, header, row, samples[-1] if samples else None))
    if not samples:
        raise SimulationError(f"{path} has no rows below its header", hint=FORMAT_HINT)
    start_s = samples[0][0]
    columns = list(zip(*samples, strict=True))
    return Trace(path.stem, [time_s - start_s for time_s in columns[0]], *columns[1:])


def _numbers(path: Path, line: int, header: list[str], row: list[str], before: list[float] | None) -> list[float]:
    """One row as numbers, each within what can be; an empty `rtt_ms` is the one before it."""
    if len(row) != len(header):
        raise SimulationError(f"{path}, line {line}: {len(row)} values for {len(header)} columns", hint=FORMAT_HINT)
    values = []
    for column, (name, text) in enumerate(zip(header, row, strict=True)):
        if name == "rtt_ms" and not text.strip() and before is not None:
            values.append(before[column])
            continue
        most = {"t_s": _MOST_S, "uplink_mbps": _MOST_MBPS, "rtt_ms": _MOST_RTT_MS}[name]
        value = _number(text)
        if not 0 <= value <= most:
            raise SimulationError(f"{path}, line {line}: {name} is {text!r}, not a number from 0 to {most:g}")
        values.append(value)
    if before is not None and values[0] <= before[0]:
        raise SimulationError(f"{path}, line {line}: t_s is {row[0]}, not later than the {before[0]:g} before it")
    return values


def _number(text: str) -> float:
    """NaN where there is none, which is in no range."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if isfinite(value) else float("nan")
