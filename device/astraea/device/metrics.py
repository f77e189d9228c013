"""A client's figures for Prometheus, where an operator of devices wants them."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from astraea.protocol import MissingExtraError, Result

from .client import OffloadClient
from .errors import DeviceError
from .events import Event, FrameAnswered, FrameDropped, TargetSwitched
from .snapshot import Snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric

DEFAULT_PORT = 9464
_BUCKETS_S = (0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.33, 0.5, 1, 2, 5, 10)
"""From frame times of fast cameras to what a small board takes for a large model."""
_NOBODY = "none"


class MetricsEndpoint:
    """Serves `GET /metrics` for one client, for as long as the context lasts.

    Args:
        client: the client.
        port: 0 for any that is free; `port` tells which.
        host: the address to listen at; nothing beyond this machine unless you say so, for nobody is asked who he is.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """

    def __init__(self, client: OffloadClient, port: int = DEFAULT_PORT, host: str = "127.0.0.1") -> None:
        try:
            import prometheus_client  # noqa: PLC0415 - few devices have it
        except ModuleNotFoundError:
            raise MissingExtraError(
                "metrics need the package 'prometheus-client', which is not installed",
                hint="pip install 'astraea[metrics]'",
            ) from None
        self.port = port
        self._client = client
        self._host = host
        self._serve = prometheus_client.start_http_server
        self._registry = registry = prometheus_client.CollectorRegistry()
        counter, histogram = prometheus_client.Counter, prometheus_client.Histogram
        self._age = histogram(
            "astraea_device_age_seconds",
            "From a frame's capture to its answer.",
            ["tier"],
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._frames = counter(
            "astraea_device_frames", "Frames by who answered them; none when nobody could.", ["tier"], registry=registry
        )
        self._fallbacks = counter(
            "astraea_device_fallbacks", "Frames that another target answered than the one chosen.", registry=registry
        )
        self._hedges = counter(
            "astraea_device_hedges", "Frames that another target began on as well.", registry=registry
        )
        self._misses = counter(
            "astraea_device_deadline_misses", "Frames answered after their deadline.", registry=registry
        )
        self._sent = counter("astraea_device_sent_bytes", "Bytes of frames sent.", registry=registry)
        self._dropped = counter(
            "astraea_device_dropped_frames", "Frames that gave way to newer ones.", registry=registry
        )
        self._switches = counter(
            "astraea_device_switches", "Decisions for another target than before.", registry=registry
        )
        registry.register(_Beliefs(client))
        client.listen(self._hear)

    def __enter__(self) -> Self:
        """Begin to serve.

        Raises:
            DeviceError: the address can't be listened at.
        """
        try:
            self._server, self._thread = self._serve(self.port, self._host, self._registry)
        except OSError as error:
            raise DeviceError(f"metrics can't be served at {self._host}:{self.port}: {error.strerror}") from None
        self.port = self._server.server_port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _hear(self, event: Event) -> None:
        match event:
            case FrameAnswered(result):
                self._count(result)
            case FrameDropped():
                self._dropped.inc()
            case TargetSwitched(before) if before is not None:
                self._switches.inc()

    def _count(self, result: Result) -> None:
        tier = result.tier or _NOBODY
        self._frames.labels(tier).inc()
        self._sent.inc(result.bytes_sent)
        self._fallbacks.inc(result.fallback is not None)
        self._hedges.inc(result.hedged)
        self._misses.inc(result.deadline_met is False)
        if result.answered:
            self._age.labels(tier).observe(result.age_ms / 1000)


class _Beliefs:
    """What the client believes at the moment of the scrape."""

    def __init__(self, client: OffloadClient) -> None:
        self._client = client

    def collect(self) -> "Iterator[Metric]":
        """See prometheus_client's custom collectors."""
        try:
            snapshot = self._client.snapshot()
        except DeviceError:  # the client is not open
            return
        yield from _gauges(snapshot)


def _gauges(snapshot: Snapshot) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see MetricsEndpoint

    in_flight = GaugeMetricFamily("astraea_device_in_flight_frames", "Frames taken and not answered yet.")
    in_flight.add_metric([], snapshot.in_flight)
    yield in_flight
    families = {
        "predicted_ms": ("astraea_device_predicted_seconds", "What the next frame would take there.", 1e-3),
        "rtt_ms": ("astraea_device_rtt_seconds", "Round trip time to a target.", 1e-3),
        "uplink_mbps": ("astraea_device_uplink_bits_per_second", "Bandwidth towards a target.", 1e6),
        "usable": ("astraea_device_target_usable", "Whether a frame could go there.", 1.0),
    }
    for field, (name, text, unit) in families.items():
        family = GaugeMetricFamily(name, text, labels=["target", "tier"])
        for target in snapshot.targets:
            if (value := getattr(target, field)) is not None:
                family.add_metric([target.name, target.tier], value * unit)
        yield family
