"""What a client tells of itself: events as they happen, and a snapshot at any moment."""

import json
import logging
import time
from collections.abc import Callable

import numpy as np
import pytest

from astraea.device import (
    CandidatesChanged,
    Event,
    FrameAnswered,
    OffloadClient,
    TargetBack,
    TargetLost,
    TargetSwitched,
    UnreachableError,
)
from astraea.device.events import Events

from .test_client import ANSWER, Edge, SlowDetector, fail_with

IMAGE = np.zeros((48, 64, 3), np.uint8)


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def infer_until(client: OffloadClient, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        client.infer(IMAGE)


def test_an_outage_is_told_as_it_begins_and_ends() -> None:
    edge, events = Edge(), list[Event]()
    with OffloadClient(
        "s", local=SlowDetector(0.1), edges=["http://edge"], transport=lambda _: edge, on_event=events.append
    ) as client:
        client.infer(IMAGE)
        assert kinds(events) == [CandidatesChanged, TargetSwitched, FrameAnswered]
        edge.behaviour, edge.probes_pass = fail_with(UnreachableError("cable cut")), False
        client.infer(IMAGE)
        assert TargetLost("http://edge", "cable cut") in events
        edge.behaviour, edge.probes_pass = (lambda: ANSWER), True
        infer_until(client, lambda: TargetBack("http://edge") in events)
        infer_until(client, lambda: isinstance(events[-1], FrameAnswered) and events[-1].result.tier == "edge")
    switches = [event.after for event in events if isinstance(event, TargetSwitched)]
    assert switches == ["http://edge", "local", "http://edge"]


def test_every_event_can_be_said_in_json() -> None:
    events: list[Event] = []
    with OffloadClient("s", local=SlowDetector(0), broker="http://127.0.0.1:9", on_event=events.append) as client:
        client.infer(IMAGE)
    documents = [json.loads(json.dumps(event.to_dict())) for event in events]
    assert [document["event"] for document in documents] == ["BrokerLost", "TargetSwitched", "FrameAnswered"]
    assert documents[-1]["tier"] == "device"


def test_a_listener_that_fails_costs_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    def listener(event: Event) -> None:
        raise ValueError("bug")

    with OffloadClient("s", local=SlowDetector(0), broker="http://127.0.0.1:9", on_event=listener) as client:
        assert client.infer(IMAGE).answered
    assert "a listener failed" in caplog.text


def test_log_records_carry_the_event(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "astraea.device"):
        Events().emit(TargetLost("edge-1", "refused"))
    assert vars(caplog.records[0])["event"] == {"event": "TargetLost", "target": "edge-1", "reason": "refused"}


def test_a_snapshot_says_what_is_believed_of_every_target() -> None:
    edge = Edge()
    with OffloadClient("s", local=SlowDetector(0.1), edges=["http://edge"], transport=lambda _: edge) as client:
        client.infer(IMAGE)
        snapshot = client.snapshot()
    local, remote = snapshot.targets
    assert (local.tier, local.usable, local.in_use) == ("device", True, False)
    assert (remote.name, remote.tier, remote.usable, remote.in_use) == ("http://edge", "edge", True, True)
    assert remote.predicted_ms is not None
    assert local.predicted_ms is not None
    assert remote.predicted_ms < local.predicted_ms
    assert remote.rtt_ms is not None
    assert remote.uplink_mbps is not None
    assert (snapshot.answered, snapshot.unanswered, snapshot.in_flight) == (1, 0, 0)
    assert json.loads(json.dumps(snapshot.to_dict()))["targets"][1]["url"] == "http://edge"


def test_a_snapshot_of_an_unreachable_broker_says_why() -> None:
    with OffloadClient("s", local=SlowDetector(0), broker="http://127.0.0.1:9") as client:
        assert "can't be reached" in (client.snapshot().broker_failure or "")
