"""A stream through the proxy that the environment names, which gives a tunnel or doesn't."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from astraea.device import RefusedError, UnreachableError
from astraea.device.errors import NoStreamError
from astraea.device.transports import AutoTransport, WebSocketTransport
from astraea.protocol.stream import SUBPROTOCOL, EchoMessage, Hello, read_from_device


class Proxy:
    """Gives a tunnel to whoever asks, or says no, and passes no request on; `asked`: their first lines."""

    def __init__(self) -> None:
        self.says = b"HTTP/1.1 200 OK"
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0])
        tunnel = head.startswith(b"CONNECT")
        writer.write(self.says + b"\r\n\r\n" if tunnel else b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n")
        if tunnel and b"200" in self.says:
            host, _, port = head.split(b" ")[1].rpartition(b":")
            there_reader, there = await asyncio.open_connection(host.decode(), int(port))
            await asyncio.gather(_carry(reader, there), _carry(there_reader, writer))
        writer.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
    sink.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    for name in ("ws", "all", "no", "https"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    async with server:
        yield proxy


@pytest.fixture
async def edge() -> AsyncIterator[int]:
    """The port of a server that echoes probes."""

    async def echo(connection: ServerConnection) -> None:
        hello = Hello(session="s", instance="i", revision="1", credits=2, max_bytes=1000)
        await connection.send(hello.encode())
        async for message in connection:
            assert isinstance(message, bytes)
            await connection.send(EchoMessage(read_from_device(message).id).encode())

    async with serve(echo, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:  # type: ignore[list-item]
        yield next(iter(server.sockets)).getsockname()[1]


async def test_a_stream_goes_through_the_proxy(proxy: Proxy, edge: int) -> None:
    transport = WebSocketTransport(f"http://127.0.0.1:{edge}")
    await transport.probe(b"")
    await transport.close()
    assert proxy.asked == [f"CONNECT 127.0.0.1:{edge} HTTP/1.1".encode()]


async def test_an_address_that_is_to_have_no_proxy_has_none(
    proxy: Proxy, edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    transport = WebSocketTransport(f"http://127.0.0.1:{edge}")
    await transport.probe(b"")
    await transport.close()
    assert not proxy.asked


async def test_through_a_proxy_that_gives_no_tunnel_frames_go_as_requests(proxy: Proxy) -> None:
    proxy.says = b"HTTP/1.1 403 Forbidden"
    stream = WebSocketTransport("http://192.0.2.1:8000")
    with pytest.raises(NoStreamError, match="gives no tunnel"):
        await stream.probe(b"")
    await stream.close()
    auto = AutoTransport("http://192.0.2.1:8000")
    with pytest.raises(RefusedError, match="503"):
        await auto.probe(b"")
    await auto.close()
    assert proxy.asked[-2:] == [b"CONNECT 192.0.2.1:8000 HTTP/1.1", b"POST http://192.0.2.1:8000/probe HTTP/1.1"]


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH", b"HTTP/1.1 what?"])
async def test_a_proxy_that_is_none_is_not_reached(proxy: Proxy, said: bytes) -> None:
    proxy.says = said
    transport = WebSocketTransport("http://192.0.2.1:8000")
    with pytest.raises(UnreachableError, match="proxy"):
        await transport.probe(b"")
    await transport.close()


async def test_no_stream_goes_through_socks(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"socks5://127.0.0.1:{proxy.port}")
    transport = WebSocketTransport("http://192.0.2.1:8000")
    with pytest.raises(NoStreamError, match="socks5"):
        await transport.probe(b"")
    await transport.close()
