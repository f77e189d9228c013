"""What Prometheus may scrape, and what the heartbeats tell the broker."""

from collections import deque
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from astraea.protocol import Instance, Load, ServerTiming

from .pool import WorkerPool

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECENT = 101  # answers behind `service_ms`: long enough for a steady median, short enough to follow a change


class Metrics:
    """One service's figures, in a registry of their own."""

    def __init__(self, pool: WorkerPool, instance: Instance) -> None:
        self.registry = CollectorRegistry()
        self._pool = pool
        self._recent_ms: deque[float] = deque(maxlen=_RECENT)
        Info("astraea_service", "What is served.", registry=self.registry).info(
            {"service": instance.service, "revision": instance.revision, "instance": instance.id}
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
        self._stages = [(field, stages.labels(field.removesuffix("_ms"))) for field in ServerTiming.model_fields]
        self._answered = self._requests.labels("200")
        in_flight = Gauge("astraea_in_flight", "Requests taken on and not answered.", registry=self.registry)
        in_flight.set_function(lambda: pool.in_flight)
        queued = Gauge("astraea_queued", "Requests that wait for a worker.", registry=self.registry)
        queued.set_function(lambda: pool.queued)
        ProcessCollector(registry=self.registry)

    def answered(self, timing: ServerTiming) -> None:
        """Count a request that got its answer."""
        self._answered.inc()
        self._recent_ms.append(timing.total_ms)
        for field, stage in self._stages:
            stage.observe(getattr(timing, field) / 1e3)

    def refused(self, status: int) -> None:
        """Count a request that got a problem document."""
        self._requests.labels(str(status)).inc()

    def load(self) -> Load:
        """How busy the instance is now."""
        service_ms = median(self._recent_ms) if self._recent_ms else None
        return Load(in_flight=self._pool.in_flight, capacity=self._pool.capacity, service_ms=service_ms)
