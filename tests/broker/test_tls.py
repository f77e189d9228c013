"""A broker that speaks TLS itself."""

import re
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
from pydantic import SecretStr

from astraea.protocol.broker_api import calls
from astraea.protocol.broker_api.client import BrokerApi
from tests.broker.conftest import RunBroker
from tests.edge_server.conftest import wait_until
from tests.edge_server.test_tls import shown, write_certificate

StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]


def test_a_broker_with_a_certificate_is_asked_over_tls_and_shows_a_renewed_one(
    start_broker: StartBroker, tmp_path: Path
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = write_certificate(folder)
    process, client = start_broker("--auth", "--tls-cert", str(certificate), "--tls-key", str(key))
    port = client.base_url.port
    assert client.base_url.scheme == "https"
    assert port
    admin = SecretStr((tmp_path / "astraea" / "admin.key").read_text().strip())
    with httpx.Client(verify=ssl.create_default_context(cafile=str(certificate)), timeout=20) as http:
        api = BrokerApi(http, f"https://localhost:{port}", admin)
        assert api.send(calls.instances()) == []
        cookie = http.post(f"{api.url}/login", data={"key": admin.get_secret_value()}).headers["set-cookie"]
        assert re.search(r"\bsecure\b", cookie, re.IGNORECASE)
    write_certificate(folder)
    wait_until(lambda: shown(("127.0.0.1", port)) == certificate.read_text())
    process.terminate()
    assert process.wait(20) == 0


def test_a_certificate_without_its_key_is_refused(run_broker: RunBroker, tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path)
    with run_broker("--port", "0", "--tls-cert", str(certificate)) as process:
        assert "--tls-cert and --tls-key need each other" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
