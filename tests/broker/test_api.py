"""The HTTP API of a real broker process."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astraea.broker import Broker, SqliteStore, create_app
from astraea.protocol import PROBLEM_MEDIA_TYPE, Candidates, Instance, Lease, Location, Problem
from astraea.protocol.broker_api import Ask

MakeInstance = Callable[..., Instance]
SQL_AND_HTML = (
    "'; DROP TABLE instances; --",
    '<script>alert("x")</script>',
    "%00",
    "../../etc/passwd",
    "\ud800",
    "Ω" * 70,
)
hostile = st.sampled_from(SQL_AND_HTML) | st.text()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _problem(response: httpx.Response, status: int) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = Problem.model_validate_json(response.content)
    assert problem.status == status
    return problem


def _put(api: httpx.Client, instance: Instance) -> httpx.Response:
    return api.put(
        f"/v1/instances/{instance.id}", content=instance.model_dump_json(), headers={"content-type": "application/json"}
    )


@pytest.fixture
def service(api: httpx.Client) -> Iterator[str]:
    """The name of a service that no other test uses; its instances are gone afterwards."""
    name = f"s-{uuid.uuid4().hex[:8]}"
    yield name
    for instance in api.get("/v1/instances", params={"service": name}).json():
        api.delete(f"/v1/instances/{instance['id']}")


def test_an_instance_registers_is_offered_and_signs_off(
    api: httpx.Client, service: str, make_instance: MakeInstance
) -> None:
    instance = make_instance("one", service=service, location=Location(lat=30, lon=120))
    registered = _put(api, instance)
    assert registered.status_code == 200
    assert Lease.model_validate_json(registered.content) == Lease(instance_id="one", ttl_s=10)

    assert [Instance.model_validate(i) for i in api.get("/v1/instances", params={"service": service}).json()] == [
        instance
    ]
    assert {"name": service, "instances": 1} in api.get("/v1/services").json()
    offered = api.get(f"/v1/services/{service}/candidates", params={"lat": 30, "lon": 121})
    answer = Candidates.model_validate_json(offered.content)
    assert (answer.service, answer.ttl_s) == (service, 10)
    assert [candidate.instance for candidate in answer.candidates] == [instance]
    assert answer.candidates[0].distance_km == pytest.approx(96.3, abs=0.2)

    for _ in range(2):  # idempotent
        assert api.delete("/v1/instances/one").status_code == 204
    assert api.get("/v1/instances", params={"service": service}).json() == []
    assert "no live instance" in (_problem(api.get(f"/v1/services/{service}/candidates"), 404).detail or "")


def test_candidates_come_nearest_first_and_no_more_than_asked(
    api: httpx.Client, service: str, make_instance: MakeInstance
) -> None:
    for lon in range(8):
        _put(api, make_instance(f"east-{lon}", service=service, location=Location(lat=0, lon=lon)))

    def offered(**query: Any) -> list[str]:
        answer = api.get(f"/v1/services/{service}/candidates", params=query)
        return [c.instance.id for c in Candidates.model_validate_json(answer.content).candidates]

    assert offered(lat=0, lon=7)[:4] == ["east-7", "east-6", "east-5", "east-4"]  # the last may be one to be measured
    assert offered(lat=0, lon=0.2, limit=2) == ["east-0", "east-1"]
    assert len(offered(limit=50)) == 8


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"lat": 91, "lon": 0}, "query.lat"),
        ({"lat": 0, "lon": "east"}, "query.lon"),
        ({"lat": "nan", "lon": 0}, "query.lat"),
        ({"lat": 0}, "query.lon: missing"),
        ({"lon": 0}, "query.lat: missing"),
        ({"limit": 0}, "query.limit"),
        ({"limit": 51}, "query.limit"),
    ],
)
def test_a_query_that_is_wrong_is_named(api: httpx.Client, query: dict[str, Any], detail: str) -> None:
    problem = _problem(api.get("/v1/services/plates/candidates", params=query), 422)
    assert detail in (problem.detail or "")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"location": {"lat": 95, "lon": 0}}, "body.location.lat: Input should be less than or equal to 90, found 95"),
        ({"load": {"capacity": 0}}, "body.load.capacity: Input should be greater than or equal to 1, found 0"),
        ({"load": {"in_flight": 10**400}}, "body.load.in_flight"),
        ({"load": {"service_ms": float("inf")}}, "body.load.service_ms"),
        ({"url": "javascript:alert(1)"}, "body.url"),
        ({"service": "Plates"}, "body.service"),
        ({"colour": "red"}, "body.colour: Extra inputs are not permitted, found 'red'"),
        ({"id": "plates-2"}, "body.id: expected 'plates-1' as in the path, found 'plates-2'"),
        ({"node": None}, "body.node: Input should be a valid string, found None"),
        ({"node": "x" * 5000}, "body.node"),
    ],
)
def test_a_body_that_is_wrong_is_named_with_what_was_expected(
    api: httpx.Client, make_instance: MakeInstance, change: dict[str, Any], detail: str
) -> None:
    body = json.dumps(make_instance().model_dump(mode="json") | change)
    answer = api.put("/v1/instances/plates-1", content=body, headers={"content-type": "application/json"})
    problem = _problem(answer, 422)
    assert detail in (problem.detail or "")
    assert len(problem.detail or "") < 400


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 30_000, b"1" * 5_000], ids=lambda body: repr(body[:3]))
def test_a_body_that_is_no_json_is_refused(api: httpx.Client, body: bytes) -> None:
    answer = api.put("/v1/instances/plates-1", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    _problem(answer, answer.status_code)


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_a_body_that_is_too_large_is_refused(api: httpx.Client, announced: bool) -> None:
    chunks = [b" " * 60_000] * 3
    content = b"".join(chunks) if announced else iter(chunks)
    answer = api.put("/v1/instances/plates-1", content=content, headers={"content-type": "application/json"})
    assert "65536 bytes" in (_problem(answer, 413).detail or "")


def test_what_is_not_there_or_not_allowed_is_a_problem_document(api: httpx.Client) -> None:
    _problem(api.get("/v2/instances"), 404)
    refused = api.post("/v1/instances")
    _problem(refused, 405)
    assert refused.headers["allow"] == "GET"


@given(hostile)
@settings(max_examples=150, deadline=None)
def test_hostile_strings_in_addresses_harm_nothing(api: httpx.Client, text: str) -> None:
    quoted = quote(text, safe="", errors="replace")
    for answer in (
        api.delete(f"/v1/instances/{quoted}"),
        api.get(f"/v1/instances?service={quoted}"),
        api.get(f"/v1/services/{quoted}/candidates?lat={quoted}&lon={quoted}&limit={quoted}"),
    ):
        assert answer.status_code < 500
        if answer.status_code >= 400:
            _problem(answer, answer.status_code)
    assert api.get("/v1/services").status_code == 200


@given(st.dictionaries(st.sampled_from([*Instance.model_fields, "other"]), anything, min_size=1))
@settings(max_examples=200, deadline=None)
def test_hostile_documents_harm_nothing(
    api: httpx.Client, make_instance: MakeInstance, changes: dict[str, Any]
) -> None:
    body = json.dumps(make_instance("hostile", service="hostile").model_dump(mode="json") | changes)
    answer = api.put("/v1/instances/hostile", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400, 422)
    if answer.status_code != 200:
        _problem(answer, answer.status_code)
    assert all(Instance.model_validate(instance) for instance in api.get("/v1/instances").json())


def test_concurrent_registrations_are_all_kept(api: httpx.Client, service: str, make_instance: MakeInstance) -> None:
    fleet = [make_instance(f"c-{n}", service=service) for n in range(100)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda instance: _put(api, instance), fleet * 2))
    assert {answer.status_code for answer in answers} == {200}
    listed = [i["id"] for i in api.get("/v1/instances", params={"service": service}).json()]
    assert listed == sorted(instance.id for instance in fleet)


def test_operations_endpoints(api: httpx.Client, service: str, make_instance: MakeInstance) -> None:
    _put(api, make_instance("watched", service=service))
    api.get("/nowhere/at/all")
    assert api.get("/livez").json() == api.get("/readyz").json() == {"status": "ok"}
    figures = api.get("/metrics").text
    assert f'astraea_broker_live_instances{{service="{service}"}} 1.0' in figures
    assert "astraea_broker_leases_expired_total" in figures
    assert 'method="PUT",route="/v1/instances/{instance_id}",status="200"' in figures
    assert 'route="none",status="404"' in figures
    assert "watched" not in figures


async def test_a_store_that_cannot_be_written_is_told_to_clients_and_to_health_checks(
    tmp_path: Path, make_instance: MakeInstance
) -> None:
    with closing(SqliteStore(tmp_path / "broker.db")) as store:
        app = create_app(Broker(store, lease_s=10))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://broker") as client:
            await client.put("/v1/instances/plates-1", json=make_instance().model_dump(mode="json"))
            with store._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            heartbeat = make_instance(load={"in_flight": 1}).model_dump(mode="json")
            assert (await client.put("/v1/instances/plates-1", json=heartbeat)).status_code == 200
            change = make_instance(node="node-2").model_dump(mode="json")
            refused = await client.put("/v1/instances/plates-1", json=change)
            assert "is read-only" in (_problem(refused, 503).detail or "")
            assert refused.headers["retry-after"] == "1"
            _problem(await client.get("/readyz"), 503)
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/v1/services/plates/candidates")).status_code == 200


def test_the_api_describes_itself(api: httpx.Client) -> None:
    assert api.get("/docs").status_code == 200
    described = api.get("/openapi.json").json()
    operation = described["paths"]["/v1/services/{name}/candidates"]["get"]
    assert {p["name"] for p in operation["parameters"]} == {"name", *Ask.model_fields}
    assert set(operation["responses"]) == {"200", "default"}
    assert PROBLEM_MEDIA_TYPE in operation["responses"]["default"]["content"]


async def test_a_question_that_fails_unexpectedly_is_answered_with_a_problem_document(
    tmp_path: Path, make_instance: MakeInstance
) -> None:
    def broken(ask: Ask, instance: Instance) -> float:
        raise ZeroDivisionError(instance.id)

    with closing(SqliteStore(tmp_path / "broker.db")) as store:
        app = create_app(Broker(store, lease_s=10, matchers={"broken": broken}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://broker") as client:
            await client.put("/v1/instances/plates-1", json=make_instance().model_dump(mode="json"))
            _problem(await client.get("/v1/services/plates/candidates"), 500)
