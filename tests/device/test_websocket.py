"""The stream to an edge server that answers, stalls, breaks off and babbles as it is told, over a real WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from astraea.device import CorruptError, DeviceError, RefusedError, UnreachableError
from astraea.device.errors import NoStreamError
from astraea.device.transports import (
    AutoTransport,
    Credential,
    SwitchingTransport,
    WebSocketTransport,
    transport_named,
)
from astraea.protocol import ServerTiming
from astraea.protocol.stream import (
    SUBPROTOCOL,
    EchoMessage,
    FrameMessage,
    Hello,
    ProbeMessage,
    ResultMessage,
    read_from_device,
)

from .conftest import HttpReply, Peer

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TIMES = (1.0, 0.0, 2.0, 0.5, 3.5)
JPEG = "image/jpeg"


class Edge:
    """An edge server's stream. `behave` is told each frame, and may answer."""

    def __init__(self) -> None:
        self.hello = Hello(session="s", instance="i", revision="r", credits=2, max_bytes=1000)
        self.connections: list[ServerConnection] = []
        self.sessions: list[str | None] = []
        """Those that were asked for, one for each connection."""
        self.frames: list[FrameMessage] = []
        self.port = 0
        self.authorization: str | None = None
        self.behave: Callable[[ServerConnection, FrameMessage], Any] = self.answer

    async def answer(self, connection: ServerConnection, frame: FrameMessage) -> None:
        await self.result(connection, frame.id)

    async def result(self, connection: ServerConnection, number: int, status: int = 200, body: bytes = b"{}") -> None:
        await connection.send(ResultMessage(number, status, 1, TIMES, body).encode())

    async def stall(self, connection: ServerConnection, frame: FrameMessage) -> None:
        pass

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.authorization = connection.request.headers.get("Authorization")
        self.sessions.append(parse_qs(urlsplit(connection.request.path).query).get("session", [None])[0])
        self.connections.append(connection)
        await connection.send(self.hello.encode())
        with suppress(ConnectionClosed):
            async for data in connection:
                assert isinstance(data, bytes)
                message = read_from_device(data)
                if isinstance(message, ProbeMessage):
                    await connection.send(EchoMessage(message.id).encode())
                else:
                    self.frames.append(message)
                    await self.behave(connection, message)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    async with serve(edge.serve, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:  # type: ignore[list-item]
        edge.port = server.sockets[0].getsockname()[1]
        yield edge


@pytest.fixture
async def transport(edge: Edge) -> AsyncIterator[WebSocketTransport]:
    transport = WebSocketTransport(f"http://127.0.0.1:{edge.port}/", Credential("secret"))
    yield transport
    await transport.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to set
            await asyncio.sleep(0.002)


async def test_a_frame_goes_out_and_its_answer_comes_back(edge: Edge, transport: WebSocketTransport) -> None:
    reply = await transport.send(b"jpeg", JPEG, deadline_ms=500, traceparent=TRACE)
    assert (reply.body, reply.instance, reply.revision) == (b"{}", "i", "r")
    assert reply.server.infer_ms == 2
    assert reply.elapsed_ms >= reply.network_ms
    [frame] = edge.frames
    assert (frame.id, frame.payload, frame.trace) == (1, b"jpeg", TRACE.encode())
    assert 0 < frame.deadline_ms <= 500
    assert edge.authorization == "Bearer secret"


async def test_a_probe_carries_as_many_bytes_as_asked(edge: Edge, transport: WebSocketTransport) -> None:
    reply = await transport.probe(bytes(600))
    assert (reply.body, reply.server) == (b"", ServerTiming())


async def test_all_frames_go_over_one_connection(edge: Edge, transport: WebSocketTransport) -> None:
    await asyncio.gather(*(transport.send(b"x", JPEG) for _ in range(20)))
    assert [frame.id for frame in edge.frames] == list(range(1, 21))
    assert len(edge.connections) == 1


async def test_answers_find_their_frames_in_any_order(edge: Edge, transport: WebSocketTransport) -> None:
    async def both(connection: ServerConnection, frame: FrameMessage) -> None:
        if frame.id == 2:
            for number in (2, 1):
                await edge.result(connection, number, body=b"%d" % number)

    edge.behave = both
    replies = await asyncio.gather(transport.send(b"a", JPEG), transport.send(b"b", JPEG))
    assert [reply.body for reply in replies] == [b"1", b"2"]


async def test_no_frame_is_sent_without_a_credit_and_the_newest_is_next(
    edge: Edge, transport: WebSocketTransport
) -> None:
    edge.behave = edge.stall
    sends = [asyncio.create_task(transport.send(b"%d" % number, JPEG)) for number in range(5)]
    await until(lambda: len(edge.frames) == 2)
    assert (await transport.probe(b"")).body == b""  # so what was sent before has arrived
    assert [(frame.payload, frame.last_credit) for frame in edge.frames] == [(b"0", False), (b"1", True)]
    edge.behave = edge.answer
    await edge.result(edge.connections[0], 1)
    await asyncio.gather(sends[0], *sends[2:])
    assert [frame.payload for frame in edge.frames] == [b"0", b"1", b"4", b"3", b"2"]
    waited = await sends[2]
    assert waited.server.queue_ms > 0
    assert waited.server.total_ms == pytest.approx(waited.server.queue_ms + 3.5)
    await edge.result(edge.connections[0], 2)
    await sends[1]


async def test_who_gives_up_costs_nobody_a_credit(edge: Edge, transport: WebSocketTransport) -> None:
    edge.behave = edge.stall
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await transport.send(b"", JPEG)
    waiting = asyncio.create_task(transport.send(b"", JPEG))
    await asyncio.sleep(0)
    waiting.cancel()
    edge.behave = edge.answer
    for number in (1, 2):
        await edge.result(edge.connections[0], number)
    await asyncio.gather(*(transport.send(b"", JPEG) for _ in range(3)))


async def test_a_refusal_gives_the_problem_document_s_reason(edge: Edge, transport: WebSocketTransport) -> None:
    async def refuse(connection: ServerConnection, frame: FrameMessage) -> None:
        await edge.result(connection, frame.id, 429, b'{"title": "Busy", "status": 429, "detail": "64 wait already"}')

    edge.behave = refuse
    with pytest.raises(RefusedError, match="429: 64 wait already"):
        await transport.send(b"", JPEG)


async def test_what_is_too_large_is_not_sent_at_all(edge: Edge, transport: WebSocketTransport) -> None:
    for _ in range(3):
        with pytest.raises(RefusedError, match="takes messages of 1000 bytes; this has 1012"):
            await transport.send(bytes(1000), JPEG)
    await transport.send(bytes(900), JPEG)
    assert len(edge.frames) == 1


@pytest.mark.parametrize("nonsense", [b"", b"\x01nonsense", b"\x03short", "{}", bytes(9 * 2**20)])
async def test_nonsense_is_corrupt_and_a_new_connection_serves(
    edge: Edge, transport: WebSocketTransport, nonsense: bytes | str
) -> None:
    async def babble(connection: ServerConnection, frame: FrameMessage) -> None:
        await connection.send(nonsense)

    edge.behave = babble
    edge.hello = edge.hello.model_copy(update={"session": "other"})
    with pytest.raises((CorruptError, UnreachableError)):
        async with asyncio.timeout(5):
            await transport.send(b"", JPEG)
    edge.behave = edge.answer
    await transport.send(b"", JPEG)


async def test_after_a_break_the_session_goes_on_and_what_had_arrived_is_answered(
    edge: Edge, transport: WebSocketTransport
) -> None:
    edge.behave = edge.stall
    sends = [asyncio.create_task(transport.send(b"", JPEG)) for _ in range(2)]
    await until(lambda: len(edge.frames) == 2)
    edge.hello = edge.hello.model_copy(update={"last_id": 2, "pending": (2,)})
    edge.connections[0].transport.abort()
    with pytest.raises(UnreachableError, match="lost with the connection"):
        await sends[0]
    assert edge.sessions == [None, "s"]
    await edge.result(edge.connections[1], 2, body=b"2")
    assert (await sends[1]).body == b"2"
    edge.behave = edge.answer
    await transport.send(b"", JPEG)
    assert edge.frames[-1].id == 3


async def test_a_server_that_says_goodbye_is_not_waited_for(edge: Edge, transport: WebSocketTransport) -> None:
    async def leave(connection: ServerConnection, frame: FrameMessage) -> None:
        await connection.close(1001, "the instance is about to end")

    edge.behave = leave
    with pytest.raises(UnreachableError, match="about to end"):
        await transport.send(b"", JPEG)
    assert len(edge.connections) == 1


async def test_a_connection_on_which_nothing_moves_is_replaced(edge: Edge, transport: WebSocketTransport) -> None:
    await transport.send(b"", JPEG)
    edge.connections[0].transport.pause_reading()  # as if the path were cut: neither pongs nor results
    edge.hello = edge.hello.model_copy(update={"last_id": 1})
    lost = asyncio.create_task(transport.send(b"", JPEG))
    await until(lambda: len(edge.connections) == 2)
    with pytest.raises(UnreachableError, match="lost with the connection"):
        await lost
    await transport.send(b"", JPEG)
    edge.connections[0].transport.abort()


async def test_a_server_that_only_computes_for_long_is_waited_for(edge: Edge, transport: WebSocketTransport) -> None:
    async def compute(connection: ServerConnection, frame: FrameMessage) -> None:
        await asyncio.sleep(1.6)
        await edge.result(connection, frame.id)

    edge.behave = compute
    await transport.send(b"", JPEG)
    assert len(edge.connections) == 1


async def test_where_nobody_answers_the_target_is_unreachable() -> None:
    for url in ("http://127.0.0.1:1", "http://no-such-host.invalid", "ftp://host", "http://[::bad"):
        transport = WebSocketTransport(url)
        with pytest.raises(UnreachableError):
            await transport.send(b"", JPEG)
        await transport.close()


@pytest.mark.parametrize(
    ("status", "error"), [(404, NoStreamError), (426, NoStreamError), (401, RefusedError), (503, RefusedError)]
)
async def test_a_handshake_that_fails_says_why(peer: Peer, status: int, error: type[Exception]) -> None:
    peer.reply = HttpReply(status, b'{"title": "No", "status": %d, "detail": "because"}' % status)
    transport = WebSocketTransport(peer.url)
    with pytest.raises(error, match=str(status)):
        await transport.send(b"", JPEG)
    await transport.close()


async def test_a_server_without_streams_gets_requests(peer: Peer) -> None:
    peer.reply = HttpReply(HTTPStatus.OK, b'{"output": 1}')  # to whatever it is asked
    transport = AutoTransport(peer.url)
    await transport.probe(b"12")
    assert (await transport.send(b"jpeg", JPEG)).body == b'{"output": 1}'
    await transport.close()
    assert [(method, path) for method, path, _ in peer.requests] == [
        ("GET", "/stream"),
        ("POST", "/probe"),
        ("POST", "/predict"),
    ]


async def test_a_server_with_streams_gets_a_stream(edge: Edge) -> None:
    transport = AutoTransport(f"http://127.0.0.1:{edge.port}")
    await transport.probe(b"")
    await transport.send(b"jpeg", JPEG)
    await transport.close()
    assert len(edge.frames) == 1


def test_a_transport_is_known_by_its_name() -> None:
    assert isinstance(transport_named("auto", Credential())("http://127.0.0.1:9"), SwitchingTransport)
    with pytest.raises(DeviceError, match="no transport 'pigeon'; choose from auto, http"):
        transport_named("pigeon", Credential())  # type: ignore[arg-type] # what an app without a type checker might do
