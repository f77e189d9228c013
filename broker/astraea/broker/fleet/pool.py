"""The instances of one service, as columns of numbers.

A device's question is answered by comparing all of them. In columns that takes microseconds for hundreds, where reading
attributes of as many objects would take milliseconds; the objects are kept beside, for the few that are then told of.
"""

from enum import IntEnum, auto
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Instance, Load, Location

_FIRST_ROWS = 8
_SMOOTHING = 0.5
"""Share of the newest heartbeat in an instance's load: requests under way are counted at one moment, by chance many."""


class Column(IntEnum):
    """What is known of each instance; NaN where it isn't."""

    X = 0
    """With Y and Z the place as a point on the unit sphere."""
    Y = auto()
    Z = auto()
    IN_FLIGHT = auto()
    """Smoothed over heartbeats."""
    CAPACITY = auto()
    SERVICE_MS = auto()
    OFFERED = auto()
    """Requests at once that devices offered this instance since its last heartbeat will bring."""
    OFFERED_BEFORE = auto()
    """The same between the last two heartbeats: the load that was reported may not show all of them yet."""
    PRICE_PER_HOUR = auto()
    PRICE_PER_GB = auto()
    EXPIRES_AT = auto()


class Pool:
    """Instances in rows, in no order. Rows change when an instance is removed."""

    def __init__(self) -> None:
        self.instances: list[Instance] = []
        self.rows: dict[str, int] = {}
        self._columns = np.empty((len(Column), _FIRST_ROWS))

    def __len__(self) -> int:
        return len(self.instances)

    def column(self, column: Column) -> NDArray[np.float64]:
        """One figure of every instance, float64, by row."""
        return self._columns[column, : len(self.instances)]

    @property
    def places(self) -> NDArray[np.float64]:
        """Points on the unit sphere, 3 x rows."""
        return self._columns[: Column.Z + 1, : len(self.instances)]

    def put(self, instance: Instance, expires_at: float) -> None:
        """Add an instance or take over what is new about it."""
        row = self.rows.get(instance.id)
        if row is None:
            self._add(instance)
        else:
            self._renew(row, instance)
        self._columns[Column.EXPIRES_AT, self.rows[instance.id]] = expires_at

    def remove(self, instance_id: str) -> None:
        """Forget an instance; the last one takes its row."""
        row = self.rows.pop(instance_id)
        last = self.instances.pop()
        if last.id != instance_id:
            self.instances[row] = last
            self.rows[last.id] = row
            self._columns[:, row] = self._columns[:, len(self.instances)]

    def offer(self, instance_id: str, requests_at_once: float) -> None:
        """Expect a device's load on an instance that it was just told to use."""
        self._columns[Column.OFFERED, self.rows[instance_id]] += requests_at_once

    def _add(self, instance: Instance) -> None:
        row = len(self.instances)
        if row == self._columns.shape[1]:
            self._columns = np.concatenate((self._columns, np.empty_like(self._columns)), axis=1)
        self.instances.append(instance)
        self.rows[instance.id] = row
        self._columns[:, row] = (
            *unit_vector(instance.location),
            instance.load.in_flight,
            *_pace(instance.load),
            0.0,
            0.0,
            instance.price.per_hour,
            instance.price.per_gb,
            0.0,
        )

    def _renew(self, row: int, instance: Instance) -> None:
        known, self.instances[row] = self.instances[row], instance
        values = self._columns[:, row]
        in_flight, _, _, offered = values[Column.IN_FLIGHT : Column.OFFERED + 1].tolist()
        in_flight += _SMOOTHING * (instance.load.in_flight - in_flight)
        values[Column.IN_FLIGHT : Column.PRICE_PER_HOUR] = (in_flight, *_pace(instance.load), 0.0, offered)
        if known.location != instance.location or known.price != instance.price:
            values[: Column.IN_FLIGHT] = unit_vector(instance.location)
            values[Column.PRICE_PER_HOUR : Column.EXPIRES_AT] = instance.price.per_hour, instance.price.per_gb


def unit_vector(place: Location | None) -> tuple[float, float, float]:
    """A place as a point on the unit sphere; NaN for an unknown one."""
    if place is None:
        return (np.nan, np.nan, np.nan)
    lat, lon = radians(place.lat), radians(place.lon)
    return (cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat))


def _pace(load: Load) -> tuple[float, float]:
    return load.capacity, np.nan if load.service_ms is None else load.service_ms
