"""What devices measured, for those that ask from the same area later.

A report says from about where, to which node, how much the round trip differs from what the distance lets expect, and
how fast the uplink was. Kept are running means for each pair of area and node, and nothing of the device: its place is
rounded first. Each report counts in two areas, a small one and a large one around it, so that a device hears of its
neighbours where its own small area has said little yet.
"""

from collections import OrderedDict
from collections.abc import Sequence
from enum import IntEnum
from math import exp, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location
from astraea.protocol.broker_api import Report

Floats = NDArray[np.float64]

CELL_DEGREES, REGION_DEGREES = 0.5, 4.0
"""About 55 km: an area with networks of its own, and hundreds of thousands of people in it; and its neighbourhood."""
PRIOR_REPORTS = 0.5
"""For so many reports the model of the distance counts as much as they do. Assumed is that round trips scatter around
the model by 30 %, and those that devices of an area measure to the same node by 21 %: (0.21 / 0.30)^2."""
MEMORY_S = 1800.0
"""Reports count for less with age: after this long for 1/e."""
UPLINK_MBPS = 10.0
"""Assumed where nobody has measured: the uplink of an ordinary mobile network."""
_NEIGHBOURS = 2.0
"""For so many reports of its own an area takes what the region around it has measured."""
_PRIOR_NODES = 4.0
"""So many nodes must be known before a region's mean counts for half at the others."""
_MOST_REPORTS = 50.0
_STALL_MS, _SLOWEST_MBPS = 300.0, 0.5
"""What a single report can say at most: beyond, it is a stall or a lie, and moves the means as if it were this."""
_MOST_CELLS = 4000
_MOST_NODES = 1024
"""Of a cell: with three figures each, all of them together take 100 MB at most."""

Cell = tuple[float, int, int]
"""How many degrees it is wide, and which one it is, counted from the equator and from Greenwich."""


class Known(NamedTuple):
    """What is known of the ways to some nodes, in their order."""

    late_ms: Floats
    """By how much round trips are longer than the distance lets expect."""
    uplink_ms_per_mb: Floats
    """How long a megabyte takes."""
    reports: Floats
    """How many say so; less than one where it is mostly the model."""


class _Sum(IntEnum):
    REPORTS = 0
    LATE_MS = 1
    UPLINKS = 2
    UPLINK_MS_PER_MB = 3


class _Cell:
    """Sums over the reports of an area for each node; older ones count for less."""

    def __init__(self, now: float) -> None:
        self.rows: dict[str, int] = {}
        self._sums = np.zeros((len(_Sum), 9))  # the last column stays zero, for nodes without a row
        self._at = now
        self._asked: tuple[Sequence[str], int, NDArray[np.intp]] | None = None
        """The nodes that were last asked for, how many rows there were, and theirs: mostly it is the same again."""

    def add(self, node: str, late_ms: float, uplink_ms_per_mb: float | None, now: float) -> None:
        self.age(now)
        row = self.rows.setdefault(node, len(self.rows))
        if row == self._sums.shape[1] - 1:
            self._sums = np.concatenate((self._sums, np.zeros_like(self._sums)), axis=1)
        sums = self._sums[:, row]
        sums *= min(1.0, _MOST_REPORTS / max(sums[_Sum.REPORTS], 1.0))
        sums[: _Sum.UPLINKS] += 1.0, late_ms
        if uplink_ms_per_mb is not None:
            sums[_Sum.UPLINKS :] += 1.0, uplink_ms_per_mb

    def age(self, now: float) -> None:
        self._sums *= exp(-(now - self._at) / MEMORY_S)
        self._at = now

    def of(self, nodes: Sequence[str]) -> Floats:
        """The sums, for each of these nodes."""
        if self._asked is None or self._asked[0] is not nodes or self._asked[1] != len(self.rows):
            row = self.rows.get
            self._asked = nodes, len(self.rows), np.array([row(node, -1) for node in nodes], np.intp)
        return np.asarray(self._sums[:, self._asked[2]])

    def usual(self) -> tuple[float, float]:
        """What ways from here have in common: late_ms and uplink_ms_per_mb beyond the model's."""
        sums = self._sums
        return (
            _shared_mean(sums[_Sum.LATE_MS], sums[_Sum.REPORTS], 0.0),
            _shared_mean(sums[_Sum.UPLINK_MS_PER_MB], sums[_Sum.UPLINKS], 8e3 / UPLINK_MBPS),
        )


class Reports:
    """Running means; bounded, the areas least lately told of go first. The caller says what time it is."""

    def __init__(self) -> None:
        self._cells: OrderedDict[Cell, _Cell] = OrderedDict()

    def add(self, place: Location, node: str, report: Report, expected_ms: float, now: float) -> None:
        """Take a report in; a single liar or a single stall moves the means by a bounded share of a bounded figure.

        Args:
            place: where the device is, roughly.
            node: of the instance that it reports of.
            report: what it measured.
            expected_ms: the round trip that the distance lets expect.
            now: seconds of a monotonic clock.
        """
        late_ms = min(report.rtt_ms - expected_ms, _STALL_MS)
        uplink = None if report.uplink_mbps is None else 8e3 / max(report.uplink_mbps, _SLOWEST_MBPS)
        for key in _cells_around(place):
            cell = self._cells.setdefault(key, _Cell(now))
            self._cells.move_to_end(key)
            if node in cell.rows or len(cell.rows) < _MOST_NODES:
                cell.add(node, late_ms, uplink, now)
        while len(self._cells) > _MOST_CELLS:
            self._cells.popitem(last=False)

    def known(self, place: Location, nodes: Sequence[str], now: float) -> Known | None:
        """What is known of the ways from around here to these nodes; None for nothing at all."""
        cells = [self._cells.get(key) for key in _cells_around(place)]
        own, region = cells
        if region is None:
            return None
        region.age(now)
        late_ms, uplink = region.usual()
        sums = _limited(region.of(nodes), _NEIGHBOURS)
        if own is not None:
            own.age(now)
            sums += own.of(nodes)
        return Known(
            (sums[_Sum.LATE_MS] + late_ms * PRIOR_REPORTS) / (sums[_Sum.REPORTS] + PRIOR_REPORTS),
            (sums[_Sum.UPLINK_MS_PER_MB] + uplink * PRIOR_REPORTS) / (sums[_Sum.UPLINKS] + PRIOR_REPORTS),
            sums[_Sum.REPORTS],
        )


def _cells_around(place: Location) -> tuple[Cell, Cell]:
    small, large = ((size, floor(place.lat / size), floor(place.lon / size)) for size in (CELL_DEGREES, REGION_DEGREES))
    return small, large


def _limited(sums: Floats, most: float) -> Floats:
    """The same means of fewer reports."""
    counts = sums[[_Sum.REPORTS, _Sum.UPLINKS]]
    return np.asarray(sums * np.repeat(most / np.maximum(counts, most), 2, axis=0))


def _shared_mean(sums: Floats, counts: Floats, expected: float) -> float:
    """The mean over nodes, each counted once however often it was measured, drawn to what is expected."""
    known = counts > 0
    shares = counts[known] / (counts[known] + 1)
    return float((shares @ (sums[known] / counts[known]) + _PRIOR_NODES * expected) / (shares.sum() + _PRIOR_NODES))
