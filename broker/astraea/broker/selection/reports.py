"""What devices measured, for those that ask from the same area later.

A report says from about where, to which node, how long the round trip took and how fast the uplink was. Kept is one
running estimate for each pair of cell and node, and nothing of the device: its place is rounded to a cell first.
"""

from collections import OrderedDict
from math import exp, floor
from typing import NamedTuple

from astraea.protocol import Location
from astraea.protocol.broker_api import Report

CELL_DEGREES = 0.5
"""About 55 km: an area with networks of its own, and hundreds of thousands of people in it."""
PRIOR_REPORTS = 3.0
"""For so many reports the model of the distance counts as much as they do."""
MEMORY_S = 1800.0
"""Reports count for less with age: after this long for 1/e."""
_MOST_REPORTS = 50.0
_MOST_PAIRS = 200_000
_MOST_NODES_OF_A_CELL = 256

Cell = tuple[int, int]


class Estimate(NamedTuple):
    """From a cell to a node."""

    rtt_ms: float
    uplink_mbps: float | None
    weight: float
    """In reports, when it was made."""
    at: float


class Reports:
    """Running estimates; bounded, the least lately told of go first. The caller says what time it is."""

    def __init__(self) -> None:
        self._cells: OrderedDict[Cell, OrderedDict[str, Estimate]] = OrderedDict()
        self._pairs = 0

    def add(self, place: Location, node: str, report: Report, now: float) -> None:
        """Take a report in; one that is far off moves the estimate by a bounded share, as any other does."""
        cell = cell_of(place)
        nodes = self._cells.setdefault(cell, OrderedDict())
        self._cells.move_to_end(cell)
        known = nodes.pop(node, None)
        self._pairs += known is None
        nodes[node] = _merged(known, report, now)
        self._bound(nodes)

    def weighed(self, place: Location, now: float) -> dict[str, tuple[float, float]]:
        """For the nodes measured from around here: the round trip in ms, and its weight in reports by now."""
        nodes = self._cells.get(cell_of(place)) or OrderedDict[str, Estimate]()
        return {node: (known.rtt_ms, _aged(known, now)) for node, known in nodes.items()}

    def _bound(self, nodes: OrderedDict[str, Estimate]) -> None:
        if len(nodes) > _MOST_NODES_OF_A_CELL:
            nodes.popitem(last=False)
            self._pairs -= 1
        while self._pairs > _MOST_PAIRS:
            _, dropped = self._cells.popitem(last=False)
            self._pairs -= len(dropped)


def cell_of(place: Location) -> Cell:
    """The area that a place is in."""
    return floor(place.lat / CELL_DEGREES), floor(place.lon / CELL_DEGREES)


def _aged(known: Estimate, now: float) -> float:
    return known.weight * exp(-(now - known.at) / MEMORY_S)


def _merged(known: Estimate | None, report: Report, now: float) -> Estimate:
    if known is None:
        return Estimate(report.rtt_ms, report.uplink_mbps, 1.0, now)
    weight = min(_aged(known, now), _MOST_REPORTS)
    share = 1 / (weight + 1)
    # A single liar or a single stall can at most double what is known, by its share.
    rtt_ms = known.rtt_ms + share * (min(report.rtt_ms, 4 * known.rtt_ms) - known.rtt_ms)
    uplink = known.uplink_mbps
    if report.uplink_mbps is not None:
        uplink = report.uplink_mbps if uplink is None else uplink + share * (report.uplink_mbps - uplink)
    return Estimate(rtt_ms, uplink, weight + 1, now)
