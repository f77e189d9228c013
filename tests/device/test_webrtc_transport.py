"""Frames as a video to a real `astraea serve`, over UDP of this machine."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from pydantic_core import from_json

from astraea.device import Frame, HttpTransport, OffloadClient, RefusedError, UnreachableError
from astraea.device.encoding import Encoding
from astraea.device.errors import MissingExtraError
from astraea.device.transports import webrtc
from astraea.device.transports.base import PictureEncoder
from astraea.device.transports.webrtc import transport as webrtc_transport
from astraea.device.transports.webrtc.transport import VIDEO_MEDIA_TYPE, WebRtcTransport
from astraea.protocol import Result
from tests.edge_server.conftest import (
    Server,
    StartServer,
    WriteService,
    settle,
    start_server,
    wait_until,
    write_service,
)
from tests.edge_server.publisher import NUMBER_HANDLER, numbered

from .conftest import HttpReply, Peer

__all__ = ["start_server", "write_service"]  # fixtures

FULL = Encoding()


async def video(url: str) -> WebRtcTransport:
    """A transport whose connection has come about."""
    transport = webrtc.open_webrtc(url, HttpTransport(url))
    assert isinstance(transport, WebRtcTransport)
    await transport.probe(b"x")
    await settle(lambda: transport.is_video, 20)
    return transport


@pytest.fixture
def server(start_server: StartServer, write_service: WriteService) -> Server:
    return start_server(write_service(NUMBER_HANDLER))


@pytest.fixture
async def transport(server: Server) -> AsyncIterator[WebRtcTransport]:
    with server.client() as client:
        transport = await video(str(client.base_url))
    yield transport
    await transport.close()


async def ask(transport: WebRtcTransport, number: int) -> int:
    """The number that the server reads on the picture with this one."""
    payload = await asyncio.to_thread(transport.encode, numbered(number), FULL)
    assert payload.media_type == VIDEO_MEDIA_TYPE
    async with asyncio.timeout(10):
        reply = await transport.send(payload.data, payload.media_type)
    assert reply.server.total_ms <= reply.elapsed_ms + 1
    return int(from_json(reply.body)["number"])


async def test_each_frame_gets_its_own_answer(transport: WebRtcTransport) -> None:
    assert isinstance(transport, PictureEncoder)
    assert [await ask(transport, number) for number in range(100, 110)] == list(range(100, 110))
    answers = await asyncio.gather(*(ask(transport, number) for number in range(3)))
    assert answers == [0, 1, 2]


async def test_a_frame_that_nobody_sends_is_still_seen_by_those_after_it(transport: WebRtcTransport) -> None:
    await ask(transport, 1)
    for number in range(2, 6):
        transport.encode(numbered(number), FULL)
    assert await ask(transport, 6) == 6


async def test_frames_go_the_other_way_while_the_server_takes_no_video(peer: Peer) -> None:
    peer.reply = HttpReply(404)
    transport = WebRtcTransport(peer.url, HttpTransport(peer.url))
    with pytest.raises(RefusedError):
        await transport.probe(b"x")
    await settle(lambda: transport.failure is not None)
    assert "whip answered 501" in str(transport.failure)
    peer.reply = HttpReply(body=b"{}")
    payload = transport.encode(numbered(1), FULL)
    assert payload.media_type == "image/jpeg"
    assert (await transport.send(payload.data, payload.media_type)).body == b"{}"
    await transport.close()


async def test_a_connection_that_ends_is_replaced(transport: WebRtcTransport) -> None:
    await ask(transport, 1)
    before = transport._publication
    assert before is not None
    payload = transport.encode(numbered(2), FULL)
    await before.close()
    with pytest.raises(UnreachableError, match="connection has ended"):
        await transport.send(payload.data, payload.media_type)
    await settle(lambda: transport.is_video, 20)
    assert await ask(transport, 3) == 3


async def test_a_server_that_goes_away_is_found_again(write_service: WriteService, start_server: StartServer) -> None:
    folder = write_service(NUMBER_HANDLER)
    server = start_server(folder)
    with server.client() as client:
        url = str(client.base_url)
    transport = await video(url)
    server.process.kill()
    server.process.wait()
    payload = transport.encode(numbered(1), FULL)
    with pytest.raises((UnreachableError, TimeoutError)):
        async with asyncio.timeout(3):
            await transport.send(payload.data, payload.media_type)
    port = url.rstrip("/").rpartition(":")[2]
    with start_server(folder, "--port", port).client():
        await settle(lambda: transport.is_video and not transport._is_silent(), 20)
        assert await ask(transport, 2) == 2
    await transport.close()


async def test_a_server_that_computes_for_long_is_not_taken_for_one_that_has_gone(
    write_service: WriteService, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_transport, "_SILENT_S", 0.2)
    slow = NUMBER_HANDLER.replace("    return", "    time.sleep(0.6)\n    return")
    with start_server(write_service(f"import time\n{slow}")).client() as client:
        transport = await video(str(client.base_url))
    async with asyncio.timeout(60):
        while True:  # until it has been given the time
            try:
                await ask(transport, 1)
                break
            except UnreachableError:
                await settle(lambda: transport.is_video and not transport._is_silent(), 20)
    publication = transport._publication
    assert [await ask(transport, number) for number in (2, 3, 4)] == [2, 3, 4]
    assert transport._publication is publication
    await transport.close()


async def test_a_frame_that_the_service_can_t_answer_says_so(
    write_service: WriteService, start_server: StartServer
) -> None:
    with start_server(
        write_service(NUMBER_HANDLER.replace("inside = [", "image.shape[0] < 200 and 1 / 0; inside = ["))
    ).client() as client:
        transport = await video(str(client.base_url))
    payload = transport.encode(numbered(1), FULL)
    with pytest.raises(RefusedError, match="500: the handler failed"):
        async with asyncio.timeout(10):
            await transport.send(payload.data, payload.media_type)
    await transport.close()


def test_a_client_streams_over_webrtc_and_predicts_with_what_its_video_takes(
    write_service: WriteService, start_server: StartServer
) -> None:
    frames = [Frame(image=numbered(number), seq=number, captured_at=monotonic()) for number in range(60)]
    with start_server(write_service(NUMBER_HANDLER)).client() as ready:
        url = str(ready.base_url).rstrip("/")
    with OffloadClient("sizes", edges=[url], transport="webrtc") as client:
        jpeg_bytes = client.infer(frames[0]).bytes_sent
        results: list[Result] = []

        def as_video() -> bool:
            results.append(client.infer(frames[len(results) % 60]))
            return 0 < results[-1].bytes_sent < jpeg_bytes / 3

        wait_until(as_video)
        results = [client.infer(frame) for frame in frames]
    assert all(result.answered and result.output["number"] == result.seq for result in results)
    assert sum(result.bytes_sent for result in results) / 60 < jpeg_bytes / 4
    assert results[-1].predicted_ms > 0


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="aiortc") as caught:
        OffloadClient("sizes", edges=["http://127.0.0.1:1"], transport="webrtc")
    assert caught.value.hint == "pip install 'astraea[webrtc]'"
