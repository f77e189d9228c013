"""A stream as a client of any language meets it: the `websockets` library, `struct` and `json`, and nothing of ours.

What is sent and expected here is what `docs/stream-protocol.md` says.
"""

import json
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.edge_server.conftest import Server, StartServer, WriteService, started, wait_until
from tests.edge_server.test_serve import GATED_HANDLER

LENGTH = "def predict(model, body: bytes): return len(body)"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROTOCOL = "astraea.stream.v1"


def frame(number: int, payload: bytes, deadline_ms: int = 0, trace: bytes = b"") -> bytes:
    return struct.pack("!BBHII", 1, 1 if trace else 0, 0, number, deadline_ms) + trace + payload


def result(message: str | bytes) -> tuple[int, int, int, bytes]:
    """Id, status, credits and body."""
    assert isinstance(message, bytes)
    kind, credit, status, number, *times = struct.unpack_from("!BBHI5f", message)
    assert kind == 3
    assert all(ms >= 0 for ms in times)
    return number, status, credit, message[28:]


class Client:
    """An open stream, after the hello."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.hello: dict[str, Any] = json.loads(connection.recv(timeout=20))

    def send(self, *messages: bytes) -> None:
        for message in messages:
            self.connection.send(message)

    def results(self, count: int) -> list[tuple[int, int, int, bytes]]:
        return [result(self.connection.recv(timeout=20)) for _ in range(count)]

    def end(self) -> tuple[int, str]:
        """The code and reason that the server closes with."""
        with suppress(ConnectionClosed):
            for _ in self.connection:
                pass
        closed = self.connection.protocol.close_rcvd
        assert closed is not None
        return closed.code, closed.reason


def address(server: Server) -> str:
    with server.client() as client:
        return f"ws://{client.base_url.host}:{client.base_url.port}/stream"


@contextmanager
def stream(url: str, **options: Any) -> Iterator[Client]:
    with connect(url, subprotocols=[PROTOCOL], compression=None, **options) as connection:  # type: ignore[list-item]
        assert connection.subprotocol == PROTOCOL
        yield Client(connection)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that all may use."""
    folder = tmp_path_factory.mktemp("lengths")
    (folder / "astraea.yaml").write_text("name: lengths\nversion: 1.0.0\nhandler: handler.py\n")
    (folder / "handler.py").write_text(LENGTH)
    options = ("--port", 0, "--instance", "it", "--revision", "7.0", "--cors-origin", "http://friend.example")
    with started(folder / "log", folder, *options) as server:
        yield address(server)


def test_frames_go_out_and_results_come_back(url: str) -> None:
    with stream(url) as client:
        assert client.hello.pop("session")
        assert client.hello == {
            "instance": "it",
            "revision": "7.0",
            "credits": 2,
            "max_bytes": 16 * 2**20 + 67,
            "last_id": 0,
            "pending": [],
        }
        client.send(frame(1, b"abc"), frame(7, b"x" * 300_000, 5000, TRACE))
        found = {number: (status, body) for number, status, _, body in client.results(2)}
        assert found == {1: (200, b'{"output":3}'), 7: (200, b'{"output":300000}')}


def test_a_credit_comes_back_for_every_frame(url: str) -> None:
    with stream(url) as client:
        credit = client.hello["credits"]
        for number in range(1, 50):
            assert credit > 0
            client.send(frame(number, b"x"))
            [(_, status, granted, _)] = client.results(1)
            assert status == 200
            credit += granted - 1
        assert credit in {1, 2}  # one frame at a time needs no more; 1 if a frame had to wait, as on a busy machine


def test_a_message_in_fragments_is_one(url: str) -> None:
    with stream(url) as client:
        message = frame(1, b"x" * 100_000)
        client.connection.send([message[:5], message[5:40_000], message[40_000:]])
        assert client.results(1)[0][3] == b'{"output":100000}'


def test_a_probe_is_echoed_and_costs_no_credit(url: str) -> None:
    with stream(url) as client:
        for number in range(10):
            client.send(struct.pack("!BBHI", 2, 0, 0, number) + bytes(4096))
            assert client.connection.recv(timeout=20) == struct.pack("!BBHI", 4, 0, 0, number)


