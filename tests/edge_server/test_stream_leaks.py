"""Streams that end in whatever way leave nothing behind, and those that do nothing cost nothing."""

import asyncio
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.uri import parse_uri

from astraea.edge_server.api import Api
from astraea.edge_server.app import predict_endpoint
from astraea.edge_server.streams.entrance import Entrance
from astraea.edge_server.streams.session import Sessions
from astraea.protocol.stream import FrameMessage, read_hello
from tests.edge_server.conftest import MakeService, StartServer, WriteService, settle, wait_until
from tests.edge_server.test_stream_protocol import LENGTH, address, stream

LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing sends a reset."""


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def figure(of: str, name: str) -> float:
    return next((float(line.split()[1]) for line in of.splitlines() if line.startswith(name)), 0.0)


def test_a_hundred_streams_dropped_abruptly_leave_nothing(
    start_server: StartServer, write_service: WriteService
) -> None:
    server = start_server(write_service(LENGTH))
    url, pid = address(server), server.process.pid

    def drop(count: int, *, after_frames: int) -> None:
        """Open so many at once, send some frames on each, and reset them amid the next."""
        with ExitStack() as stack:
            for _ in range(count):
                protocol = ClientProtocol(parse_uri(url))
                protocol.send_request(protocol.connect())
                connection = stack.enter_context(socket.create_connection((protocol.uri.host, protocol.uri.port)))
                connection.sendall(b"".join(protocol.data_to_send()))
                while not isinstance(next(iter(protocol.events_received()), None), Response):
                    protocol.receive_data(connection.recv(4096))
                for number in range(1, after_frames + 2):
                    protocol.send_binary(FrameMessage(number, b"x" * 100_000).encode())
                data = b"".join(protocol.data_to_send())
                connection.sendall(data[: len(data) - 50_000])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)

    with server.client() as http:

        def memory() -> float:
            return figure(http.get("/metrics").text, "process_resident_memory_bytes")

        def streams() -> float:
            return figure(http.get("/metrics").text, 'astraea_streams{transport="websocket"}')

        drop(20, after_frames=0)
        wait_until(lambda: streams() == 0)
        before, files = memory(), open_files(pid)
        drop(100, after_frames=0)
        wait_until(lambda: open_files(pid) <= files)
        wait_until(lambda: streams() == 0)
        drop(100, after_frames=2)  # these may come back for a while, without a connection of theirs
        wait_until(lambda: open_files(pid) <= files)
        wait_until(lambda: "astraea_in_flight 0.0" in http.get("/metrics").text)
        assert memory() - before < 30e6


def test_fifty_idle_streams_take_no_time(start_server: StartServer, write_service: WriteService) -> None:
    server = start_server(write_service(LENGTH))
    url = address(server)
    with ExitStack() as stack, server.client() as http:
        for _ in range(50):
            stack.enter_context(stream(url))

        def cpu_s() -> float:
            return figure(http.get("/metrics").text, "process_cpu_seconds_total")

        before_s, began_s = cpu_s(), time.monotonic()
        time.sleep(3)
        assert (cpu_s() - before_s) / (time.monotonic() - began_s) < 0.02


class NoSocket:
    def dup(self) -> "NoSocket":
        return self

    def setsockopt(self, *options: int) -> None:
        pass

    def close(self) -> None:
        pass


class Pipe(asyncio.Transport):
    """A connection to nowhere."""

    def __init__(self) -> None:
        super().__init__({"socket": NoSocket()})
        self.written = b""
        self.protocol: asyncio.BaseProtocol | None = None
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False


def feed(connection: asyncio.BufferedProtocol, data: bytes) -> None:
    """Have it receive so much in one go."""
    memoryview(connection.get_buffer(-1))[: len(data)] = data
    connection.buffer_updated(len(data))


class Door:
    """An entrance, and devices before it."""

    def __init__(self, api: Api) -> None:
        self.sessions = Sessions(predict_endpoint(api))
        self.entrance = Entrance(self.sessions)
        self.server = ServerState()

    def enter(self, query: str = "") -> tuple[Pipe, asyncio.BufferedProtocol, ClientProtocol, str]:
        """A connection, both its ends' protocols, and its session."""
        client = ClientProtocol(parse_uri(f"ws://here/stream{query}"))
        client.send_request(client.connect())
        pipe = Pipe()
        self.entrance.take(b"".join(client.data_to_send()), pipe, self.server, memoryview(bytearray(65536)))
        client.receive_data(pipe.written)
        _, hello = client.events_received()
        assert isinstance(hello, Frame)
        return pipe, cast("asyncio.BufferedProtocol", pipe.protocol), client, read_hello(bytes(hello.data)).session

    def send(self, connection: asyncio.BufferedProtocol, client: ClientProtocol, frame_id: int) -> None:
        client.send_binary(FrameMessage(frame_id, b"abc").encode())
        data = b"".join(client.data_to_send())
        feed(connection, data)


@pytest.fixture
def door(api: Api, make_service: MakeService) -> Door:
    api.service = make_service(LENGTH)
    return Door(api)


async def test_a_stream_that_nobody_comes_back_for_ends_in_time(door: Door) -> None:
    _, connection, client, _ = door.enter()
    door.send(connection, client, 1)
    await settle(lambda: door.sessions.api.pool.in_flight == 0)
    connection.connection_lost(None)
    now_s = time.monotonic()
    door.entrance.sweep(now_s + 25)
    assert len(door.sessions) == 1
    door.entrance.sweep(now_s + 35)
    assert len(door.sessions) == 0
    assert door.sessions.api.held_bytes == 0
    assert not door.server.connections


async def test_a_silent_peer_is_asked_and_then_let_go(door: Door) -> None:
    pipe, connection, _, _ = door.enter()
    began_s, written = time.monotonic(), len(pipe.written)
    door.entrance.sweep(began_s + 21)
    assert pipe.written[written:] == b"\x89\x00"  # a ping
    door.entrance.sweep(began_s + 30)
    still_open = not pipe.closed
    door.entrance.sweep(began_s + 46)
    assert (still_open, pipe.closed) == (True, True)
    connection.connection_lost(None)


async def test_a_message_that_trickles_is_not_waited_for(door: Door) -> None:
    pipe, connection, _, _ = door.enter()
    began_s = time.monotonic()
    for second in range(40):
        feed(connection, (b"\x82\xfe\x10" + bytes(99))[second : second + 1])
        door.entrance.sweep(began_s + second)
    assert b"a message took more than 30 s" in pipe.written
    connection.connection_lost(None)
    assert door.sessions.api.held_bytes == 0


async def test_when_all_places_are_taken_who_is_away_makes_room(door: Door) -> None:
    object.__setattr__(door.sessions.api.limits, "streams", 1)
    _, connection, client, session = door.enter()
    door.send(connection, client, 1)
    connection.connection_lost(None)
    *_, another = door.enter(f"?session={session}x")
    assert another != session
    await settle(lambda: door.sessions.api.pool.in_flight == 0)
    assert len(door.sessions) == 1
