"""RTSP cameras that the server reads itself: a real one that is killed and comes back, one that leads elsewhere."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.streams import reader as reading
from astraea.edge_server.streams.reader import Reader, State
from astraea.edge_server.streams.relay import Redirections
from tests.conftest import RtspServer

from .conftest import StartServer, WriteService, wait_until
from .test_tls import write_certificate

COLOUR_HANDLER = """
    from astraea.edge_server import Image
    def predict(model, image: Image): return {"mean": image.mean(axis=(0, 1)).tolist()}
"""


class Reading:
    """A reader in this process, and what it said."""

    def __init__(self, url: str, check: Callable[[str], None] = lambda _: None) -> None:
        self.pictures: list[av.VideoFrame] = []
        self.reasons: list[str] = []
        self.reader = Reader(url, check, self.pictures.append, self.reasons.append)
        self.reader.start()


def test_a_camera_that_comes_back_goes_on_in_its_session(
    start_server: StartServer, write_service: WriteService, rtsp_server: RtspServer
) -> None:
    server = start_server(write_service(COLOUR_HANDLER), "--allow-source", "rtsp://127.0.0.1")
    with server.client() as client:
        started = client.post("/streams", json={"source": rtsp_server.url}).json()

        def stream() -> dict[str, Any]:
            (found,) = client.get("/streams").json()["streams"]
            return dict(found)

        def answer() -> str:
            with client.stream("GET", started["results"]) as events:
                return next(line for line in events.iter_lines() if '"status":200' in line)

        assert started["state"] == "connecting"
        wait_until(lambda: stream()["state"] == "reading")
        assert '"result":{"mean":[2' in answer()  # red, which came through H.264
        rtsp_server.kill()
        wait_until(lambda: stream()["state"] == "away")
        assert stream()["trouble"]
        rtsp_server.start()
        wait_until(lambda: stream()["state"] == "reading")
        assert stream()["trouble"] is None
        assert stream()["id"] == started["id"]
        assert '"result":{"mean":[2' in answer()
        assert client.delete(f"/streams/{started['id']}").status_code == 204


def test_a_camera_that_stays_away_is_given_up(rtsp_server: RtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PAUSES_S", (0.02, 0.04, 0.08))
    asked: list[str] = []
    camera = Reading(rtsp_server.url, asked.append)
    wait_until(lambda: len(camera.pictures) > 0)
    rtsp_server.kill()
    wait_until(lambda: bool(camera.reasons))
    assert camera.reasons == ["the source can't be read: Connection refused"]
    assert asked == [rtsp_server.url] * 4  # it is asked each time whether it may still be read


def test_pauses_grow_and_end() -> None:
    assert list(reading._PAUSES_S) == sorted(reading._PAUSES_S)
    assert sum(reading._PAUSES_S) < 600


def test_a_reader_that_waits_for_its_camera_can_be_stopped(rtsp_server: RtspServer) -> None:
    camera = Reading(rtsp_server.url)
    wait_until(lambda: len(camera.pictures) > 0)
    rtsp_server.kill()
    wait_until(lambda: camera.reader.state is State.AWAY)
    camera.reader.stop()
    camera.reader.join(timeout=10)
    assert len(camera.reasons) == 1


@contextmanager
def redirecting(location: str) -> Iterator[str]:
    """The URL of an RTSP server that says each time that what is asked for is elsewhere."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as requests:
                for line in requests:
                    if line.lower().startswith(b"cseq:"):
                        head = f"RTSP/1.0 302 Found\r\nCSeq: {int(line[5:])}\r\nLo"
                        connection.sendall(head.encode())
                        connection.sendall(f"cation: {location}\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


FRONT = """
import asyncio, ssl, sys

async def carry(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()

async def join(reader, writer):
    there, to_there = await asyncio.open_connection("127.0.0.1", int(sys.argv[3]))
    await asyncio.gather(carry(reader, to_there), carry(there, writer), return_exceptions=True)

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[1:3])
    server = await asyncio.start_server(join, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
"""Takes TLS off what comes, with this certificate and key, for what listens at this port."""


@contextmanager
def encrypted(url: str, certificate: Path, key: Path) -> Iterator[str]:
    """The URL of a camera by TLS; what it carries is the one's at `url`."""
    command = [sys.executable, "-c", FRONT, str(certificate), str(key), str(urlsplit(url).port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as front:
        assert front.stdout is not None
        yield f"rtsps://127.0.0.1:{int(front.stdout.readline())}/live"
        front.kill()


def test_a_camera_is_read_by_tls(rtsp_server: RtspServer, tmp_path: Path) -> None:
    with encrypted(rtsp_server.url, *write_certificate(tmp_path)) as url:
        camera = Reading(url)
        wait_until(lambda: len(camera.pictures) >= 5 or bool(camera.reasons))
        camera.reader.stop()
        camera.reader.join(timeout=20)
    assert [(picture.width, picture.height) for picture in camera.pictures[:5]] == [(320, 240)] * 5


def test_where_a_camera_leads_is_not_gone(rtsp_server: RtspServer) -> None:
    with av.open(rtsp_server.url, options={"rtsp_transport": "tcp"}) as container:
        assert container.streams.video  # it could be read
    with redirecting(rtsp_server.url) as url:
        with av.open(url, options={"rtsp_transport": "tcp"}) as container:
            assert container.streams.video  # FFmpeg alone goes there
        camera = Reading(url)
        wait_until(lambda: bool(camera.reasons))
    assert "leads to another address" in camera.reasons[0]
    assert camera.pictures == []


@given(st.binary(max_size=30), st.sampled_from([b"\nLocation:", b"\r\nlocaTION:", b"\nLo\rcation:"]), st.data())
def test_a_redirection_is_found_however_it_is_cut(before: bytes, header: bytes, data: st.DataObject) -> None:
    reply = before + header + b" rtsp://elsewhere"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(reply)), max_size=8)))
    redirections = Redirections()
    parts = [reply[a:b] for a, b in zip([0, *cuts], [*cuts, len(reply)], strict=True)]
    assert any(map(redirections.found_in, parts))


def test_content_location_is_no_redirection() -> None:
    assert not Redirections().found_in(b"RTSP/1.0 200 OK\r\nContent-Location: rtsp://127.0.0.1/\r\n\r\n")
