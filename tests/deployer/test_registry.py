"""Registries: names and credentials as Docker reads them; blobs and manifests to and from a real one."""

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from astraea.deployer.errors import ImageError, RegistryError
from astraea.deployer.oci import MANIFEST_MEDIA_TYPE, Descriptor, Manifest
from astraea.deployer.registry import Credentials, Reference, Registry, find_credentials
from astraea.deployer.registry.auth import RegistryAuth
from tests.conftest import need
from tests.deployer.registry_server import PASSWORD, USER, running_registry
from tests.edge_server.test_tls import write_certificate

DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    with running_registry(tmp_path_factory.mktemp("registry")) as host, Registry(host) as client:
        yield client


def described(content: bytes, media_type: str = "application/octet-stream") -> Descriptor:
    return Descriptor(media_type=media_type, digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python:3.11-slim", ("docker.io", "library/python", "3.11-slim", None)),
        ("ada/plates", ("docker.io", "ada/plates", "latest", None)),
        ("localhost/plates", ("localhost", "plates", "latest", None)),
        ("registry.example:5000/a/b:1.0", ("registry.example:5000", "a/b", "1.0", None)),
        (f"registry.example/a@{DIGEST}", ("registry.example", "a", "latest", DIGEST)),
        (f"[::1]:5000/a:1@{DIGEST}", ("[::1]:5000", "a", "1", DIGEST)),
    ],
)
def test_names_are_read_as_docker_reads_them(text: str, found: tuple[str, str, str, str | None]) -> None:
    assert tuple(Reference.parse(text)) == found


@pytest.mark.parametrize("text", ["", "Plates", "a//b", "a:", "a@sha256:12", "-a", "a b", "x" * 300, "host:port/a"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="no name of an image"):
        Reference.parse(text)


@given(st.text(max_size=40))
def test_a_name_that_reads_is_written_as_one_that_reads_alike(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ImageError:
        return
    assert Reference.parse(str(reference)) == reference


def test_a_blob_that_was_put_is_there_and_comes_back(registry: Registry) -> None:
    content = b"weights" * 100_000
    blob = described(content)
    assert not registry.has_blob("plates", blob.digest)
    registry.put_blob("plates", blob, [content[:1000], content[1000:]])
    assert registry.has_blob("plates", blob.digest)
    with registry.blob("plates", blob.digest) as parts:
        assert b"".join(parts) == content


def test_a_blob_of_another_repository_is_mounted_without_being_sent(registry: Registry) -> None:
    content = b"base layer"
    registry.put_blob("base", described(content), [content])
    assert registry.mount_blob("service", described(content).digest, "base")
    assert registry.has_blob("service", described(content).digest)
    assert not registry.mount_blob("service", described(b"nowhere").digest, "base")


def test_a_blob_that_is_not_what_its_digest_says_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="answered 400"):
        registry.put_blob("plates", described(b"one"), [b"two"])


def test_a_manifest_is_found_by_tag_and_by_digest(registry: Registry) -> None:
    config = b"{}"
    registry.put_blob("plates", described(config), [config])
    content = Manifest(config=described(config), layers=()).to_json().encode()
    reference = Reference(registry.host, "plates", "1.0")
    registry.put_manifest(reference, content, MANIFEST_MEDIA_TYPE)
    found = registry.manifest(reference)
    assert (found.content, found.descriptor) == (content, described(content, MANIFEST_MEDIA_TYPE))
    assert registry.manifest(Reference(registry.host, "plates", digest=found.descriptor.digest)) == found


def test_an_image_that_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"has no image .*/plates:absent"):
        registry.manifest(Reference(registry.host, "plates", "absent"))


def test_a_registry_that_is_away_is_named() -> None:
    with Registry("127.0.0.1:9") as registry, pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 can't be reached"):
        registry.has_blob("plates", DIGEST)


@pytest.mark.parametrize("password", [PASSWORD, "wrong", None])
def test_a_registry_with_passwords_lets_in_who_knows_one(tmp_path: Path, password: str | None) -> None:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    credentials = None if password is None else Credentials(USER, SecretStr(password))
    content = b"layer"
    with running_registry(tmp_path, authenticated=True) as host, Registry(host, credentials) as registry:
        if password == PASSWORD:
            registry.put_blob("plates", described(content), [content])
            assert registry.has_blob("plates", described(content).digest)
        else:
            with pytest.raises(RegistryError, match="refuses") as caught:
                registry.put_blob("plates", described(content), [content])
            assert "docker login" in str(caught.value.hint)


