"""Publishing video by WHIP, over real UDP to a server in this process."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from astraea.edge_server import Limits
from astraea.edge_server.api import Api
from astraea.edge_server.app import create_app, predict_endpoint
from astraea.edge_server.pool import WorkerPool
from astraea.edge_server.streaming import Streaming
from astraea.edge_server.webrtc import peer as peers
from astraea.edge_server.webrtc.fragments import parse_fragment, write_fragment
from astraea.edge_server.webrtc.ice import IceServers
from astraea.edge_server.webrtc.restart import IceRestarts
from astraea.protocol import Problem

from .conftest import INSTANCE, MakeService, settle
from .publisher import FRAGMENT, NUMBER_HANDLER, SDP, Publisher, publishing


@pytest.fixture
async def api(make_service: MakeService) -> AsyncIterator[Api]:
    pool = WorkerPool(1, 4)
    api = Api(INSTANCE, Limits(workers=1, queue=4, image_px=400_000, streams=3), pool)
    api.service = make_service(NUMBER_HANDLER)
    yield api
    pool.close()


@pytest.fixture
async def streaming(api: Api) -> AsyncIterator[Streaming]:
    streaming = Streaming(predict_endpoint(api), IceServers())
    yield streaming
    await streaming.close()


@pytest.fixture
async def client(api: Api, streaming: Streaming) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(api, streaming=streaming), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


def wrong(publisher: Publisher) -> list[dict[str, object]]:
    """Results that say another number than is drawn on the frame that they are of."""
    return [
        result
        for result in publisher.results
        if result["status"] == 200 and result["result"]["number"] != result["frame_id"]
    ]


async def test_results_name_the_frame_that_carries_its_number(client: httpx.AsyncClient, api: Api) -> None:
    async with publishing(client, 10) as publisher:
        assert not wrong(publisher)
        assert {"decode_ms", "queue_ms", "infer_ms", "post_ms", "total_ms"} == set(publisher.results[0]["timing"])
        api.metrics.settle()
        assert api.metrics.registry.get_sample_value("astraea_streams", {"transport": "webrtc"}) == 1


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_results_of_other_publishers_have_the_frame_s_rtp_timestamp(
    client: httpx.AsyncClient, codec: str
) -> None:
    async with publishing(client, 10, codec=codec, marked=False) as publisher:
        answered = [result for result in publisher.results if result["status"] == 200]
        first = answered[0]
        for result in answered:
            frames = (result["rtp_timestamp"] - first["rtp_timestamp"]) % 2**32 / 3000
            # Encoders round it, so that a sender pairs it to its nearest frame.
            assert frames == pytest.approx(result["result"]["number"] - first["result"]["number"], abs=0.01)


async def test_the_answer_names_its_resource_which_delete_ends(client: httpx.AsyncClient, streaming: Streaming) -> None:
    async with publishing(client, 1) as publisher:
        response = await client.delete(publisher.url)
        assert response.status_code == 200
        assert not len(streaming.sessions)
        again = await client.delete(publisher.url)
        assert again.status_code == 410
        assert "its publisher has ended it" in str(Problem.model_validate_json(again.content).detail)
    assert (await client.delete("/whip/nothing")).status_code == 404


async def test_candidates_trickle_in(client: httpx.AsyncClient) -> None:
    publisher = Publisher(client)

    def without_candidates(sdp: str) -> str:
        lines = sdp.split("\r\n")
        kept.extend(line for line in lines if line.startswith("a=candidate:") and "udp" in line)
        return "\r\n".join(line for line in lines if "candidate" not in line)

    kept: list[str] = []
    try:
        assert (await publisher.publish(without_candidates)).status_code == 201
        fragment = "\r\n".join(["m=video 9 RTP/AVP 0", "a=mid:0", *kept[:2], "a=end-of-candidates", ""])
        for headers, status in (({}, 428), ({"if-match": '"other"'}, 412), ({"if-match": publisher.etag}, 204)):
            response = await client.patch(publisher.url, content=fragment, headers=FRAGMENT | headers)
            assert response.status_code == status
        await settle(lambda: len(publisher.results) > 2)
    finally:
        await publisher.connection.close()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "v=0"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\n", 400, "one video"),
        (b"v=0\r\n" + b"m=video 9 RTP/SAVPF 96\r\n" * 2, 400, "one video"),
        (b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", 400, "can't be answered"),
        (b"v=0\r\nm=video\r\n", 400, "can't be answered"),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, 413, "65536"),
    ],
)
async def test_an_offer_that_is_none_is_refused(
    client: httpx.AsyncClient, streaming: Streaming, body: bytes, status: int, words: str
) -> None:
    response = await client.post("/whip", content=body, headers=SDP)
    assert (response.status_code, words in response.json()["detail"]) == (status, True)
    await settle(lambda: not len(streaming.sessions))


async def test_bodies_of_other_types_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/whip", content=b"{}", headers={"content-type": "application/json"})).status_code == 415
    assert (await client.get("/whip")).status_code == 405


async def test_a_service_of_texts_takes_no_video(
    client: httpx.AsyncClient, api: Api, make_service: MakeService
) -> None:
    api.service = make_service("def predict(m, text: str): return text", name="texts")
    response = await client.post("/whip", content=b"v=0", headers=SDP)
    assert (response.status_code, response.json()["detail"]) == (415, "this service takes str, not video")


async def test_many_offers_are_refused_once_the_streams_are_taken(
    client: httpx.AsyncClient, streaming: Streaming
) -> None:
    publisher = Publisher(client)
    offer = await publisher.offer()
    replies = [(await client.post("/whip", content=offer, headers=SDP)).status_code for _ in range(1000)]
    assert replies == [201] * 3 + [429] * 997
    await streaming.close()
    assert not len(streaming.sessions)
    async with publishing(client, 1):
        pass
    await publisher.connection.close()


async def test_one_that_never_completes_ice_is_ended_with_the_reason(
    client: httpx.AsyncClient, streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "CONNECT_S", 0.3)
    publisher = Publisher(client)
    response = await client.post("/whip", content=await publisher.offer(), headers=SDP)
    assert response.status_code == 201
    await settle(lambda: not len(streaming.sessions))
    gone = await client.delete(f"/{response.headers['location']}")
    assert gone.status_code == 410
    assert "no connection within" in gone.json()["detail"]
    assert "candidates here: host" in gone.json()["detail"]
    await publisher.connection.close()


async def test_one_that_falls_silent_is_ended(
    client: httpx.AsyncClient, streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SILENT_S", 0.5)
    async with publishing(client, 1) as publisher:
        for transceiver in publisher.connection.getTransceivers():  # dies without a word
            assert transceiver.sender.transport._task is not None
            transceiver.sender.transport._task.cancel()
            transceiver.sender.transport.transport._send = lambda data: asyncio.sleep(0)
        await settle(lambda: not len(streaming.sessions))
        assert "nothing came" in (await client.delete(publisher.url)).json()["detail"]


async def test_frames_that_a_slow_service_can_t_get_to_are_passed_over(
    client: httpx.AsyncClient, api: Api, make_service: MakeService
) -> None:
    api.service = make_service(
        NUMBER_HANDLER.replace("inside =", "__import__('time').sleep(0.1); inside ="), name="slow"
    )
    async with publishing(client, 12) as publisher:
        statuses = [result["status"] for result in publisher.results]
        assert 200 in statuses
        assert 503 in statuses
        assert not wrong(publisher)
    assert api.held_bytes <= 2 * 3 * 240 * 120


async def test_ice_servers_are_told_with_credentials_that_expire(api: Api) -> None:
    from pydantic import SecretStr

    servers = IceServers(("stun:stun.example:3478", "turn:turn.example"), SecretStr("s3cret"))
    streaming = Streaming(predict_endpoint(api), servers)
    transport = httpx.ASGITransport(create_app(api, streaming=streaming))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        response = await client.options("/whip")
    links = response.headers.get_list("link")
    assert links[0] == '<stun:stun.example:3478>; rel="ice-server"'
    assert links[1].startswith('<turn:turn.example>; rel="ice-server"; username="')
    assert "s3cret" not in str(links) + repr(servers)


async def test_sound_is_declined_and_the_video_answered(client: httpx.AsyncClient) -> None:
    publisher = Publisher(client)
    publisher.connection.addTransceiver("audio", "sendonly")
    try:
        response = await publisher.publish()
        assert response.status_code == 201
        sections = response.text.split("\r\nm=")[1:]
        assert ["inactive" in section for section in sections if section.startswith("audio")] == [True]
        await settle(lambda: len(publisher.results) > 2)
    finally:
        await publisher.connection.close()


async def test_ice_is_restarted_while_results_go_on(client: httpx.AsyncClient) -> None:
    publisher = Publisher(client)
    transport = publisher.connection.getTransceivers()[0].sender.transport.transport
    restarts = IceRestarts(transport, [])
    try:
        await publisher.publish()
        await settle(lambda: len(publisher.results) > 2)
        before = transport._connection
        fresh = await restarts.begin(controlling=True)
        offer = write_fragment(
            fresh.local_username, fresh.local_password, [one.to_sdp() for one in fresh.local_candidates]
        )
        response = await client.patch(publisher.url, content=offer, headers=FRAGMENT | {"if-match": "*"})
        assert (response.status_code, response.headers["content-type"]) == (200, FRAGMENT["content-type"])
        assert response.headers["etag"] != publisher.etag
        await restarts.go_on(parse_fragment(response.content))
        await settle(lambda: transport._connection is fresh and before._closed)
        seen = len(publisher.results)
        await settle(lambda: len(publisher.results) > seen + 10)
        assert not wrong(publisher)
        stale = await client.patch(publisher.url, content="", headers=FRAGMENT | {"if-match": publisher.etag})
        assert stale.status_code == 412
        assert (await client.delete(publisher.url)).status_code == 200
    finally:
        await restarts.close()
        await publisher.connection.close()


async def test_a_restart_that_finds_no_way_leaves_the_old_one_going(client: httpx.AsyncClient) -> None:
    async with publishing(client, 3) as publisher:
        for content, status in ((b"a=ice-ufrag:abcd\r\n", 400), (b"a=ice-ufrag:abcd\r\na=ice-pwd:" + b"x" * 22, 200)):
            response = await client.patch(publisher.url, content=content, headers=FRAGMENT | {"if-match": "*"})
            assert response.status_code == status
        seen = len(publisher.results)
        await settle(lambda: len(publisher.results) > seen + 10)
