"""Who may ask, and who may not whatever token they bring."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from astraea.edge_server import OptionError
from astraea.edge_server.api import Api
from astraea.edge_server.app import create_app
from astraea.edge_server.auth import Guard, KeySet, check_key, read_key
from astraea.edge_server.errors import ForbiddenError, UnauthorizedError
from astraea.protocol.broker_api import Role
from tests.edge_server.conftest import FakeBroker, StartServer, WriteService, settle

KEY = "0123456789abcdef-key"
ONE, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def public(key: Ed25519PrivateKey, key_id: str) -> dict[str, str]:
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key_id, "x": x}


def write_keys(path: Path, *keys: dict[str, str]) -> str:
    path.write_text(json.dumps({"keys": keys}))
    return str(path)


def token(key: Ed25519PrivateKey = ONE, key_id: str = "one", **claims: Any) -> str:
    claims = {"aud": "sizes", "sub": "device-1", "exp": int(time.time()) + 60} | claims
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key, "EdDSA", {"kid": key_id}
    )


def bearer(text: str) -> bytes:
    return f"Bearer {text}".encode()


@pytest.fixture
async def guard(tmp_path: Path) -> Guard:
    keys = KeySet(write_keys(tmp_path / "keys", public(ONE, "one")))
    await keys.refresh()
    return Guard("sizes", None, keys)


async def test_a_token_of_the_broker_is_good_each_time(guard: Guard) -> None:
    for _ in range(2):
        guard.check(bearer(token()))
    guard.check(bearer(token(aud=["others", "sizes"])))


def parts(text: str) -> list[str]:
    return text.split(".")


def unsigned(algorithm: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "one"}).encode()).rstrip(b"=").decode()
    return f"{header}.{parts(token())[1]}."


def hashed_with_the_public_key() -> str:
    """The classic: a public key taken for the secret of a symmetric algorithm."""
    secret = ONE.public_key().public_bytes_raw() * 2
    return jwt.encode({"aud": "sizes", "exp": int(time.time()) + 60}, secret, "HS256", {"kid": "one"})


def with_roles_added() -> str:
    """A device's token, but for what it says of roles."""
    head, _, signature = parts(token())
    return ".".join([head, parts(token(roles=["viewer", "deployer"]))[1], signature])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: token(exp=int(time.time()) - 1), "expired"),
        (lambda: token(aud="plates"), "another service"),
        (lambda: token(aud=None), "not good"),
        (lambda: token(exp=None), "not good"),
        (lambda: token(nbf=int(time.time()) + 60), "not good"),
        (lambda: token(OTHER), "not good"),
        (lambda: token(OTHER, "other"), "isn't known"),
        (lambda: token(key_id=""), "isn't known"),
        (lambda: ".".join([*parts(token())[:2], parts(token(sub="root"))[2]]), "not good"),
        (lambda: ".".join([parts(token())[0], parts(token(sub="root"))[1], parts(token())[2]]), "not good"),
        (lambda: unsigned("none"), "not good"),
        (lambda: unsigned("None"), "not good"),
        (lambda: unsigned("EdDSA"), "not good"),
        (hashed_with_the_public_key, "not good"),
        (with_roles_added, "not good"),
        (lambda: token(OTHER, roles=["deployer"]), "not good"),
        (lambda: token(aud="plates", roles=["deployer"]), "another service"),
        (lambda: token(exp=int(time.time()) - 1, roles=["deployer"]), "expired"),
        (lambda: "", "needed"),
        (lambda: "a.b.c", "not good"),
        (lambda: "\u00fc", "not good"),
        (lambda: "x" * 10_000, "not good"),
        (lambda: KEY, "not good"),
    ],
)
async def test_any_other_token_is_refused(guard: Guard, make: Callable[[], str], reason: str) -> None:
    header = bearer(make())  # made only now: tokens expire within a minute
    for _ in range(2):  # the second time it might be remembered
        with pytest.raises(UnauthorizedError, match=reason):
            guard.check(header)


@pytest.mark.parametrize(
    ("roles", "lacks"),
    [
        (None, {Role.VIEWER, Role.DEPLOYER}),
        ([], {Role.VIEWER, Role.DEPLOYER}),
        (["device"], {Role.VIEWER, Role.DEPLOYER}),
        ("viewer deployer", {Role.VIEWER, Role.DEPLOYER}),
        ({"deployer": True}, {Role.VIEWER, Role.DEPLOYER}),
        ([["deployer"], {}, 1], {Role.VIEWER, Role.DEPLOYER}),
        (["viewer"], {Role.DEPLOYER}),
        (["viewer", "deployer"], set()),
    ],
)
async def test_a_token_brings_the_rights_that_it_names_and_no_others(
    guard: Guard, roles: Any, lacks: set[Role]
) -> None:
    header = bearer(token(roles=roles))
    for _ in range(2):  # the second time it is remembered
        guard.check(header)
        for role in (Role.VIEWER, Role.DEPLOYER):
            with pytest.raises(ForbiddenError, match=role) if role in lacks else nullcontext():
                guard.check(header, role)


async def test_figures_and_the_repository_are_for_operators(api: Api, guard: Guard) -> None:
    async def load(_revision: str | None) -> str:
        return "2.0.0"

    transport = httpx.ASGITransport(create_app(api, guard, load=load))
    tokens = {None: token(), "viewer": token(roles=["viewer"]), "deployer": token(roles=["viewer", "deployer"])}
    requests = (("GET", "/metrics"), ("POST", "/v2/repository/index"), ("POST", "/v2/repository/models/sizes/load"))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answers = {
            role: [
                (await client.request(*request, headers={"authorization": f"Bearer {text}"})).status_code
                for request in requests
            ]
            for role, text in tokens.items()
        }
    assert answers == {None: [403, 403, 403], "viewer": [200, 200, 403], "deployer": [200, 200, 200]}


