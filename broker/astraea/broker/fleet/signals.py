"""What devices make of services: when they last asked for one, and what became of the frames that they sent.

Counted since this broker started, and by it alone: brokers that share a store each know what they were told.
"""

from collections import OrderedDict

from astraea.protocol import Instance
from astraea.protocol.broker_api import Report, RevisionSignals, ServiceSignals

_MOST_SERVICES = 10_000
_MOST_REVISIONS = 64


class _Service:
    def __init__(self) -> None:
        self.asked_at: float | None = None
        self.revisions: OrderedDict[str, RevisionSignals] = OrderedDict()


class Signals:
    """Counts per service; bounded, the least lately heard of go first. The caller says what time it is."""

    def __init__(self) -> None:
        self._services: OrderedDict[str, _Service] = OrderedDict()

    def asked(self, service: str, now: float) -> None:
        """A device wants the service, whether or not there is anyone to offer it."""
        self._entry(service).asked_at = now

    def told(self, instance: Instance, report: Report) -> None:
        """A device tells what became of its frames at an instance."""
        if not report.frames:
            return
        revisions = self._entry(instance.service).revisions
        before = revisions.pop(instance.revision, RevisionSignals())
        revisions[instance.revision] = RevisionSignals(
            frames=before.frames + report.frames, missed=before.missed + min(report.missed, report.frames)
        )
        if len(revisions) > _MOST_REVISIONS:
            revisions.popitem(last=False)

    def of(self, service: str, now: float) -> ServiceSignals:
        """What is known of a service."""
        found = self._services.get(service) or _Service()
        asked_s = None if found.asked_at is None else max(now - found.asked_at, 0.0)
        return ServiceSignals(asked_s=asked_s, revisions=dict(found.revisions))

    def _entry(self, service: str) -> _Service:
        entry = self._services.get(service)
        if entry is None:
            entry = self._services[service] = _Service()
            if len(self._services) > _MOST_SERVICES:
                self._services.popitem(last=False)
        else:
            self._services.move_to_end(service)
        return entry
