"""How much a service's instances have to do, from their /metrics."""

from collections.abc import Iterable
from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ..engines import InstanceStatus
from ..health import read_figures
from .autoscaling import Usage


class Work(NamedTuple):
    """What an instance has done since it started."""

    worked_s: float
    """Of all its workers."""
    waited_s: float
    """Of all its answers, for a worker."""
    took_s: float
    """All its answers, from request to reply."""
    capacity: float


class Meter:
    """Measures the instances of one service.

    Args:
        client: asks them.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._at: float | None = None
        self._before: dict[str, Work] = {}

    def measure(self, instances: Iterable[InstanceStatus], now: float) -> Usage | None:
        """What was done since the last call, by those that were there then; None if none was.

        Args:
            instances: those that are ready.
            now: monotonic seconds.
        """
        found = {one.id: work for one in instances if (work := self._ask(one)) is not None}
        pairs = [(self._before[name], work) for name, work in found.items() if name in self._before]
        pairs = [(before, work) for before, work in pairs if work.took_s >= before.took_s]  # else it started anew
        span_s = now - self._at if self._at is not None else 0.0
        self._before, self._at = found, now
        if not pairs or span_s <= 0:
            return None
        waited_s = sum(work.waited_s - before.waited_s for before, work in pairs)
        took_s = sum(work.took_s - before.took_s for before, work in pairs)
        return Usage(
            at=now,
            instances=len(pairs),
            busy=sum(work.worked_s - before.worked_s for before, work in pairs) / span_s,
            capacity=sum(work.capacity for _, work in pairs) / len(pairs),
            wait=waited_s / (took_s - waited_s) if took_s > waited_s else 0.0,
        )

    def _ask(self, instance: InstanceStatus) -> Work | None:
        try:
            return read_work(read_figures(self._client, instance)) if instance.url else None
        except (httpx.HTTPError, ValueError):
            return None


def read_work(text: str) -> Work:
    """What an edge server tells of its workers.

    Raises:
        ValueError: it is no text of Prometheus's.
    """
    found = {"astraea_work_seconds_total": 0.0, "astraea_capacity": 1.0, "queue": 0.0, "total": 0.0}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            key = labels.get("stage", "") if name == "astraea_stage_seconds_sum" else name
            if key in found:
                found[key] = value
    work, capacity, queue, total = found.values()
    return Work(worked_s=work, waited_s=queue, took_s=total, capacity=max(capacity, 1.0))
