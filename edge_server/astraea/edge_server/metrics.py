"""What Prometheus may scrape, and what the heartbeats tell the broker."""

from collections import deque
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, Summary

from astraea.protocol import Instance, Load

from .pool import WorkerPool
from .stages import Stages

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
_PENDING = 256
_RECENT = 101  # answers behind `service_ms`: long enough for a steady median, short enough to follow a change


class Metrics:
    """One service's figures, in a registry of their own."""

    def __init__(self, pool: WorkerPool, instance: Instance) -> None:
        self.registry = CollectorRegistry()
        self._pool = pool
        self._recent_ms: deque[float] = deque(maxlen=_RECENT)
        self._pending: list[Stages] = []
        """Of answers that `settle` hasn't counted yet."""
        self._what = {"service": instance.service, "instance": instance.id}
        self._info = Info("astraea_service", "What is served.", registry=self.registry)
        self.serves(instance.revision)
        self._upgrades = Counter(
            "astraea_upgrades",
            "Loads of another version, by outcome: done, failed.",
            ("outcome",),
            registry=self.registry,
        )
        self._requests = Counter(
            "astraea_requests",
            "Requests for an answer, by the status of the reply.",
            ("status",),
            registry=self.registry,
        )
        stages = Histogram(
            "astraea_stage_seconds",
            "Time that answers took, by stage; `total` is from a request's last byte to its reply.",
            ("stage",),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        # Looking a child up by its labels costs more than observing it.
        self._stages = [stages.labels(field.removesuffix("_ms")) for field in Stages._fields]
        self._refusals = Counter(
            "astraea_refusals",
            "Requests not worked on, by reason: capacity, deadline, superseded, client_gone, not_ready.",
            ("reason",),
            registry=self.registry,
        )
        self._batches = Histogram(
            "astraea_batch_size",
            "Inputs that were computed in one call.",
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self._work = Counter(
            "astraea_work_seconds", "Time that workers were at work, of all together.", registry=self.registry
        )
        self._worked_s = 0.0
        """Of it, what the counter has."""
        capacity = Gauge("astraea_capacity", "Workers: requests, or batches, at once.", registry=self.registry)
        capacity.set_function(lambda: pool.capacity)
        in_flight = Gauge("astraea_in_flight", "Requests taken on and not answered.", registry=self.registry)
        in_flight.set_function(lambda: pool.in_flight)
        queued = Gauge("astraea_queued", "Requests that wait for a worker.", registry=self.registry)
        queued.set_function(lambda: pool.queued)
        self.streams = Gauge(
            "astraea_streams",
            "Sessions of streams that are open, by what carries them.",
            ("transport",),
            registry=self.registry,
        )
        """Counted by the sessions themselves."""
        self._shadowed = Counter(
            "astraea_shadowed",
            "Copies of requests for another revision, by outcome: compared, failed, refused, unreachable, dropped.",
            ("revision", "outcome"),
            registry=self.registry,
        )
        self._disagreement = Summary(
            "astraea_shadow_disagreement",
            "How much that revision's answers to copies differ from the ones given here: from 0 to 1 each.",
            ("revision",),
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def serves(self, revision: str) -> None:
        """Tell which revision answers."""
        self._info.info(self._what | {"revision": revision})

    def upgraded(self, *, done: bool) -> None:
        """Count a load of another version."""
        self._upgrades.labels("done" if done else "failed").inc()

    def answered(self, stages: Stages) -> None:
        """Count a request that got its answer."""
        self._pending.append(stages)
        if len(self._pending) == _PENDING:
            self.settle()

    def refused(self, status: int, reason: str | None = None) -> None:
        """Count a request that got a problem document; `reason` if it wasn't worked on."""
        self._requests.labels(str(status)).inc()
        if reason is not None:
            self._refusals.labels(reason).inc()

    def batched(self, size: int) -> None:
        """Count a batch; any thread may."""
        self._batches.observe(size)

    def shadowed(self, revision: str, outcome: str, disagreement: float | None = None) -> None:
        """Count a copy of a request that was meant for another revision; any thread may.

        Args:
            revision: Which.
            outcome: What became of it.
            disagreement: How much the answers differ, if both are there.
        """
        self._shadowed.labels(revision, outcome).inc()
        if disagreement is not None:
            self._disagreement.labels(revision).observe(disagreement)

    def settle(self) -> None:
        """Bring the figures up to date, before anyone reads them: many answers in one go cost a tenth of each alone."""
        worked_s = self._pool.worked_s
        self._work.inc(worked_s - self._worked_s)
        self._worked_s = worked_s
        self._requests.labels("200").inc(len(self._pending))
        for stages in self._pending:
            self._recent_ms.append(stages.total_ms)
            for stage, value in zip(self._stages, stages, strict=True):
                stage.observe(value / 1e3)
        self._pending.clear()

    def load(self) -> Load:
        """How busy the instance is now."""
        self.settle()
        service_ms = median(self._recent_ms) if self._recent_ms else None
        return Load(in_flight=self._pool.in_flight, capacity=self._pool.capacity, service_ms=service_ms)