def test_pings_are_answered(url: str) -> None:
    with stream(url) as client:
        assert client.connection.ping().wait(timeout=20)


def test_what_is_wrong_with_a_frame_is_said_and_the_stream_goes_on(
    start_server: StartServer, write_service: WriteService
) -> None:
    handler = "def predict(model, text: str): return 1 / len(text)"
    with stream(address(start_server(write_service(handler)))) as client:
        for number, (payload, status) in enumerate([(b"\xff", 400), (b"", 500), (b"x", 200)], start=1):
            client.send(frame(number, payload))
            [(_, found, _, body)] = client.results(1)
            assert found == status
            if status != 200:
                assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([frame(5, b""), frame(5, b"")], 1007, "the id 5 after 5"),
        ([frame(5, b""), frame(4, b"")], 1007, "the id 4 after 5"),
        ([frame(0, b"")], 1007, "id 0"),
        ([frame(number, b"x" * 10**6) for number in range(1, 10)], 1007, "without a credit"),
        ([b"\x09" + bytes(20)], 1007, "kind 9"),
        ([frame(1, b"")[:9]], 1007, "breaks off"),
        (["text"], 1007, "binary"),
        ([bytes(2**24 + 68)], 1009, "16777283"),
    ],
)
def test_what_breaks_the_rules_closes_the_connection_and_says_why(
    url: str, messages: list[Any], code: int, reason: str
) -> None:
    with stream(url) as client:
        with suppress(ConnectionClosed):  # it may not wait for the last of them
            client.send(*messages)
        found, said = client.end()
    assert found == code
    assert reason in said
    with stream(url) as client:
        client.send(frame(1, b""))
        assert client.results(1)[0][1] == 200


def test_a_frame_that_can_not_be_in_time_is_refused(start_server: StartServer, write_service: WriteService) -> None:
    folder = write_service(GATED_HANDLER)
    with stream(address(start_server(folder, "--workers", 1))) as client:
        client.send(frame(1, b"x"), frame(2, b"x", deadline_ms=1))
        time.sleep(0.05)  # so that it is late when its turn comes
        (folder / "gate").touch()
        assert {number: status for number, status, _, _ in client.results(2)} == {1: 200, 2: 503}


@pytest.mark.parametrize(("order", "expected"), [("done", [2, 1]), ("sent", [1, 2])])
def test_results_come_in_the_order_that_was_asked_for(
    start_server: StartServer, write_service: WriteService, order: str, expected: list[int]
) -> None:
    handler = GATED_HANDLER.replace("while not", "while text == 'slow' and not")
    folder = write_service(handler)
    server = start_server(folder, "--workers", 2)
    with stream(address(server) + f"?order={order}") as client, server.client() as http:
        client.send(frame(1, b"slow"), frame(2, b"quick"))
        wait_until(lambda: 'astraea_requests_total{status="200"} 1.0' in http.get("/metrics").text)
        (folder / "gate").touch()
        assert [number for number, *_ in client.results(2)] == expected


def test_a_device_that_was_cut_off_goes_on_where_it_was(start_server: StartServer, write_service: WriteService) -> None:
    folder = write_service(GATED_HANDLER)
    server = start_server(folder)
    url = address(server)
    with server.client() as http:
        with stream(url) as client:
            client.send(frame(3, b"abc"))
            wait_until(lambda: "astraea_in_flight 1.0" in http.get("/metrics").text)
            session = client.hello["session"]
            client.connection.socket.close()
        with stream(f"{url}?session={session}") as again:
            assert again.hello["session"] == session
            assert (again.hello["last_id"], again.hello["pending"]) == (3, [3])
            (folder / "gate").touch()
            assert again.results(1)[0][:2] == (3, 200)
            again.send(frame(4, b"abc"))
            assert again.results(1)[0][:2] == (4, 200)


def test_a_second_connection_takes_a_session_over(url: str) -> None:
    with stream(url) as first:
        first.send(frame(1, b"x"))
        first.results(1)
        with stream(f"{url}?session={first.hello['session']}") as second:
            assert first.end()[0] == 4001
            second.send(frame(2, b"x"))
            assert second.results(1)[0][:2] == (2, 200)


