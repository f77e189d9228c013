"""The client of the broker's API, against a real broker: every call there is, and what goes wrong."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from astraea.protocol import BrokerApiError, Instance, Load, Location
from astraea.protocol.broker_api import Ask, Call, NewCode, NewKey, Report, Role, Sharing, calls
from astraea.protocol.broker_api.client import AsyncBrokerApi, BrokerApi
from tests.broker.conftest import StartBroker, start_broker  # noqa: F401 - a fixture

INSTANCE = Instance.model_validate(
    {"id": "plates-1", "service": "plates", "revision": "1", "url": "http://127.0.0.1:1", "node": "n"}
)
EVERY: dict[str, Call[Any]] = {
    "is_live": calls.is_live(),
    "is_ready": calls.is_ready(),
    "register": calls.register(INSTANCE),
    "renew": calls.renew(INSTANCE.id, Load(in_flight=1)),
    "instances": calls.instances("plates"),
    "services": calls.services(),
    "candidates": calls.candidates("plates", Ask(lat=1, lon=2, device="d", explain=True)),
    "report": calls.report(Location(lat=1, lon=2), [Report(instance=INSTANCE.id, rtt_ms=3, uplink_mbps=4)]),
    "signals": calls.signals("plates"),
    "token": calls.token("plates"),
    "share_out": calls.share_out("plates", Sharing(weights={"2": 10, "1": 90})),
    "sharing": calls.sharing("plates"),
    "share_alike": calls.share_alike("plates"),
    "drain": calls.drain("n"),
    "draining": calls.draining(),
    "stop_draining": calls.stop_draining("n"),
    "make_key": calls.make_key(NewKey(name="edge", role=Role.NODE)),
    "keys": calls.keys(),
    "make_code": calls.make_code(NewCode(name="cam", services=("plates",))),
    "devices": calls.devices(),
    "rotate_signing_keys": calls.rotate_signing_keys(),
    "signing_keys": calls.signing_keys(),
    "audit": calls.audit(limit=5),
    "deregister": calls.deregister(INSTANCE.id),
    # Those that need an answer of another are sent apart, below.
    "enrol": calls.enrol("CODE"),
    "revoke_key": calls.revoke_key("k0123456789ab"),
    "revoke_device": calls.revoke_device("d0123456789ab"),
}
NEEDING = {"enrol", "revoke_key", "revoke_device"}
NOT_FOR_PROGRAMS = {"/", "/login", "/logout", "/metrics", "/v1/events"}


@pytest.fixture
def broker(start_broker: StartBroker, tmp_path: Path) -> Iterator[BrokerApi]:  # noqa: F811 - see above
    """The API of a broker that asks for keys, with the first admin's."""
    _, client = start_broker("--auth")
    key = SecretStr((tmp_path / "astraea" / "admin.key").read_text().strip())
    with httpx.Client(timeout=10) as http:
        yield BrokerApi(http, str(client.base_url), key)


def test_each_call_is_answered_with_what_it_says(broker: BrokerApi) -> None:
    for name, call in EVERY.items():
        if name not in NEEDING:
            answer = broker.send(call)
            assert isinstance(answer, getattr(call.answer, "__origin__", call.answer)), name
    code = broker.send(calls.make_code(NewCode(name="cam"))).code
    device = broker.send(calls.enrol(code))
    assert [known.name for known in broker.send(calls.devices())] == ["cam"]
    broker.send(calls.revoke_device(device.id))
    key = broker.send(calls.make_key(NewKey(name="me", role=Role.VIEWER)))
    broker.send(calls.revoke_key(key.id))
    assert key.id not in [known.id for known in broker.send(calls.keys())]


def test_answers_are_typed(broker: BrokerApi) -> None:
    broker.send(calls.register(INSTANCE))
    assert broker.send(calls.instances()) == [INSTANCE]
    [candidate] = broker.send(calls.candidates("plates", Ask(explain=True))).candidates
    assert candidate.reasons is not None
    wanted = Sharing(weights={"2": 10, "1": 90})
    assert broker.send(calls.share_out("plates", wanted)) == wanted == broker.send(calls.sharing("plates"))


def test_no_operation_of_the_api_is_left_out(broker: BrokerApi) -> None:
    described = httpx.get(f"{broker.url}/openapi.json").json()["paths"]
    operations = {
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path not in NOT_FOR_PROGRAMS and not path.startswith("/dashboard")
    }
    patterns = {(method, re.sub(r"\{\w+\}", "[^/]+", path)) for method, path in operations}
    for method, pattern in patterns:
        sent = [name for name, call in EVERY.items() if call.method == method and re.fullmatch(pattern, call.path)]
        assert sent, (method, pattern)
    made = {name for name, make in inspect.getmembers(calls, inspect.isfunction) if make.__module__ == calls.__name__}
    assert {name for name in made if not name.startswith("_")} == set(EVERY)


def test_a_refusal_says_why_and_with_which_status(broker: BrokerApi) -> None:
    with pytest.raises(BrokerApiError, match="404: no live instance offers") as refused:
        broker.send(calls.candidates("nothing", Ask()))
    assert refused.value.status == 404
    with httpx.Client() as http, pytest.raises(BrokerApiError, match="a key is needed") as refused:
        BrokerApi(http, broker.url).send(calls.instances())
    assert refused.value.status == 401


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[::1"])
def test_a_broker_that_is_not_there_is_an_error_of_its_own(url: str) -> None:
    with httpx.Client() as http, pytest.raises(BrokerApiError, match="can't be reached") as away:
        BrokerApi(http, url).send(calls.is_live())
    assert away.value.status is None


def answering(status: int, body: bytes) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, content=body)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[1]"])
async def test_an_answer_that_makes_no_sense_is_an_error(body: bytes) -> None:
    transport = httpx.MockTransport(answering(200, body))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(BrokerApiError, match="makes no sense"):
            await AsyncBrokerApi(http, "http://broker").send(calls.instances())


async def test_an_event_loop_asks_the_same_way() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=INSTANCE.model_dump_json().join("[]"))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        api = AsyncBrokerApi(http, "http://broker/base/", SecretStr("secret"))
        assert await api.send(calls.instances("plates")) == [INSTANCE]
    assert str(seen[0].url) == "http://broker/base/v1/instances?service=plates"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(api)


def test_what_a_name_has_in_it_stays_in_its_place_in_the_path() -> None:
    assert calls.sharing("a/../b?c").path == "/v1/services/a%2F..%2Fb%3Fc/sharing"
    assert calls.deregister("i").answer is NoneType
