"""What Prometheus may scrape: requests by route, live instances by service, leases that ran out."""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """The broker's figures, in a registry of their own; `live` counts live instances by service when scraped."""

    def __init__(self, live: Callable[[], Mapping[str, int]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_LiveInstances(live))
        self.expired = Counter(
            "astraea_broker_leases_expired",
            "Leases that ran out without the instance signing off.",
            registry=self.registry,
        )
        self.requests = Histogram(
            "astraea_broker_request_seconds",
            "Time from a request's head to the head of its answer.",
            ("method", "route", "status"),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )


class _LiveInstances(Collector):
    """Asks when scraped, so that a service without instances leaves no stale figure behind."""

    def __init__(self, live: Callable[[], Mapping[str, int]]) -> None:
        self._live = live

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("astraea_broker_live_instances", "Instances that hold a lease.", labels=("service",))
        for service, count in self._live().items():
            family.add_metric((service,), count)
        yield family


class CountRequests:
    """ASGI middleware: observes each request under its route's template, so that ids make no labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch for the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                labels = self._requests.labels(scope["method"], route, message["status"])
                labels.observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, observe)