def test_a_session_that_is_not_known_is_a_new_one(url: str) -> None:
    with stream(f"{url}?session=gone") as client:
        assert client.hello["session"] != "gone"


def test_a_server_that_ends_answers_what_it_has_and_says_so(
    start_server: StartServer, write_service: WriteService
) -> None:
    folder = write_service(GATED_HANDLER)
    server = start_server(folder)
    with stream(address(server)) as client, stream(address(server)) as idle, server.client() as http:
        client.send(frame(1, b"x"))
        wait_until(lambda: "astraea_in_flight 1.0" in http.get("/metrics").text)
        server.process.terminate()
        assert idle.end() == (1001, "the instance is about to end")
        (folder / "gate").touch()
        assert client.results(1)[0][:3] == (1, 200, 0)
        assert client.end() == (1001, "the instance is about to end")
    assert server.process.wait(timeout=20) == 0


def test_others_can_follow_a_stream(url: str) -> None:
    base = url.replace("ws:", "http:").removesuffix("/stream")
    with stream(url) as client:
        with httpx.stream("GET", f"{base}/results/{client.hello['session']}", timeout=20) as events:
            client.send(frame(1, b"abc"))
            event = next(line for line in events.iter_lines() if line.startswith("data:"))
        assert client.results(1)[0][:2] == (1, 200)
    assert '"output":3' in event


def test_the_documentation_s_client_is_a_whole_client(url: str, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/stream-protocol.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "client.py").write_text(code)
    photos = [tmp_path / f"{number}.jpg" for number in range(1, 8)]
    for number, photo in enumerate(photos, start=1):
        photo.write_bytes(bytes(number))
    done = subprocess.run(
        [sys.executable, tmp_path / "client.py", url, *photos], capture_output=True, text=True, check=True, timeout=60
    )
    assert sorted(done.stdout.splitlines()) == [f'{number} 200 {{"output":{number}}}' for number in range(1, 8)]


def test_another_revision_says_hello_before_its_first_answer(
    start_server: StartServer, write_service: WriteService
) -> None:
    folder = write_service(LENGTH)
    server = start_server(folder, "--revision", "old")
    with stream(address(server)) as client, server.client() as http:
        client.send(frame(1, b"x"))
        assert client.results(1)[0][:2] == (1, 200)
        (folder / "astraea.yaml").write_text('{"name": "sizes", "version": "2.0.0", "handler": "handler.py"}')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: http.get("/").json()["revision"] == "2.0.0")
        client.send(frame(2, b"x"))
        hello = json.loads(client.connection.recv(timeout=20))
        assert (hello["revision"], hello["session"]) == ("2.0.0", client.hello["session"])
        assert client.results(1)[0][:2] == (2, 200)


def refused(url: str, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught, connect(url, **options):
        pass
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body or b"")


def test_a_stream_needs_the_token_that_requests_need(
    start_server: StartServer, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEA_API_KEY", "0123456789abcdef")
    url = address(start_server(write_service(LENGTH)))
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert refused(url, additional_headers=headers)[0] == 401
    with stream(url, additional_headers={"Authorization": "Bearer 0123456789abcdef"}) as client:
        client.send(frame(1, b"x"))
        assert client.results(1)[0][1] == 200


def test_pages_of_others_may_not_open_a_stream(url: str) -> None:
    assert refused(url, origin="http://foe.example")[0] == 403
    for origin in ("http://friend.example", url.removesuffix("/stream").replace("ws:", "http:")):
        with stream(url, origin=origin):
            pass


def test_what_is_no_handshake_is_told_what_is_wrong(url: str) -> None:
    assert refused(f"{url}?order=no")[1]["detail"] == "order is 'no', not one of done, sent"
    assert refused(url, additional_headers={"Sec-WebSocket-Version": "8"})[0] == 400
    assert refused(url.replace("/stream", "/nowhere"))[0] == 404


def test_a_plain_request_is_told_to_upgrade(url: str) -> None:
    response = httpx.get(url.replace("ws:", "http:"))
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