def test_a_registrys_own_authority_is_trusted_once_it_lies_where_docker_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setattr("astraea.deployer.registry.client._is_loopback", lambda _host: False)  # else it is no TLS
    monkeypatch.setattr("astraea.deployer.registry.client._CERTIFICATES", tmp_path / "certs.d")
    with running_registry(tmp_path, tls=(certificate, key)) as address:
        host = f"localhost:{address.rpartition(':')[2]}"
        with Registry(host) as stranger, pytest.raises(RegistryError, match=r"can't be reached.*CERTIFICATE") as caught:
            stranger.has_blob("plates", DIGEST)
        assert "certificate" in str(caught.value.hint)
        (tmp_path / "certs.d" / host).mkdir(parents=True)
        shutil.copyfile(certificate, tmp_path / "certs.d" / host / "ca.crt")
        with Registry(host) as trusted:
            trusted.put_blob("plates", described(b"layer"), [b"layer"])
            assert trusted.has_blob("plates", described(b"layer").digest)


class TokenServer:
    """A registry that wants a token for each scope, and the issuer of them; remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.good: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "issuer.example":
            query = dict(parse_qsl(request.url.query.decode() or request.content.decode()))
            self.asked.append((request.method, query, request.headers.get("authorization", "")))
            token = f"token-{len(self.asked)}"
            self.good.add(f"Bearer {token}")
            return httpx.Response(200, json={"access_token" if request.method == "POST" else "token": token})
        if request.headers.get("authorization") in self.good:
            return httpx.Response(200)
        scope = "pull" if request.method == "HEAD" else "pull,push"
        challenge = f'Bearer realm="https://issuer.example/token",service="r",scope="repository:plates:{scope}"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    def client(self, credentials: Credentials | None) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), auth=RegistryAuth(credentials))


BLOB, UPLOAD = f"https://r.example/v2/plates/blobs/{DIGEST}", "https://r.example/v2/plates/blobs/uploads/"


def test_a_token_is_asked_for_once_a_purpose_and_anew_when_it_has_expired() -> None:
    server = TokenServer()
    with server.client(None) as client:
        assert [client.head(BLOB).status_code for _ in range(3)] == [200] * 3
        assert server.asked == [("GET", {"service": "r", "scope": "repository:plates:pull"}, "")]
        assert client.post(UPLOAD).is_success
        assert server.asked[1][1]["scope"] == "repository:plates:pull,push"
        server.good.clear()
        assert client.head(BLOB).is_success
    assert len(server.asked) == 3


def test_the_issuer_of_tokens_is_told_who_asks() -> None:
    server = TokenServer()
    with server.client(Credentials(USER, SecretStr(PASSWORD))) as client:
        assert client.head(BLOB).is_success
    assert server.asked[0][2] == f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
    with server.client(Credentials("<token>", SecretStr("identity"))) as client:
        assert client.head(BLOB).is_success
    method, form, authorization = server.asked[1]
    assert (method, form["grant_type"], form["refresh_token"]) == ("POST", "refresh_token", "identity")
    assert authorization == ""


@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        ('Bearer realm="file:///etc/passwd"', "no address"),
        ('Bearer realm="https://issuer.example/token"', "gives no token: 403"),
    ],
)
def test_an_issuer_that_is_none_or_refuses_is_named(challenge: str, message: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = 403 if request.url.host == "issuer.example" else 401
        return httpx.Response(status, headers={"www-authenticate": challenge})

    with (
        httpx.Client(transport=httpx.MockTransport(answer), auth=RegistryAuth(None)) as client,
        pytest.raises(RegistryError, match=message),
    ):
        client.head(BLOB)


def test_a_login_of_docker_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert find_credentials("registry.example") is None
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": auth}}}))
    found = find_credentials("registry.example")
    assert found == Credentials(USER, SecretStr(PASSWORD))
    assert PASSWORD not in repr(found)
    assert find_credentials("other.example") is None


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"""#!/bin/sh
[ "$(cat)" = registry.example ] && echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'
""")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    assert find_credentials("registry.example") == Credentials(USER, SecretStr(PASSWORD))
    assert find_credentials("other.example") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": {"a.example": {"auth": "!"}}}', '{"credsStore": "../x"}'])
def test_credentials_that_do_not_read_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RegistryError, match="can't be read"):
        find_credentials("a.example")
