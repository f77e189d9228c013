"""Sizes of images are read from their headers alone, whatever follows them."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.imageheader import ImageHeader, read_image_header

sizes = st.integers(1, 300)
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8L")


@given(sizes, sizes, st.sampled_from([(".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp")]))
def test_the_size_is_what_opencv_decodes(width: int, height: int, kind: tuple[str, str]) -> None:
    suffix, media_type = kind
    data = cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8))[1].tobytes()
    assert read_image_header(data) == ImageHeader(media_type, width, height)


@pytest.mark.parametrize("parameters", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]])
def test_other_kinds_of_jpeg_say_their_size_too(parameters: list[int]) -> None:
    data = cv2.imencode(".jpg", np.zeros((20, 30, 3), np.uint8), parameters)[1].tobytes()
    assert read_image_header(data) == ImageHeader("image/jpeg", 30, 20)


@pytest.mark.parametrize("quality", [50, 101])  # lossy and lossless
def test_both_kinds_of_webp_say_their_size(quality: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    data = cv2.imencode(".webp", noise, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    assert read_image_header(data) == ImageHeader("image/webp", 30, 20)


def test_an_extended_webp_says_the_size_of_its_canvas() -> None:
    data = b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<IB3x", 10, 0) + (1999).to_bytes(3, "little") + b"\0\0\0"
    assert read_image_header(data) == ImageHeader("image/webp", 2000, 1)


def test_a_jpeg_with_padding_and_long_segments_before_its_frame_says_its_size() -> None:
    data = b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(0xFFFD) + b"\xff\xff\xc0\0\x11\x08\0\x02\0\x03\x03"
    assert read_image_header(data) == ImageHeader("image/jpeg", 3, 2)


@given(st.sampled_from([*STARTS, b""]), st.binary(max_size=200))
def test_any_bytes_have_an_answer(start: bytes, rest: bytes) -> None:
    header = read_image_header(start + rest)
    assert header is None or (header.width_px >= 0 and header.height_px >= 0)


def test_a_header_that_breaks_off_has_no_size() -> None:
    for suffix in (".jpg", ".png", ".webp"):
        data = cv2.imencode(suffix, np.zeros((2, 2, 3), np.uint8))[1].tobytes()
        header = read_image_header(data[:19])
        assert header is not None
        assert header[1:] == (0, 0)
