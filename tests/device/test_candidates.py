"""Which instances a device knows: asked of the broker, kept through its outages, replaced when others are told."""

import json
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from astraea.device import (
    BrokerBack,
    BrokerError,
    CandidatesChanged,
    DeviceError,
    Event,
    OffloadClient,
    UnreachableError,
)
from astraea.device.candidates import Measured
from astraea.device.candidates.broker import BrokerClient
from astraea.device.profile import Price
from astraea.device.transports import Credential
from astraea.protocol import Candidate, Candidates, Instance, Location

from .conftest import HttpReply, Peer, wait_until
from .test_client import Edge, fail_with

IMAGE = np.zeros((48, 64, 3), np.uint8)


def told(*names: str, ttl_s: float = 60) -> HttpReply:
    instances = [
        Instance.model_validate({"id": name, "service": "s", "revision": "1", "node": "n", "url": f"http://{name}:1"})
        for name in names
    ]
    ranked = tuple(Candidate(instance=instance, score_ms=1) for instance in instances)
    return HttpReply(body=Candidates(service="s", candidates=ranked, ttl_s=ttl_s).model_dump_json().encode())


async def ask(peer: Peer, location: Location | None = None, current: str | None = None) -> list[str]:
    client = BrokerClient(peer.url, "s", location)
    try:
        return [target.name for target in (await client.candidates(current)).targets]
    finally:
        await client.close()


def question(peer: Peer) -> dict[str, list[str]]:
    return parse_qs(urlsplit(peer.requests[-1][1]).query)


async def test_the_broker_is_asked_for_the_service_near_the_device(peer: Peer) -> None:
    peer.reply = told("a", "b", "c", "d")
    assert await ask(peer, Location(lat=30.25, lon=120.17), "b") == ["a", "b", "c"]
    assert peer.requests[0][1].startswith("/v1/services/s/candidates?")
    asked = question(peer)
    assert len(asked.pop("device")[0]) == 16
    assert asked == {"limit": ["3"], "lat": ["30.25"], "lon": ["120.17"], "current": ["b"]}


async def test_a_service_that_the_broker_does_not_know_has_no_candidates(peer: Peer) -> None:
    peer.reply = HttpReply(status=404)
    assert await ask(peer) == []


@pytest.mark.parametrize("reply", [HttpReply(500), HttpReply(200, b"{}"), HttpReply(200, b"\xff")])
async def test_a_broker_that_makes_no_sense_is_an_error(peer: Peer, reply: HttpReply) -> None:
    peer.reply = reply
    with pytest.raises(BrokerError):
        await ask(peer)


def client_of(peer: Peer, edges: dict[str, Edge], events: list[Event]) -> OffloadClient:
    return OffloadClient(
        "s",
        broker=peer.url,
        location=(30, 120),
        transport=lambda url: edges.setdefault(urlsplit(url).hostname or "", Edge()),
        on_event=events.append,
    )


def test_candidates_are_asked_for_again_when_the_answer_expires(peer: Peer) -> None:
    events: list[Event] = []
    peer.reply = told("a", ttl_s=1)
    with client_of(peer, {}, events) as client:
        assert client.infer(IMAGE).answered
        peer.reply = told("b", ttl_s=1)
        wait_until(lambda: CandidatesChanged(("b",)) in events)
        assert [target.name for target in client.snapshot().targets] == ["b"]
        assert client.infer(IMAGE).answered


def test_candidates_are_asked_for_at_once_when_one_is_lost(peer: Peer) -> None:
    edges, events = dict[str, Edge](), list[Event]()
    peer.reply = told("a", "b")
    with client_of(peer, edges, events) as client:
        asked = len(peer.requests)
        peer.reply = told("b", "c")
        edges["a"].behaviour, edges["a"].probes_pass = fail_with(UnreachableError("gone")), False
        while CandidatesChanged(("b", "c")) not in events:
            assert client.infer(IMAGE).answered
        assert len(peer.requests) == asked + 1


def test_an_outage_of_the_broker_leaves_the_candidates_known_in_use(peer: Peer) -> None:
    edges, events = dict[str, Edge](), list[Event]()
    peer.reply = told("a", ttl_s=1)
    with client_of(peer, edges, events) as client:
        peer.reply = HttpReply(500)
        wait_until(lambda: client.snapshot().broker_failure is not None)
        assert client.infer(IMAGE).tier == "edge"
        peer.reply = told("a", ttl_s=1)
        wait_until(lambda: BrokerBack() in events)
        assert client.snapshot().broker_failure is None


def test_a_device_that_moves_is_told_what_is_near_it_now(peer: Peer) -> None:
    events: list[Event] = []
    peer.reply = told("a")
    with client_of(peer, {}, events) as client:
        client.infer(IMAGE)
        peer.reply = told("b", "a")
        client.move(31.5, 121.5)
        asked = question(peer)
        assert (asked["lat"], asked["lon"], asked["current"]) == (["31.5"], ["121.5"], ["a"])
        assert events[-1] == CandidatesChanged(("b", "a"))
        with pytest.raises(DeviceError, match="no place"):
            client.move(91, 0)


def test_every_candidate_is_measured_before_the_first_frame(peer: Peer) -> None:
    peer.reply = told("a", "b", "c")
    with client_of(peer, {}, []) as client:
        assert all(target.rtt_ms is not None for target in client.snapshot().targets)


async def test_tokens_and_prices_come_with_the_candidates(peer: Peer) -> None:
    document = json.loads(told("a", "b", ttl_s=60).body)
    document["candidates"][0]["instance"]["price"] = {"per_hour": 0.5, "per_gb": 2}
    peer.reply = HttpReply(body=json.dumps(document | {"token": "t0k3n", "token_ttl_s": 30}).encode())
    credential = Credential()
    client = BrokerClient(peer.url, "s", credential=credential)
    targets, ttl_s = await client.candidates(None)
    await client.close()
    assert [target.price for target in targets] == [Price(per_cpu_hour=0.5, per_gb=2), None]
    assert credential.headers == {"authorization": "Bearer t0k3n"}
    assert "t0k3n" not in repr(credential)
    assert ttl_s == 15  # in time to renew the token


def test_the_app_s_own_token_goes_to_the_edge(peer: Peer) -> None:
    seen: list[str | None] = []
    peer.on_request = lambda headers: seen.append(headers["authorization"])
    with OffloadClient("s", edges=[peer.url], token="own", transport="http") as client:
        client.infer(IMAGE)
    assert set(seen) == {"Bearer own"}


async def test_what_was_measured_is_reported_with_a_rounded_place(peer: Peer) -> None:
    client = BrokerClient(peer.url, "s", Location(lat=30.2468, lon=120.1234))
    await client.report([Measured("a", 20.0, 8.0, frames=50, missed=2)])
    await client.close()
    [(method, path, body)] = peer.requests
    assert (method, path) == ("POST", "/v1/reports")
    assert json.loads(body) == {
        "location": {"lat": 30.2, "lon": 120.1},
        "reports": [{"instance": "a", "rtt_ms": 20.0, "uplink_mbps": 8.0, "frames": 50, "missed": 2}],
    }