@pytest.mark.parametrize("value", [None, b"", b"Bearer", b"Basic eDp5", b"\xff"])
async def test_what_is_no_bearer_token_is_refused(guard: Guard, value: bytes | None) -> None:
    with pytest.raises(UnauthorizedError, match="needed"):
        guard.check(value)


async def test_a_remembered_token_expires(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    text = token()
    guard.check(bearer(text))
    monkeypatch.setattr("astraea.edge_server.auth._REMEMBERED_S", 0)
    now = time.time()
    monkeypatch.setattr("astraea.edge_server.auth.time", lambda: now + 61)
    monkeypatch.setattr(guard, "keys", None)  # so that it isn't verified, but for the memory
    with pytest.raises(UnauthorizedError):
        guard.check(bearer(text))


async def test_the_instance_has_a_key_of_its_own() -> None:
    guard = Guard("sizes", SecretStr(KEY))
    guard.check(bearer(KEY))
    for text in (KEY[:-1], KEY + "x", token()):
        with pytest.raises(UnauthorizedError):
            guard.check(bearer(text))
    assert KEY not in repr(vars(guard))


async def test_a_new_key_is_found_and_an_old_one_forgotten(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astraea.edge_server.auth._SOONEST_REFRESH_S", 0.01)
    assert guard.keys is not None
    keeping = asyncio.create_task(guard.keys.keep_fresh())
    write_keys(tmp_path / "keys", public(OTHER, "other"))
    async with asyncio.timeout(10):
        while True:
            try:
                guard.check(bearer(token(OTHER, "other")))
                break
            except UnauthorizedError:
                await asyncio.sleep(0.01)
    with pytest.raises(UnauthorizedError):
        guard.check(bearer(token()))
    keeping.cancel()


async def test_keys_that_could_not_be_read_are_tried_again_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("astraea.edge_server.auth._SOONEST_REFRESH_S", 0.01)
    keys = KeySet(str(tmp_path / "keys"))
    keeping = asyncio.create_task(keys.keep_fresh())
    await settle(lambda: len(caplog.records) >= 2)
    assert not keys.read.is_set()
    write_keys(tmp_path / "keys", public(ONE, "one"))
    async with asyncio.timeout(20):
        await keys.read.wait()
    keeping.cancel()


def test_without_keys_to_check_tokens_by_it_is_offered_to_nobody(
    start_server: StartServer, write_service: WriteService, tmp_path: Path, broker: FakeBroker
) -> None:
    (tmp_path / "keys").write_text('{"keys": []}')
    server = start_server(write_service(), "--jwks", tmp_path / "keys", "--broker", broker.url)
    with server.client() as client:
        assert client.get("/readyz").status_code == 200
    assert "no keys from" in server.log
    assert broker.requests == []
    assert server.stop() == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": 1}',
        '{"keys": [{"kid": "a", "kty": "OKP", "crv": "Ed25519", "x": "?"}]}',
    ],
)
async def test_what_is_no_key_set_leaves_the_keys_as_they_were(guard: Guard, tmp_path: Path, content: str) -> None:
    assert guard.keys is not None
    (tmp_path / "keys").write_text(content)
    with pytest.raises(ValueError, match=r".+"):
        await guard.keys.refresh()
    guard.check(bearer(token()))


async def test_only_probes_of_health_need_no_token(api: Api) -> None:
    transport = httpx.ASGITransport(create_app(api, Guard("sizes", SecretStr(KEY))))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        for path in ("/", "/metrics", "/predict", "/probe", "/v2", "/nowhere"):
            response = await client.post(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/metrics", headers={"authorization": f"Bearer {KEY}"})).status_code == 200


async def test_web_pages_may_ask_only_if_they_were_named(api: Api) -> None:
    ask = {"origin": "https://page.example", "access-control-request-method": "POST"}
    for origins, allowed in (((), None), (("https://page.example",), "https://page.example"), (("https://a",), None)):
        transport = httpx.ASGITransport(create_app(api, Guard("sizes", SecretStr(KEY)), origins))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            response = await client.options("/predict", headers=ask)
            assert response.headers.get("access-control-allow-origin") == allowed


def test_a_key_of_a_file_is_good_and_told_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    key = read_key(tmp_path / "key")
    assert key.get_secret_value() == KEY
    assert KEY not in repr(key) + str(key)


def test_a_key_that_cannot_be_is_told_without_it(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    with pytest.raises(OptionError, match="not text"):
        read_key(tmp_path / "binary")
    with pytest.raises(OptionError, match="No such file"):
        read_key(tmp_path / "nowhere")
    for key in ("", "short", "with a space in it, long"):
        with pytest.raises(OptionError, match="16 ASCII") as raised:
            check_key(key)
        assert not key or key not in str(raised.value)


def test_with_a_key_it_listens_to_the_network(
    start_server: StartServer, write_service: WriteService, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY)
    jwks = write_keys(tmp_path / "keys", public(ONE, "one"))
    handler = "def predict(model, body: bytes): return len(body)"
    server = start_server(
        write_service(handler), "--host", "0.0.0.0", "--api-key-file", tmp_path / "key", "--jwks", jwks
    )
    with server.client() as client:
        assert client.post("/predict", content=b"abc").status_code == 401
        for text in (KEY, token()):
            response = client.post("/predict", content=b"abc", headers={"authorization": f"Bearer {text}"})
            assert response.json() == {"output": 3}
    assert server.stop() == 0
    assert KEY not in server.log
