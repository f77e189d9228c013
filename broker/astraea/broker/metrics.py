"""What Prometheus may scrape: requests by route, how services do, leases that ran out, the store."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServiceFigures(NamedTuple):
    """How a service's live instances do together."""

    instances: int
    in_flight: float
    capacity: float
    service_ms: float | None
    """The median; None before anything was answered."""


class Metrics:
    """The broker's figures, in a registry of their own.

    Args:
        services: asked for every service's figures when scraped.
        failing: asked whether the store fails.
    """

    def __init__(self, services: Callable[[], Mapping[str, ServiceFigures]], failing: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Services(services))
        self.expired = Counter(
            "astraea_broker_leases_expired",
            "Leases that ran out without the instance signing off.",
            registry=self.registry,
        )
        self.told = Counter(
            "astraea_broker_told",
            "Answers with candidates, by the revision of the best.",
            ("service", "revision"),
            registry=self.registry,
        )
        self.requests = Histogram(
            "astraea_broker_request_seconds",
            "Time from a request's head to the head of its answer.",
            ("method", "route", "status"),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )
        store = Gauge("astraea_broker_store_failing", "1 while the store can't be used.", registry=self.registry)
        store.set_function(failing)


class _Services(Collector):
    """Asks when scraped, so that a service without instances leaves no stale figure behind."""

    def __init__(self, services: Callable[[], Mapping[str, ServiceFigures]]) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        services = self._services()
        told: tuple[tuple[str, str, Callable[[ServiceFigures], float | None]], ...] = (
            ("live_instances", "Instances that hold a lease.", lambda figures: figures.instances),
            ("in_flight", "Requests under way, as heartbeats tell.", lambda figures: figures.in_flight),
            ("capacity", "Requests that can be worked on at once.", lambda figures: figures.capacity),
            ("service_seconds", "The median time of instances for a request.", _seconds),
        )
        for name, meaning, figure in told:
            family = GaugeMetricFamily(f"astraea_broker_{name}", meaning, labels=("service",))
            for service, figures in services.items():
                if (value := figure(figures)) is not None:
                    family.add_metric((service,), value)
            yield family


def _seconds(figures: ServiceFigures) -> float | None:
    return None if figures.service_ms is None else figures.service_ms / 1e3


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
