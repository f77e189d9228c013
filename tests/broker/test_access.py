"""Keys, codes, tokens and who may do what, at brokers that ask for keys."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from astraea.broker import Broker, create_app, open_store
from astraea.broker.access import Access, Principal, RateLimit
from astraea.broker.access.tokens import LIFETIME_S, PUBLISHED_BEFORE_S
from astraea.protocol import Instance
from astraea.protocol.broker_api import Role

MakeInstance = Callable[..., Instance]
ADMIN = Principal("test", Role.ADMIN)


class Clock:
    """Seconds since 1970 that pass when a test says so."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(store_address: str, clock: Clock) -> Iterator[Broker]:
    with closing(open_store(store_address)) as store:
        yield Broker(store, lease_s=10, access=Access(clock))


@pytest.fixture
async def client(broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    await broker.access.care_for_keys()
    transport = httpx.ASGITransport(create_app(broker, closed=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker") as client:
        yield client


async def _key(broker: Broker, role: Role) -> dict[str, str]:
    if role is Role.DEVICE:
        issued = await broker.access.enrol(await broker.access.make_code(ADMIN, "cam", None))
    else:
        issued = await broker.access.make_key(ADMIN, role, role)
    return {"authorization": f"Bearer {issued.secret}"}


DEVICES = {Role.DEVICE, Role.VIEWER, Role.DEPLOYER, Role.ADMIN}
NODES = {Role.NODE, Role.DEPLOYER, Role.ADMIN}
VIEWERS = {Role.VIEWER, Role.DEPLOYER, Role.ADMIN}
DEPLOYERS = {Role.DEPLOYER, Role.ADMIN}
ADMINS = {Role.ADMIN}
EVERYBODY = set(Role) | {None}
MATRIX: dict[tuple[str, str], set[Any]] = {
    ("PUT", "/v1/instances/{instance_id}"): NODES,
    ("PUT", "/v1/instances/{instance_id}/load"): NODES,
    ("DELETE", "/v1/instances/{instance_id}"): NODES,
    ("GET", "/v1/instances"): VIEWERS,
    ("GET", "/v1/services"): VIEWERS,
    ("GET", "/v1/services/{name}/candidates"): DEVICES,
    ("GET", "/v1/services/{name}/sharing"): VIEWERS,
    ("GET", "/v1/services/{name}/signals"): VIEWERS,
    ("PUT", "/v1/services/{name}/sharing"): DEPLOYERS,
    ("DELETE", "/v1/services/{name}/sharing"): DEPLOYERS,
    ("POST", "/v1/services/{name}/token"): DEVICES,
    ("GET", "/v1/draining"): VIEWERS,
    ("PUT", "/v1/nodes/{node}/draining"): DEPLOYERS,
    ("DELETE", "/v1/nodes/{node}/draining"): DEPLOYERS,
    ("POST", "/v1/reports"): DEVICES,
    ("GET", "/v1/events"): VIEWERS,
    ("GET", "/v1/keys"): ADMINS,
    ("POST", "/v1/keys"): ADMINS,
    ("DELETE", "/v1/keys/{key_id}"): ADMINS,
    ("GET", "/v1/devices"): VIEWERS,
    ("DELETE", "/v1/devices/{key_id}"): ADMINS,
    ("POST", "/v1/enrolment-codes"): DEPLOYERS,
    ("POST", "/v1/enrol"): EVERYBODY,
    ("POST", "/v1/signing-keys"): ADMINS,
    ("GET", "/v1/audit"): ADMINS,
    ("GET", "/.well-known/jwks.json"): EVERYBODY,
    ("GET", "/livez"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/metrics"): VIEWERS,
}


async def test_the_matrix_has_every_endpoint(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {(method.upper(), path) for path, item in paths.items() for method in item} == set(MATRIX)


async def test_each_endpoint_admits_its_roles_alone(
    broker: Broker, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RateLimit, "wait_s", lambda *_: 0.0)
    headers: dict[Role | None, dict[str, str]] = {role: await _key(broker, role) for role in Role} | {None: {}}
    for (method, path), admitted in MATRIX.items():
        address = path.format(instance_id="i-1", name="plates", node="n-1", key_id="k" + 12 * "0")
        for role, key in headers.items():
            if path == "/v1/events" and role in admitted:
                continue  # it never ends; see test_events
            status = (await client.request(method, address, headers=key)).status_code
            expected = 401 if role is None else 403
            assert (status not in (401, 403)) if role in admitted or path == "/v1/enrol" else status == expected, (
                f"{method} {path} answered {status} to {role}"
            )


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer x", "Bearer k000000000000.x", "Basic {}", "Bearer {}x"])
async def test_a_wrong_key_is_refused(broker: Broker, client: httpx.AsyncClient, value: str) -> None:
    right = (await _key(broker, Role.ADMIN))["authorization"].removeprefix("Bearer ")
    answer = await client.get("/v1/keys", headers={"authorization": value.format(right)})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert right not in answer.text


async def test_keys_are_told_once_and_kept_as_hashes(broker: Broker, client: httpx.AsyncClient) -> None:
    admin = await _key(broker, Role.ADMIN)
    made = (await client.post("/v1/keys", headers=admin, json={"name": "ann", "role": "viewer"})).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    assert (await client.get("/v1/services", headers=headers)).status_code == 200
    secret = made["key"].partition(".")[2]
    listed = (await client.get("/v1/keys", headers=admin)).text
    assert made["id"] in listed
    assert secret not in listed + "".join(filter(None, broker.store.load().values()))
    assert (await client.delete(f"/v1/keys/{made['id']}", headers=admin)).status_code == 204
    assert (await client.get("/v1/services", headers=headers)).status_code == 401
    assert (await client.delete(f"/v1/keys/{made['id']}", headers=admin)).status_code == 404


async def test_everything_is_known_to_a_broker_that_starts_again(broker: Broker, clock: Clock) -> None:
    await broker.access.care_for_keys()
    issued = await broker.access.make_key(ADMIN, "ann", Role.VIEWER)
    device = await broker.access.enrol(await broker.access.make_code(ADMIN, "cam", ("plates",)))
    code = await broker.access.make_code(ADMIN, "cam 2", None)
    again = Broker(broker.store, lease_s=10, access=Access(clock))
    assert again.access.identify(issued.secret) == Principal(f"ann ({issued.id})", Role.VIEWER)
    assert again.access.identify(device.secret) == Principal(device.id, Role.DEVICE)
    assert again.access.tokens.jwks() == broker.access.tokens.jwks()
    await again.access.enrol(code)


async def test_the_audit_trail_tells_who_did_what_without_secrets(broker: Broker, client: httpx.AsyncClient) -> None:
    admin = await _key(broker, Role.ADMIN)
    code = (await client.post("/v1/enrolment-codes", headers=admin, json={"name": "<b>cam</b>"})).json()["code"]
    device = (await client.post("/v1/enrol", json={"code": code})).json()
    await client.put("/v1/services/plates/sharing", headers=admin, json={"weights": {"2": 1, "1": 9}})
    await client.delete(f"/v1/devices/{device['id']}", headers=admin)
    trail = (await client.get("/v1/audit", headers=admin)).json()
    told = [(entry["action"], entry["subject"]) for entry in trail]
    assert told[:4] == [
        ("revoke", device["id"]),
        ("share out", "plates"),
        ("enrol", device["id"]),
        ("make enrolment code", "<b>cam</b>"),
    ]
    assert code not in str(trail)
    assert device["key"].partition(".")[2] not in str(trail)


async def test_a_code_enrols_one_device_within_its_time(
    broker: Broker, client: httpx.AsyncClient, clock: Clock
) -> None:
    code, late = [await broker.access.make_code(ADMIN, "cam", ("plates",)) for _ in range(2)]
    enrolled = await client.post("/v1/enrol", json={"code": f" {code.lower()} "})
    assert enrolled.status_code == 201
    assert (await client.post("/v1/enrol", json={"code": code})).status_code == 403
    clock.now += 3601
    assert (await client.post("/v1/enrol", json={"code": late})).status_code == 403


async def test_guessing_is_slowed_down(client: httpx.AsyncClient) -> None:
    guesses = [await client.post("/v1/enrol", json={"code": f"ABCD-EFGH-{n:04}"}) for n in range(14)]
    assert [guess.status_code for guess in guesses] == [403] * 10 + [429] * 4
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert (await client.get("/v1/services", headers={"authorization": "Bearer x.y"})).status_code == 429


async def test_a_device_that_asks_all_the_time_is_slowed_down(broker: Broker, client: httpx.AsyncClient) -> None:
    device, operator = await _key(broker, Role.DEVICE), await _key(broker, Role.VIEWER)
    answers = [await client.get("/v1/services/plates/candidates", headers=device) for _ in range(40)]
    assert [answer.status_code for answer in answers][:30] == [404] * 30
    assert answers[-1].status_code == 429
    assert (await client.get("/v1/services/plates/candidates", headers=operator)).status_code == 404


def test_an_allowance_comes_back_with_time() -> None:
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.wait_s("a", 0.0) > 0 for _ in range(4)] == [False, False, False, True]
    assert limit.wait_s("b", 0.0) == 0
    assert limit.wait_s("a", 0.0) == pytest.approx(0.5)
    assert limit.wait_s("a", 0.5) == 0
    assert limit.wait_s("a", 0.5) > 0


def _verify(token: str, jwks: dict[str, Any], service: str = "plates") -> dict[str, Any]:
    """What an edge server does."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in jwks["keys"]}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(token, key, algorithms=["EdDSA"], audience=service, options=options)


async def test_candidates_carry_a_token_for_this_service_and_device(
    broker: Broker, client: httpx.AsyncClient, clock: Clock, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance())
    await broker.register(make_instance("cars-1", service="cars"))
    issued = await broker.access.enrol(await broker.access.make_code(ADMIN, "cam", ("plates",)))
    headers = {"authorization": f"Bearer {issued.secret}"}
    answer = (await client.get("/v1/services/plates/candidates", headers=headers)).json()
    claims = _verify(answer["token"], (await client.get("/.well-known/jwks.json")).json())
    assert (claims["aud"], claims["sub"], claims["exp"]) == ("plates", issued.id, clock.now + LIFETIME_S)
    assert answer["token_ttl_s"] == LIFETIME_S
    with pytest.raises(jwt.InvalidAudienceError):
        _verify(answer["token"], broker.access.tokens.jwks(), "cars")
    assert (await client.get("/v1/services/cars/candidates", headers=headers)).status_code == 403
    assert (await client.post("/v1/services/cars/token", headers=headers)).status_code == 403
    assert (await client.post("/v1/services/plates/token", headers=headers)).json()["token"] == answer["token"]


async def test_operators_get_tokens_with_the_rights_of_their_role_and_no_others(
    broker: Broker, client: httpx.AsyncClient, make_instance: MakeInstance
) -> None:
    await broker.register(make_instance())
    got: dict[tuple[Role, str], list[str] | int] = {}
    for role in Role:
        headers = await _key(broker, role)
        for wanted in (Role.VIEWER, Role.DEPLOYER):
            answer = await client.post("/v1/services/plates/token", params={"role": wanted}, headers=headers)
            good = answer.status_code == 200
            claims = _verify(answer.json()["token"], broker.access.tokens.jwks()) if good else {}
            got[role, wanted] = claims.get("roles", answer.status_code)
    viewing, deploying = ["viewer"], ["viewer", "deployer"]
    assert got == {
        (Role.DEVICE, "viewer"): 403,
        (Role.DEVICE, "deployer"): 403,
        (Role.NODE, "viewer"): 403,
        (Role.NODE, "deployer"): 403,
        (Role.VIEWER, "viewer"): viewing,
        (Role.VIEWER, "deployer"): 403,
        (Role.DEPLOYER, "viewer"): viewing,
        (Role.DEPLOYER, "deployer"): deploying,
        (Role.ADMIN, "viewer"): viewing,
        (Role.ADMIN, "deployer"): deploying,
    }
    admin = await _key(broker, Role.ADMIN)
    for path in ("/v1/services/plates/token?role=admin", "/v1/services/plates/token?role="):
        assert (await client.post(path, headers=admin)).status_code == 422
    told = (await client.get("/v1/services/plates/candidates", headers=admin)).json()["token"]
    assert "roles" not in _verify(told, broker.access.tokens.jwks())


async def test_rotation_leaves_every_token_good_until_it_expires(broker: Broker, clock: Clock) -> None:
    access = broker.access
    await access.care_for_keys()
    signed = access.tokens.sign("plates", "d", (Role.VIEWER,))
    assert signed
    edge_servers_know = access.tokens.jwks()
    await access.rotate(ADMIN)
    clock.now += PUBLISHED_BEFORE_S - 1
    meanwhile = access.tokens.sign("plates", "d")
    assert meanwhile
    _verify(meanwhile.text, edge_servers_know)
    clock.now += 2
    by_new = access.tokens.sign("plates", "d")
    assert by_new
    with pytest.raises(KeyError):
        _verify(by_new.text, edge_servers_know)
    await access.care_for_keys()
    assert len(access.tokens.jwks()["keys"]) == 2
    _verify(meanwhile.text, access.tokens.jwks())
    clock.now += LIFETIME_S
    await access.care_for_keys()
    assert [key["kid"] for key in access.tokens.jwks()["keys"]] == [jwt.get_unverified_header(by_new.text)["kid"]]


async def test_a_broker_makes_a_new_signing_key_every_month(broker: Broker, clock: Clock) -> None:
    for days, keys in ((0, 1), (29, 1), (31, 2), (32, 1)):
        clock.now = Clock.now + days * 86400
        await broker.access.care_for_keys()
        assert len(broker.access.tokens.jwks()["keys"]) == keys


async def test_the_private_half_of_a_signing_key_is_nowhere_to_be_seen(
    broker: Broker, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    [key] = broker.access.signing_keys.items.values()
    private = key.private.get_secret_value()
    assert len(base64.urlsafe_b64decode(private)) == 32
    assert private not in repr(key) + str(broker.access.tokens.jwks()) + caplog.text
    assert all("d" not in public for public in broker.access.tokens.jwks()["keys"])


def test_started_with_auth_it_writes_the_first_key_for_its_user_alone(start_broker: Any, tmp_path: Path) -> None:
    process, client = start_broker("--auth", "--log-format", "json")
    path = tmp_path / "astraea" / "admin.key"
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_text().strip()
    assert client.get("/v1/instances").status_code == 401
    made = client.post("/v1/keys", json={"name": "a", "role": "node"}, headers={"authorization": f"Bearer {key}"})
    assert made.status_code == 201
    process.terminate()
    log = process.stderr.read()
    assert process.wait(10) == 0
    assert str(path) in log
    assert all(json.loads(line)["message"] for line in log.splitlines())
    assert not {key, key.partition(".")[2], made.json()["key"]} & set(log.split())

    path.unlink()
    _, client = start_broker("--auth")
    assert not path.exists()
    assert client.get("/v1/keys", headers={"authorization": f"Bearer {key}"}).status_code == 200


async def test_a_real_edge_servers_guard_takes_the_brokers_tokens_and_no_others(broker: Broker, tmp_path: Path) -> None:
    auth = pytest.importorskip("astraea.edge_server.auth")
    await broker.access.care_for_keys()
    broker.access._clock = broker.access.tokens._clock = time.time
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps(broker.access.tokens.jwks()))
    guard = auth.Guard("plates", keys=auth.KeySet(str(jwks)))
    await guard.keys.refresh()
    signed = broker.access.tokens.sign("plates", "d")
    assert signed
    guard.check(f"Bearer {signed.text}".encode())
    operators = broker.access.token(ADMIN, "plates", (Role.VIEWER,))
    assert operators
    guard.check(f"Bearer {operators.text}".encode(), Role.VIEWER)
    for text, role in ((signed.text, Role.VIEWER), (operators.text, Role.DEPLOYER)):
        with pytest.raises(auth.ForbiddenError):
            guard.check(f"Bearer {text}".encode(), role)

    [(key_id, _)] = broker.access.signing_keys.items.items()
    claims = {"aud": "plates", "exp": int(time.time()) + 60}
    other = Ed25519PrivateKey.generate()
    header, payload, signature = signed.text.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": key_id}).encode()).decode().rstrip("=")
    bad = {
        "forged": f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}",
        "wrong key": jwt.encode(claims, other, "EdDSA", headers={"kid": key_id}),
        "unknown key": jwt.encode(claims, other, "EdDSA", headers={"kid": "other"}),
        "alg none": f"{none}.{payload}.",
        "wrong audience": broker.access.tokens.sign("cars", "d").text,  # type: ignore[union-attr]
        "public key as a secret": jwt.encode(
            claims, broker.access.tokens.jwks()["keys"][0]["x"].ljust(64, "="), "HS256", headers={"kid": key_id}
        ),
    }
    broker.access.tokens._clock = lambda: time.time() - LIFETIME_S - 60
    bad["expired"] = broker.access.tokens.sign("plates", "other").text  # type: ignore[union-attr]
    for what, token in bad.items():
        assert token != signed.text, what
        with pytest.raises(auth.UnauthorizedError):
            guard.check(f"Bearer {token}".encode())
