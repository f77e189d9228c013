"""Whatever is sent for an image, the answer is a 4xx, the server keeps its memory, and the next good request works."""

import random
import struct
import zlib
from collections.abc import Iterator

import cv2
import httpx
import numpy as np

from tests.edge_server.conftest import SIZE_HANDLER, StartServer, WriteService, encode

_MAX_GROWTH_BYTES = 50 * 2**20
_ROUNDS = 25
_BODY_LIMIT_BYTES = 16 * 2**20


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _vp8x(width: int, height: int) -> bytes:
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + canvas


def _bombs(jpeg: bytes) -> Iterator[bytes]:
    """Small bodies that claim, or unfold to, gigabytes."""
    zeros = zlib.compress(bytes(100 * 2**20), 9)  # 100 MiB in 100 kB
    yield _png(30_000, 30_000, zeros)  # too many pixels, from the header
    yield _png(2**31 - 1, 1, zeros)
    yield _png(0, 7, zeros)
    yield _png(100, 100, zeros[:50_000])  # more than it says, and incomplete
    yield _vp8x(2**24, 2**24)
    yield _vp8x(3, 3)  # nothing behind the header
    frame = jpeg.index(b"\xff\xc0")
    yield jpeg[: frame + 5] + struct.pack(">HH", 65_535, 65_535) + jpeg[frame + 9 :]


def _damaged(image: bytes, random_: random.Random) -> Iterator[bytes]:
    """An image that breaks off, or begins as another kind does."""
    yield image[: random_.randrange(len(image) - 2)]
    yield random_.randbytes(random_.randrange(1, 200)) + image
    yield random_.choice([b"GIF89a", b"BM", b"II*\0", b"%PDF-1.7", b"\0\0\0\x1cftypavif", b"<svg>"]) + image[8:]


def _status(client: httpx.Client, body: bytes, kind: str | None) -> int:
    response = client.post("/predict", content=body, headers={"content-type": kind} if kind else {})
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]
    return response.status_code


def _rss_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - not a file of ours
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def test_no_image_brings_the_server_down(write_service: WriteService, start_server: StartServer) -> None:
    random_ = random.Random(7)
    photo = np.array(random_.choices(range(256), k=480 * 640 * 3), np.uint8).reshape(480, 640, 3)
    images = [encode(cv2.GaussianBlur(photo, (9, 9), 0).astype(np.uint8), kind) for kind in (".jpg", ".png", ".webp")]
    bombs = list(_bombs(images[0]))
    server = start_server(write_service(SIZE_HANDLER))
    with server.client() as client:
        for image in images * 3:  # what good requests need is not counted as growth
            assert _status(client, image, None) == 200
        before = _rss_bytes(server.process.pid)
        for _ in range(_ROUNDS):
            for body in (bad for image in images for bad in _damaged(image, random_)):
                assert _status(client, body, random_.choice([None, "image/png"])) in {400, 415}
            for body in bombs:
                assert _status(client, body, None) in {400, 413}
            assert (
                _status(client, images[0], random_.choice(["text/html", "image/gif", "video/mp4", "a" * 5000])) == 415
            )
        for _ in range(3):
            assert _status(client, bytes(_BODY_LIMIT_BYTES + 1), "image/jpeg") == 413
        for image in images:
            assert _status(client, image, None) == 200
        assert _rss_bytes(server.process.pid) - before < _MAX_GROWTH_BYTES
        figures = client.get("/metrics").text
        assert 'status="5' not in figures
