"""What instances have measured of their answers, from their /metrics, and what devices made of them."""

from collections import Counter
from collections.abc import Iterable, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from astraea.protocol.broker_api import RevisionSignals, calls

from ..engines import InstanceStatus
from ..errors import BrokerError
from ..health import ask_broker, read_figures
from .judging import Copies, Sample

_SERVER_ERROR = 500


class Sampler:
    """What a revision's instances answered since they were first seen.

    Args:
        client: asks them.
        instances: of one revision.
    """

    def __init__(self, client: httpx.Client, instances: Iterable[InstanceStatus]) -> None:
        self._client, self._instances = client, [instance for instance in instances if instance.url is not None]
        self._before = self._counts()

    @property
    def hears(self) -> bool:
        """Whether any of them told what it has answered, at first."""
        return bool(self._before)

    def sample(self) -> Sample:
        """The counts since then; those of an instance that doesn't answer now, or has started anew, are left out."""
        now = self._counts()
        self._before = {**now, **self._before}  # one that didn't answer at first is seen for the first time
        since = [_difference(now[name], self._before[name]) for name in now]
        return _sum(sample for sample in since if sample.requests >= 0)

    def _counts(self) -> dict[str, Sample]:
        found = {instance.id: self._count(instance) for instance in self._instances}
        return {name: sample for name, sample in found.items() if sample is not None}

    def _count(self, instance: InstanceStatus) -> Sample | None:
        try:
            return read_metrics(read_figures(self._client, instance))
        except (httpx.HTTPError, ValueError):
            return None


class Feedback:
    """What devices have told the broker of revisions since this was made.

    Args:
        client: asks it.
        broker: its URL.
        service: the service's name.
    """

    def __init__(self, client: httpx.Client, broker: str, service: str) -> None:
        self._client, self._broker, self._service = client, broker, service
        self._before = self._ask()

    def add_to(self, sample: Sample, revisions: Iterable[str]) -> Sample:
        """A sample of these revisions' instances, with what devices told of them; nothing while the broker is away."""
        now, nothing = self._ask(), RevisionSignals()
        pairs = [(now.get(revision, nothing), self._before.get(revision, nothing)) for revision in revisions]
        frames, missed = (
            sum(max(after - before, 0) for after, before in counts)  # a broker that was started anew counts from 0
            for counts in ([(a.frames, b.frames) for a, b in pairs], [(a.missed, b.missed) for a, b in pairs])
        )
        return sample._replace(frames=frames, missed=min(missed, frames))

    def _ask(self) -> dict[str, RevisionSignals]:
        try:
            return ask_broker(self._client, self._broker, calls.signals(self._service)).revisions
        except BrokerError:  # it is away, or older than this
            return {}


def read_metrics(text: str) -> Sample:
    """What an edge server has answered so far.

    Raises:
        ValueError: it is no text of Prometheus's.
    """
    requests = errors = 0
    copies: Counter[str] = Counter()
    disagreement = 0.0
    within: dict[float, int] = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name == "astraea_requests_total":
                requests += int(value)
                errors += int(value) if int(labels["status"]) >= _SERVER_ERROR else 0
            elif name == "astraea_stage_seconds_bucket" and labels["stage"] == "total":
                within[float(labels["le"])] = int(value)
            elif name == "astraea_shadowed_total":
                copies[labels["outcome"]] += int(value)
            elif name == "astraea_shadow_disagreement_sum":
                disagreement += value
    became = Copies(copies["compared"], copies["failed"], disagreement, copies["refused"])
    return Sample(requests, errors, within, copies=became)


def _difference(now: Sample, before: Sample) -> Sample:
    within = {bound: count - before.within.get(bound, 0) for bound, count in now.within.items()}
    copies = now.copies.less(before.copies)
    return Sample(now.requests - before.requests, now.errors - before.errors, within, copies=copies)


def _sum(samples: Iterable[Sample]) -> Sample:
    requests = errors = 0
    within: dict[float, int] = {}
    copies = Copies()
    for sample in samples:
        requests, errors = requests + sample.requests, errors + sample.errors
        _add(within, sample.within)
        copies = copies.plus(sample.copies)
    return Sample(requests, errors, within, copies=copies)


def _add(total: dict[float, int], more: Mapping[float, int]) -> None:
    for bound, count in more.items():
        total[bound] = total.get(bound, 0) + count
