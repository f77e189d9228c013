"""Registries: names and credentials as Docker reads them; blobs and manifests to and from a real one."""

import base64
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from astraea.deployer.errors import ImageError, RegistryError
from astraea.deployer.oci import MANIFEST_MEDIA_TYPE, Descriptor, Manifest
from astraea.deployer.registry import Credentials, Reference, Registry, find_credentials
from tests.conftest import need
from tests.deployer.conftest import Cli, WriteService
from tests.deployer.registry_server import PASSWORD, USER, running_registry
from tests.deployer.token_issuer import IDENTITY, TokenIssuer, issuing_tokens
from tests.edge_server.test_tls import write_certificate

ADA = Credentials(USER, SecretStr(PASSWORD))
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


def test_a_registry_that_goes_away_while_it_sends_is_named(tmp_path: Path) -> None:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    content = bytes(2**26)  # more than sockets hold
    with ExitStack() as running:
        host = running.enter_context(running_registry(tmp_path))
        with Registry(host) as registry:
            registry.put_blob("plates", described(content), [content])
            with registry.blob("plates", described(content).digest) as parts:
                assert next(parts)
                running.close()
                with pytest.raises(RegistryError, match=f"{host} can't be reached"):
                    list(parts)
            with pytest.raises(RegistryError, match=f"{host} can't be reached"), registry.blob("plates", DIGEST):
                pass


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


def test_a_registrys_own_authority_is_trusted_once_it_is_named_or_lies_where_docker_has_it(
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
        with monkeypatch.context() as named:
            named.setenv("SSL_CERT_FILE", str(certificate))
            with Registry(host) as trusted:
                assert not trusted.has_blob("plates", DIGEST)
        (tmp_path / "certs.d" / host).mkdir(parents=True)
        shutil.copyfile(certificate, tmp_path / "certs.d" / host / "ca.crt")
        with Registry(host) as trusted:
            trusted.put_blob("plates", described(b"layer"), [b"layer"])
            assert trusted.has_blob("plates", described(b"layer").digest)


def put_image(registry: Registry, repository: str, content: bytes) -> Reference:
    """Push an image whose only blob is this."""
    registry.put_blob(repository, described(content), [content])
    manifest = Manifest(config=described(content), layers=()).to_json().encode()
    registry.put_manifest(Reference(registry.host, repository, "1.0"), manifest, MANIFEST_MEDIA_TYPE)
    return Reference(registry.host, repository, "1.0")


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[TokenIssuer]:
    need("registry-server", shutil.which("docker-registry") is not None, "docker-registry is not installed")
    with issuing_tokens(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def guarded(tmp_path: Path, issuer: TokenIssuer) -> Iterator[str]:
    """The host and port of a registry that wants the issuer's tokens."""
    with running_registry(tmp_path, tokens=issuer.configuration) as host:
        yield host


@pytest.mark.parametrize("credentials", [ADA, Credentials("<token>", SecretStr(IDENTITY))], ids=["password", "token"])
def test_a_token_is_asked_for_once_a_purpose(guarded: str, issuer: TokenIssuer, credentials: Credentials) -> None:
    with Registry(guarded, credentials) as registry:
        base = put_image(registry, "base", b"config")
        assert registry.has_blob("base", described(b"config").digest)
        assert issuer.asked == [{"base": {"pull", "push"}}, {"base": {"pull"}}]
        assert registry.mount_blob("plates", described(b"config").digest, "base")
        assert issuer.asked[2:] == [{"plates": {"pull", "push"}, "base": {"pull"}}]
    with Registry(guarded, credentials) as registry:
        config = Manifest.model_validate_json(registry.manifest(base).content).config
        with registry.blob("plates", config.digest) as parts:
            assert b"".join(parts) == b"config"
    assert issuer.asked[3:] == [{"base": {"pull"}}, {"plates": {"pull"}}]


def test_who_brings_no_password_may_pull_and_not_push(guarded: str) -> None:
    with Registry(guarded, ADA) as registry:
        image = put_image(registry, "plates", b"config")
    with Registry(guarded) as registry:
        assert registry.manifest(image).content
        with pytest.raises(RegistryError, match="refuses: authentication required") as caught:
            registry.put_blob("plates", described(b"layer"), [b"layer"])
        assert "docker login" in str(caught.value.hint)


def test_tokens_are_renewed_before_they_end(guarded: str, issuer: TokenIssuer, tmp_path: Path) -> None:
    """Else one could end between the beginning of an upload and its content, which can't be sent again."""
    issuer.life_s = 4
    with Registry(guarded, ADA) as registry:
        while len(issuer.asked) < 3:
            put_image(registry, "plates", secrets.token_bytes(16))
    assert "invalid token" not in (tmp_path / "registry.log").read_text()


def test_a_token_that_ends_while_content_is_sent_is_renewed_after(guarded: str, issuer: TokenIssuer) -> None:
    issuer.life_s = 3

    def parts() -> Iterator[bytes]:
        yield b"first"
        time.sleep(issuer.life_s)
        yield b"second"

    with Registry(guarded, ADA) as registry:
        registry.put_blob("plates", described(b"firstsecond"), parts())
        put_image(registry, "plates", b"config")
        assert registry.has_blob("plates", described(b"firstsecond").digest)
    assert issuer.asked.count({"plates": {"pull", "push"}}) > 1


def test_a_wrong_password_is_what_the_command_tells_of(
    guarded: str, cli: Cli, home: Path, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(home))
    auth = base64.b64encode(f"{USER}:wrong".encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {guarded: {"auth": auth}}}))
    refused = cli("build", write_service(), "--push", f"{guarded}/hello", "--base", f"{guarded}/base", status=1).stderr
    assert "127.0.0.1 gives no token: 401 Unauthorized" in refused
    assert "check the password" in refused


def test_an_issuer_that_is_none_is_named(tmp_path: Path, issuer: TokenIssuer) -> None:
    tokens = {**issuer.configuration, "realm": "file:///etc/passwd"}
    with (
        running_registry(tmp_path, tokens=tokens) as host,
        Registry(host, ADA) as registry,
        pytest.raises(RegistryError, match=r"'file:///etc/passwd'.*no address"),
    ):
        registry.has_blob("plates", DIGEST)


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
