"""What Prometheus gets of a client."""

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from astraea.device import DeviceError, MetricsEndpoint, OffloadClient, UnreachableError

from .test_client import Edge, SlowDetector, fail_with

IMAGE = np.zeros((48, 64, 3), np.uint8)


def scrape(port: int) -> dict[tuple[str, str], float]:
    """Values by name and first label."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_frames_fallbacks_and_beliefs_are_served() -> None:
    edge = Edge()
    edge.delay_s = 0.02
    with (
        OffloadClient("s", local=SlowDetector(0.1), edges=["http://edge"], transport=lambda _: edge) as client,
        MetricsEndpoint(client, port=0) as endpoint,
    ):
        sent = client.infer(IMAGE).bytes_sent
        edge.behaviour, edge.probes_pass = fail_with(UnreachableError("gone")), False
        client.infer(IMAGE)
        values = scrape(endpoint.port)
    assert values["astraea_device_frames_total", "edge"] == 1
    assert values["astraea_device_frames_total", "device"] == 1
    assert values["astraea_device_fallbacks_total", ""] == 1
    assert values["astraea_device_sent_bytes_total", ""] == sent
    assert values["astraea_device_age_seconds_count", "edge"] == 1
    assert values["astraea_device_in_flight_frames", ""] == 0
    assert values["astraea_device_target_usable", "local"] == 1
    assert values["astraea_device_rtt_seconds", "http://edge"] > 0
    assert values["astraea_device_uplink_bits_per_second", "http://edge"] > 0


def test_frames_that_nobody_answered_are_counted_as_such() -> None:
    with (
        OffloadClient("s", broker="http://127.0.0.1:9") as client,
        MetricsEndpoint(client, port=0) as endpoint,
    ):
        client.infer(IMAGE)
        values = scrape(endpoint.port)
    assert values["astraea_device_frames_total", "none"] == 1


def test_a_port_in_use_is_an_error_that_says_so() -> None:
    with (
        OffloadClient("s", broker="http://127.0.0.1:9") as client,
        MetricsEndpoint(client, port=0) as endpoint,
        pytest.raises(DeviceError, match=rf"127.0.0.1:{endpoint.port}: Address already in use"),
        MetricsEndpoint(client, port=endpoint.port),
    ):
        pass
