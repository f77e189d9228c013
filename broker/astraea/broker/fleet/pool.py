"""The instances of one service, as columns of numbers.

A device's question is answered by comparing all of them. In columns that takes microseconds for hundreds, where reading
attributes of as many objects would take milliseconds; the objects are kept beside, for the few that are then told of.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Instance, Location, geography

_FIRST_ROWS = 8
_SMOOTHING = 0.3
"""Share of the newest heartbeat in an instance's load: requests under way are counted at one moment, by chance many."""
_SERVICE_RISE = 0.05
"""Share of a service time that is longer than before: under load it includes waiting, which is counted apart."""
_LATENESS = 1.25
"""How much later than told a device may ask again before its claim runs out."""
_DOUBTS = 3
_BUCKETS = 8
"""In which claims are kept, to run out one after the other."""


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
    """About the least of the medians reported lately."""
    CLAIMED = auto()
    """Requests a second of the devices that were told to use it and have not had to ask again since."""
    PRICE_PER_HOUR = auto()
    PRICE_PER_GB = auto()
    EXPIRES_AT = auto()
    DOUBTS = auto()
    """Devices that could not reach it since its last heartbeat."""


class Pool:
    """Instances in rows, in no order. Rows change when an instance is removed.

    Args:
        lease_s: how long an instance lives after a heartbeat.
        claim_s: how long a device keeps to what it was told before it asks again.
    """

    def __init__(self, lease_s: float = 10.0, claim_s: float = 10.0) -> None:
        self._lease_s = lease_s
        self.instances: list[Instance] = []
        self.rows: dict[str, int] = {}
        self._nodes: list[str] | None = None
        self._columns = np.empty((len(Column) + _BUCKETS, _FIRST_ROWS))
        self._bucket_s = claim_s * _LATENESS / (_BUCKETS - 1)  # the one that is being filled comes on top
        self._bucket = 0

    def __len__(self) -> int:
        return len(self.instances)

    def column(self, column: Column) -> NDArray[np.float64]:
        """One figure of every instance, float64, by row."""
        return self._columns[column, : len(self.instances)]

    @property
    def places(self) -> NDArray[np.float64]:
        """Points on the unit sphere, 3 x rows."""
        return self._columns[: Column.Z + 1, : len(self.instances)]

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes of the instances, by row; the same list until they change."""
        if self._nodes is None:
            self._nodes = [instance.node for instance in self.instances]
        return self._nodes

    def put(self, instance: Instance, expires_at: float) -> None:
        """Add an instance or take over what is new about it."""
        row = self.rows.get(instance.id)
        if row is None:
            self._add(instance)
        else:
            self._renew(row, instance)
        self._columns[Column.EXPIRES_AT : Column.DOUBTS + 1, self.rows[instance.id]] = expires_at, 0.0

    def reported(self) -> NDArray[np.float64]:
        """By row, the load that heartbeats certainly show: less what is likely to be chance in it.

        Requests that arrive at random are as many as their mean varies (Poisson); smoothing leaves a / (2 - a) of that.
        """
        in_flight = self.column(Column.IN_FLIGHT)
        return np.asarray(np.maximum(in_flight - np.sqrt(in_flight * _SMOOTHING / (2 - _SMOOTHING)), 0.0))

    def available(self, now: float) -> NDArray[np.bool_]:
        """By row, whether an instance can be offered: its lease holds, and it is not doubted.

        It is doubted when devices could not reach it *and* it has missed a heartbeat. Either alone is not enough:
        heartbeats come late at times, and devices could lie or be cut off themselves.
        """
        expires_at = self.column(Column.EXPIRES_AT)
        doubted = (self.column(Column.DOUBTS) >= _DOUBTS) & (expires_at < now + self._lease_s / 2)
        return np.asarray((expires_at > now) & ~doubted)

    def doubt(self, instance_ids: Iterable[str]) -> None:
        """Note that a device could not reach these."""
        for instance_id in instance_ids:
            if (row := self.rows.get(instance_id)) is not None:
                self._columns[Column.DOUBTS, row] += 1

    def remove(self, instance_id: str) -> None:
        """Forget an instance; the last one takes its row."""
        self._nodes = None
        row = self.rows.pop(instance_id)
        last = self.instances.pop()
        if last.id != instance_id:
            self.instances[row] = last
            self.rows[last.id] = row
            self._columns[:, row] = self._columns[:, len(self.instances)]

    def claim(self, instance_id: str, rate: float, now: float) -> None:
        """Expect a device's load on the instance that it was just told to use, until it has to ask again."""
        row = self.rows[instance_id]
        self.settle(now)
        self._columns[len(Column) + self._bucket % _BUCKETS, row] += rate
        self._columns[Column.CLAIMED, row] += rate

    def release(self, instance_id: str, rate: float) -> None:
        """Drop the claim of a device that asks again: of those that are left, the oldest is about its."""
        row = self.rows.get(instance_id)
        if row is None:
            return
        claims = self._columns[len(Column) :, row]
        for age in range(_BUCKETS - 1, -1, -1):
            bucket = (self._bucket - age) % _BUCKETS
            dropped = min(rate, float(claims[bucket]))
            claims[bucket] -= dropped
            rate -= dropped
            if rate <= 0:
                break
        self._columns[Column.CLAIMED, row] = claims.sum()

    def settle(self, now: float) -> None:
        """Let claims run out whose devices have asked again by now, or are gone."""
        bucket = int(now / self._bucket_s)
        if bucket == self._bucket:
            return
        for passed in range(max(self._bucket + 1, bucket - _BUCKETS + 1), bucket + 1):
            self._columns[len(Column) + passed % _BUCKETS] = 0.0
        self._bucket = bucket
        self._columns[Column.CLAIMED] = self._columns[len(Column) :].sum(axis=0)

    def _add(self, instance: Instance) -> None:
        self._nodes = None
        row = len(self.instances)
        if row == self._columns.shape[1]:
            self._columns = np.concatenate((self._columns, np.empty_like(self._columns)), axis=1)
        self.instances.append(instance)
        self.rows[instance.id] = row
        self._columns[:, row] = (
            *unit_vector(instance.location),
            instance.load.in_flight,
            instance.load.capacity,
            _known(instance.load.service_ms),
            0.0,
            instance.price.per_hour,
            instance.price.per_gb,
            0.0,
            0.0,
            *(0.0,) * _BUCKETS,
        )

    def _renew(self, row: int, instance: Instance) -> None:
        known, self.instances[row] = self.instances[row], instance
        if known.node != instance.node:
            self._nodes = None
        values = self._columns[:, row]
        in_flight, _, service_ms = values[Column.IN_FLIGHT : Column.CLAIMED].tolist()
        in_flight += _SMOOTHING * (instance.load.in_flight - in_flight)
        reported_ms = _known(instance.load.service_ms)
        if reported_ms > service_ms:
            reported_ms = service_ms + _SERVICE_RISE * (reported_ms - service_ms)
        values[Column.IN_FLIGHT : Column.CLAIMED] = in_flight, instance.load.capacity, reported_ms
        if known.location != instance.location or known.price != instance.price:
            values[: Column.IN_FLIGHT] = unit_vector(instance.location)
            values[Column.PRICE_PER_HOUR : Column.EXPIRES_AT] = instance.price.per_hour, instance.price.per_gb


def unit_vector(place: Location | None) -> tuple[float, float, float]:
    """A place as a point on the unit sphere; NaN for an unknown one."""
    return (np.nan, np.nan, np.nan) if place is None else geography.unit_vector(place)


def _known(value: float | None) -> float:
    return np.nan if value is None else value
