"""What devices make of services: bounded counts, offered to operators."""

import httpx

from astraea.broker.fleet import Signals
from astraea.protocol import Instance
from astraea.protocol.broker_api import Report, RevisionSignals


def instance(revision: str = "1", service: str = "plates") -> Instance:
    return Instance.model_validate(
        {"id": f"i-{revision}", "service": service, "revision": revision, "url": "http://127.0.0.1:1", "node": "n"}
    )


def report(frames: int, missed: int = 0) -> Report:
    return Report(instance="i-1", rtt_ms=1, frames=frames, missed=missed)


def test_frames_are_counted_by_revision() -> None:
    signals = Signals()
    for revision, told in (("1", report(10, 1)), ("1", report(5)), ("2", report(3, 9)), ("3", report(0))):
        signals.told(instance(revision), told)
    assert signals.of("plates", 0.0).revisions == {
        "1": RevisionSignals(frames=15, missed=1),
        "2": RevisionSignals(frames=3, missed=3),
    }


def test_it_is_known_when_a_service_was_last_asked_for() -> None:
    signals = Signals()
    assert signals.of("plates", 100.0).asked_s is None
    signals.asked("plates", 100.0)
    assert signals.of("plates", 130.0).asked_s == 30.0


def test_what_is_kept_is_bounded() -> None:
    signals = Signals()
    for number in range(10_001):
        signals.asked(f"s-{number}", 0.0)
    for number in range(65):
        signals.told(instance(f"r-{number}"), report(1))
    assert signals.of("s-0", 1.0).asked_s is None
    assert signals.of("s-10000", 1.0).asked_s == 1.0
    revisions = signals.of("plates", 1.0).revisions
    assert "r-0" not in revisions
    assert len(revisions) == 64


def test_devices_tell_and_operators_look(api: httpx.Client) -> None:
    api.put("/v1/instances/i-1", content=instance(service="signals").model_dump_json()).raise_for_status()
    told = {"reports": [{"instance": "i-1", "rtt_ms": 3.0, "frames": 7, "missed": 2}]}
    assert api.post("/v1/reports", json=told).json() == {"known": 1}
    assert api.get("/v1/services/signals/signals").json() == {
        "asked_s": None,
        "revisions": {"1": {"frames": 7, "missed": 2}},
    }
    assert api.get("/v1/services/nobody-has-it/candidates").status_code == 404
    assert api.get("/v1/services/nobody-has-it/signals").json()["asked_s"] is not None
