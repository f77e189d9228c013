"""The connection's own way to read a request agrees with a full parser, and never gets in uvicorn's way."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.http1 import parse_head
from tests.edge_server.conftest import Server, StartServer, WriteService, wait_until
from tests.edge_server.test_serve import GATED_HANDLER, status

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
LENGTH = "def predict(model, body: bytes): return len(body)"


class Oracle:
    """What httptools makes of the same bytes."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url, self.body = b"", b""
        self.complete = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


names = st.sampled_from(
    [b"Content-Length", b"content-length", b"X-A", b"Connection", b"TE", b"Expect", b"a b", b"", b"x"]
)
values = st.one_of(
    st.sampled_from(
        [b"3", b"03", b"+3", b"3, 3", b" 3\t", b"", b"keep-alive", b"close", b"chunked", b"\x00", b"\xff", b"a\rb"]
    ),
    st.binary(max_size=8),
)
lines = st.lists(st.tuples(names, st.sampled_from([b":", b": ", b" :", b""]), values), max_size=5)
first = st.sampled_from(
    [b"POST /predict HTTP/1.1"] * 5 + [b"POST /predict HTTP/1.0", b"POST /predictX HTTP/1.1", b"GET / HTTP/1.1"]
)


@given(first, lines, st.sampled_from([b"\r\n"] * 5 + [b"\n", b"\r\n "]), st.booleans())
def test_whatever_is_accepted_a_full_parser_reads_alike(
    line: bytes, fields: list[tuple[bytes, bytes, bytes]], end: bytes, announced: bool
) -> None:
    fields = [*fields, (b"content-length", b": ", b"3")] if announced else fields
    data = end.join([line, *(b"".join(field) for field in fields)]) + b"\r\n\r\nabc"
    parsed = parse_head(data)
    if parsed is None:
        return
    headers, begin = parsed
    oracle = Oracle(data[: begin + int(headers[b"content-length"])])
    assert (oracle.method, oracle.url) == (b"POST", b"/predict")
    assert [(name, value.strip(b" \t")) for name, value in oracle.headers] == list(headers.items())
    assert oracle.body == data[begin : begin + int(headers[b"content-length"])]


def test_a_plain_request_is_read_here() -> None:
    headers, begin = parse_head(HEAD + b"Content-Type: image/jpeg \r\n\r\nabc") or ({}, 0)
    assert headers == {b"host": b"x", b"content-length": b"3", b"content-type": b"image/jpeg"}
    assert begin == len(HEAD) + 29


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD + b"content-length: 3\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        HEAD + b"expect: 100-continue\r\n\r\n",
        HEAD + b"connection: close\r\n\r\n",
        HEAD + b"folded:\r\n line\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"space : x\r\n\r\n",
        HEAD + b"x: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n",
    ],
)
def test_what_is_unusual_is_left_to_uvicorn(data: bytes) -> None:
    assert parse_head(data) is None


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with server.client() as client:
        address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        yield connection


def replies(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Status and body of so many replies."""
    found: list[tuple[int, bytes]] = []
    data = b""
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(fields[b"content-length"])
            if len(rest) >= size:
                found.append((int(head.split()[1]), rest[:size]))
                data = rest[size:]
                continue
        part = connection.recv(65536)
        assert part, (found, data)
        data += part
    assert not data
    return found


def request(body: bytes, *fields: bytes, path: bytes = b"/predict") -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"host: x", b"content-length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_requests_of_any_kind_and_cut_share_a_connection(
    start_server: StartServer, write_service: WriteService
) -> None:
    server = start_server(write_service(LENGTH))
    chunked = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with connected(server) as connection:
        for data, size in ((request(b"x" * 70_000), 70_000), (chunked, 3), (request(b""), 0), (request(b"ab"), 2)):
            connection.sendall(data)
            assert replies(connection, 1) == [(200, b'{"output":%d}' % size)]
        slow = request(b"abcd")
        for at in range(1, len(slow), 7):
            connection.sendall(slow[:at])
            time.sleep(0.002)  # so that it goes in two packets
            connection.sendall(slow[at:])
            assert replies(connection, 1) == [(200, b'{"output":4}')]
    assert server.stop() == 0


def test_a_body_in_many_packets_wakes_the_server_a_few_times(
    start_server: StartServer, write_service: WriteService
) -> None:
    server = start_server(write_service(LENGTH))
    packet, count = b"x" * 1400, 100
    head = request(packet * count).partition(b"x" * 1400)[0]

    def wakes() -> int:
        (line,) = re.findall(r"^voluntary_ctxt_switches:\t(\d+)", status_of(server), re.MULTILINE)
        return int(line)

    with connected(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before = wakes()
        for data in (head, *[packet] * count):
            connection.sendall(data)
            time.sleep(0.002)
        assert replies(connection, 1) == [(200, b'{"output":%d}' % (len(packet) * count))]
        assert wakes() - before < count / 2


def status_of(server: Server) -> str:
    """What the kernel says of its event loop's thread; see proc(5)."""
    return Path(f"/proc/{server.process.pid}/status").read_text()


def test_requests_sent_ahead_are_answered_in_order(start_server: StartServer, write_service: WriteService) -> None:
    with connected(start_server(write_service(LENGTH))) as connection:
        connection.sendall(b"".join(request(b"x" * size) for size in range(200)))
        assert replies(connection, 200) == [(200, b'{"output":%d}' % size) for size in range(200)]
        connection.sendall(request(b"1") + request(b"22", b"expect: nothing") + request(b"333"))
        assert replies(connection, 3) == [(200, b'{"output":%d}' % size) for size in (1, 2, 3)]


def test_after_a_refusal_the_connection_goes_on(start_server: StartServer, write_service: WriteService) -> None:
    with connected(start_server(write_service(LENGTH))) as connection:
        for body in (b"x", b"x" * 300_000):
            connection.sendall(request(body, b"astraea-deadline-ms: soon"))
            assert replies(connection, 1)[0][0] == 400
            connection.sendall(request(b"x"))
            assert replies(connection, 1) == [(200, b'{"output":1}')]


def test_a_server_that_ends_says_so_to_who_waits(start_server: StartServer, write_service: WriteService) -> None:
    folder = write_service(GATED_HANDLER)
    server = start_server(folder)
    with connected(server) as connection, server.client() as client:
        connection.sendall(request(b"x", b"content-type: text/plain"))
        wait_until(lambda: "astraea_in_flight 1.0" in client.get("/metrics").text)
        server.process.terminate()
        wait_until(lambda: status(client, "/livez") == 0)
        (folder / "gate").touch()
        head = connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in head
        assert connection.recv(1) == b""
    assert server.process.wait(timeout=20) == 0
