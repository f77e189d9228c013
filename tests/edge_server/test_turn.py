"""Video through a relay: a real coturn, whose credentials expire, and a publisher that has no other way."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy
from pydantic import SecretStr

from astraea.edge_server.api import Api
from astraea.edge_server.app import create_app, predict_endpoint
from astraea.edge_server.errors import OptionError
from astraea.edge_server.streaming import Streaming
from astraea.edge_server.webrtc.ice import IceServers
from tests.conftest import need

from .conftest import settle, wait_until
from .publisher import Publisher
from .test_whip import api, wrong

__all__ = ["api"]  # a fixture

SECRET = "a secret of the relay's and the server's"
_COTURN = shutil.which("turnserver")


def answers(host: str, port: int) -> bool:
    """Whether a STUN server answers a binding request (RFC 8489)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        asking.sendto(bytes.fromhex("00010000 2112a442 000102030405060708090a0b"), (host, port))
        try:
            return bool(asking.recv(100))
        except OSError:
            return False


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[str]:
    """The URL of a TURN server."""
    need("coturn", _COTURN is not None, "there is no TURN server: apt install coturn")
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    need("coturn", bool(addresses), "this machine has no address but its own loopback")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((addresses[0], 0))
        port = probe.getsockname()[1]
    options = {
        "listening-ip": addresses[0],
        "relay-ip": addresses[0],
        "listening-port": str(port),
        "realm": "astraea",
        "static-auth-secret": SECRET,
        "pidfile": str(tmp_path / "pid"),
        "userdb": str(tmp_path / "db"),
        "log-file": "stdout",
    }
    flags = ("--use-auth-secret", "--fingerprint", "--no-tls", "--no-dtls", "--no-cli", "--simple-log", "-n")
    command = [str(_COTURN), *flags, *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(addresses[0], port))
            yield f"turn:{addresses[0]}:{port}?transport=udp"
        finally:
            process.terminate()


@pytest.fixture
async def streaming(api: Api, relay: str) -> AsyncIterator[Streaming]:
    streaming = Streaming(predict_endpoint(api), IceServers((relay,), SecretStr(SECRET)))
    yield streaming
    await streaming.close()


async def published(api: Api, streaming: Streaming, server: RTCIceServer) -> list[dict[str, object]]:
    """The results of a publisher that has no way but a relay."""
    transport = httpx.ASGITransport(create_app(api, streaming=streaming))
    async with httpx.AsyncClient(transport=transport, base_url="http://here", timeout=30) as client:
        configuration = RTCConfiguration([server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
        publisher = Publisher(client, configuration=configuration)
        try:
            response = await publisher.publish()
            assert response.status_code == 201
            offered = publisher.connection.localDescription.sdp
            assert "typ host" not in offered
            if "typ relay" in offered:
                assert "typ relay" in response.text  # the server has a relayed address, too
                await settle(lambda: len(publisher.results) > 10, 20)
            assert not wrong(publisher)
            return publisher.results
        finally:
            await publisher.connection.close()


async def test_video_goes_through_a_relay_with_the_credentials_that_the_server_gives(
    api: Api, streaming: Streaming, relay: str
) -> None:
    [server] = IceServers((relay,), SecretStr(SECRET)).usable_now(time.time())
    assert len(await published(api, streaming, RTCIceServer(server.url, server.username, server.credential))) > 10


async def test_credentials_that_have_expired_open_no_relay(api: Api, streaming: Streaming, relay: str) -> None:
    [server] = IceServers((relay,), SecretStr(SECRET)).usable_now(time.time() - 24 * 3600)
    assert await published(api, streaming, RTCIceServer(server.url, server.username, server.credential)) == []


@pytest.mark.parametrize("url", ["http://turn.example", "turn:", "turn:turn.example?transport=sctp", "stun:a b"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(OptionError, match="--ice-server"):
        IceServers((url,), SecretStr(SECRET))


def test_a_relay_needs_a_secret() -> None:
    with pytest.raises(OptionError, match="needs a secret"):
        IceServers(("turn:turn.example",))
