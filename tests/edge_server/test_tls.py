"""`astraea serve` over TLS."""

import datetime as dt
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from astraea.protocol import CertificateError
from tests.edge_server.conftest import StartServer, WriteService, wait_until
from tests.edge_server.test_cli import refusal
from tests.edge_server.test_stream_protocol import frame, stream


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of localhost by itself, and its key."""
    return write_certificate(tmp_path)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    tomorrow = now + dt.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, tomorrow)
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "cert.pem", folder / "key.pem"


def test_requests_large_and_small_are_answered_over_tls(
    start_server: StartServer, write_service: WriteService, certificate: tuple[Path, Path]
) -> None:
    folder = write_service("def predict(model, body: bytes): return len(body)")
    server = start_server(folder, "--tls-cert", certificate[0], "--tls-key", certificate[1])
    with server.client() as plain:
        url = plain.base_url.copy_with(host="localhost")
    assert url.scheme == "https"
    context = ssl.create_default_context(cafile=certificate[0])
    with httpx.Client(base_url=url, verify=context, timeout=20) as client:
        for size in (0, 1, 70_000, 5_000_000):
            assert client.post("/predict", content=bytes(size)).json() == {"output": size}
            assert client.get("/readyz").status_code == 200
    assert server.stop() == 0


def test_streams_are_carried_by_tls_too(
    start_server: StartServer, write_service: WriteService, certificate: tuple[Path, Path]
) -> None:
    folder = write_service("def predict(model, body: bytes): return len(body)")
    server = start_server(folder, "--tls-cert", certificate[0], "--tls-key", certificate[1])
    with server.client() as plain:
        url = f"wss://localhost:{plain.base_url.port}/stream"
    context = ssl.create_default_context(cafile=certificate[0])
    with stream(url, ssl=context) as client:
        for number, size in enumerate((0, 1, 16_300, 70_000, 5_000_000), start=1):
            client.send(frame(number, bytes(size)))
            assert client.results(1)[0][3] == b'{"output":%d}' % size


def test_a_renewed_certificate_is_shown_without_a_restart_and_half_of_one_is_not(
    start_server: StartServer, write_service: WriteService, certificate: tuple[Path, Path]
) -> None:
    server = start_server(write_service(), "--tls-cert", certificate[0], "--tls-key", certificate[1])
    with server.client() as plain:
        address = ("127.0.0.1", plain.base_url.port or 443)
    assert shown(address) == certificate[0].read_text()
    key = certificate[1].read_text()
    certificate[1].write_text("half written")
    wait_until(lambda: "stays what it was" in server.log)
    assert shown(address) == certificate[0].read_text()
    certificate[1].write_text(key)
    write_certificate(certificate[0].parent)
    wait_until(lambda: shown(address) == certificate[0].read_text())


def shown(address: tuple[str, int]) -> str:
    return ssl.get_server_certificate(address, timeout=10)


def test_a_certificate_that_cannot_be_is_told(
    write_service: WriteService, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = str(write_service())
    for options in (
        [f"--tls-cert={certificate[0]}"],
        [f"--tls-cert={certificate[0]}", f"--tls-key={tmp_path / 'nowhere'}"],
        [f"--tls-cert={certificate[1]}", f"--tls-key={certificate[1]}"],
    ):
        error = refusal(folder, *options)
        assert isinstance(error, CertificateError), error
        assert "--tls-cert" in str(error)
