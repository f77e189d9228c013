"""Videos that the server reads itself: which it may, and what becomes of them."""

import json
from collections.abc import AsyncIterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.errors import BadInputError, ForbiddenError, OptionError
from astraea.edge_server.streams.sources import Sources, shown

from .conftest import StartServer, WriteService
from .publisher import NUMBER_HANDLER, numbered

ADDRESSES = {
    "camera.example": ["203.0.113.7"],
    "here.camera.example": ["203.0.113.7", "127.0.0.1"],
    "link.camera.example": ["169.254.169.254"],
    "nowhere.camera.example": [],
    "127.0.0.1": ["127.0.0.1"],
}


def resolve(host: str) -> list[str]:
    if host not in ADDRESSES:
        raise OSError(host)
    return ADDRESSES[host]


@pytest.mark.parametrize(
    ("allowed", "url", "may"),
    [
        ((), "rtsp://camera.example/1", False),
        (("rtsp://camera.example",), "rtsp://user:pass@camera.example/1", True),
        (("rtsp://camera.example",), "http://camera.example/1", False),
        (("rtsp://camera.example:554",), "rtsp://camera.example:8554/1", False),
        (("rtsp://*.example",), "rtsp://camera.example/1", True),
        (("rtsp://*.example",), "rtsp://here.camera.example/1", False),
        (("rtsp://*",), "rtsp://127.0.0.1/1", False),
        (("rtsp://127.0.0.1",), "rtsp://127.0.0.1/1", True),
        (("http://*",), "http://link.camera.example/latest/meta-data", False),
        (("http://*",), "http://nowhere.camera.example/", False),
        (("http://*",), "http://unknown.example/", False),
        (("http://*",), "file:///etc/passwd", False),
        (("file:///srv/videos",), "file:///srv/videos/a.mp4", True),
        (("file:///srv/videos",), "file:///srv/videos/../../etc/passwd", False),
        (("file:///srv/videos",), "file:///srv/videos-other/a.mp4", False),
    ],
)
def test_only_what_was_named_may_be_read(allowed: tuple[str, ...], url: str, may: bool) -> None:
    sources = Sources(allowed)
    if may:
        sources.check(url, resolve)
    else:
        with pytest.raises(ForbiddenError, match="--allow-source"):
            sources.check(url, resolve)


@pytest.mark.parametrize(
    "url", ["", "video.mp4", "gopher://camera.example", "concat:a|b", "rtsp://camera.example:x/", "x" * 9000]
)
def test_what_is_no_address_of_a_video_is_refused(url: str) -> None:
    with pytest.raises(BadInputError):
        Sources(("rtsp://*",)).check(url, resolve)


@given(st.text(max_size=60))
def test_no_text_is_allowed_by_nothing(url: str) -> None:
    with pytest.raises((BadInputError, ForbiddenError)):
        Sources().check(url, resolve)


@pytest.mark.parametrize("pattern", ["camera.example", "ftp://x", "rtsp://", "file:videos", "rtsp://x:port"])
def test_a_pattern_that_can_t_match_is_an_error(pattern: str) -> None:
    with pytest.raises(OptionError, match="--allow-source"):
        Sources((pattern,))


def test_passwords_are_not_shown() -> None:
    assert shown("rtsp://user:secret@camera.example:8554/1") == "rtsp://camera.example:8554/1"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Forty numbered pictures at 20 frames/s."""
    path = tmp_path / "videos" / "numbers.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = 240, 120, "yuv420p"
        for number in range(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode(None))
    return path


async def results_of(client: httpx.AsyncClient, path: str) -> list[dict[str, object]]:
    """All results of a session, until it ends."""
    async with client.stream("GET", path) as response:
        lines = [line async for line in response.aiter_lines()]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith('data: {"')]


@pytest.fixture
async def client(
    start_server: StartServer, write_service: WriteService, video: Path
) -> AsyncIterator[httpx.AsyncClient]:
    allowed = ("--allow-source", f"file://{video.parent}", "--allow-source", "http://127.0.0.1")
    with start_server(write_service(NUMBER_HANDLER), *allowed).client() as ready:
        async with httpx.AsyncClient(base_url=ready.base_url, timeout=30) as client:
            yield client


async def test_a_file_is_read_at_its_own_pace_and_answered(client: httpx.AsyncClient, video: Path) -> None:
    response = await client.post("/streams", json={"source": f"file://{video}"})
    assert response.status_code == 201
    assert [stream["id"] for stream in (await client.get("/streams")).json()["streams"]] == [response.json()["id"]]
    results = await results_of(client, response.json()["results"])
    answered = [result for result in results if result["status"] == 200]
    assert len(answered) > 10
    for result in answered:
        assert result["result"] == {"number": result["frame_id"]}
    assert (await client.get("/streams")).json() == {"streams": []}


async def test_a_video_is_read_over_http_until_it_is_deleted(client: httpx.AsyncClient, video: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(video.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        source = f"http://127.0.0.1:{server.server_port}/{video.name}"
        response = await client.post("/streams", json={"source": source})
        assert response.status_code == 201
        location = f"/{response.headers['location']}"
        assert (await client.delete(location)).status_code == 204
        assert (await client.delete(location)).status_code == 404
        server.shutdown()


async def test_a_source_that_can_t_be_read_ends_its_session(client: httpx.AsyncClient, video: Path) -> None:
    (video.parent / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{video}\n")
    for name in ("missing.mp4", "list.m3u8"):
        response = await client.post("/streams", json={"source": f"file://{video.parent}/{name}"})
        if response.status_code == 201:
            assert await results_of(client, response.json()["results"]) == []
    assert (await client.get("/streams")).json() == {"streams": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"[]", 400),
        (b'{"source": "file:///etc/passwd"}', 403),
        (b'{"source": "rtsp://127.0.0.1/"}', 403),
        (b'{"source": "' + b"x" * 9000 + b'"}', 413),
    ],
)
async def test_other_sources_are_refused(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    assert (await client.post("/streams", content=body)).status_code == status
