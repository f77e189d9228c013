"""Bodies become what the handler's annotation says, or are refused with a reason."""

import contextlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from astraea.edge_server import BadInputError, Limits, RequestError, TooLargeError, UnsupportedTypeError
from astraea.edge_server.inputs import INPUTS, Input, decode_image, input_of

LIMITS = Limits(workers=1, queue=1, image_px=10_000)


class Order(BaseModel):
    plates: list[str]
    limit: int = 3


BY_NAME = {known.name: known for known in (*(known for _, known in INPUTS), input_of(dict), input_of(Order)) if known}


def test_an_image_comes_out_as_rgb(jpeg: bytes) -> None:
    image = decode_image(jpeg, LIMITS)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.mean(axis=(0, 1)) - (200, 100, 30)).max() < 3


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_grey_image_becomes_rgb(suffix: str) -> None:
    grey = np.full((5, 4), 77, np.uint8)
    image = decode_image(cv2.imencode(suffix, grey)[1].tobytes(), LIMITS)
    assert image.shape == (5, 4, 3)
    assert np.ptp(image) <= 2


def test_exif_orientation_turns_the_image_upright(jpeg: bytes) -> None:
    rotate_90 = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + rotate_90
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert decode_image(jpeg[:2] + segment + jpeg[2:], LIMITS).shape == (64, 48, 3)


def test_an_image_beyond_the_limit_is_refused_with_both_sizes() -> None:
    bomb = cv2.imencode(".png", np.zeros((101, 100), np.uint8))[1].tobytes()
    with pytest.raises(TooLargeError, match=r"100 x 101 = 0\.0 Mpx; at most 0\.0 Mpx"):
        decode_image(bomb, LIMITS)


def test_a_bomb_is_refused_from_its_header() -> None:
    """A few bytes that claim 900 Mpx: nothing is decoded, so that it need not even be whole."""
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 30_000, 30_000, 8, 2, 0, 0, 0)
    with pytest.raises(TooLargeError, match=r"30000 x 30000 = 900\.0 Mpx"):
        decode_image(header, Limits(workers=1, queue=1))


def test_a_truncated_image_is_damaged(jpeg: bytes) -> None:
    for length in (10, 200, len(jpeg) // 2, len(jpeg) - 2):
        with pytest.raises(BadInputError, match="damaged or incomplete"):
            decode_image(jpeg[:length], LIMITS)


def test_bytes_that_are_no_image_are_of_an_unsupported_type() -> None:
    for body in (b"", b"GIF89a....", b"hello"):
        with pytest.raises(UnsupportedTypeError, match=f"{len(body)} bytes"):
            decode_image(body, LIMITS)


@given(st.data())
def test_a_damaged_image_decodes_or_is_refused(jpeg: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(jpeg) - 1))
    body = jpeg[:at] + data.draw(st.binary(max_size=20)) + jpeg[at + data.draw(st.integers(0, 20)) :]
    with contextlib.suppress(RequestError):
        assert decode_image(body, LIMITS).shape[2] == 3


def test_a_dict_is_a_json_object() -> None:
    assert BY_NAME["dict"].decode(b'{"a": [1, 2.5, null]}', LIMITS) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "not JSON"), (b"\xff", "not JSON"), (b"[1]", "should be an object"), (b"[" * 100_000, "not JSON")],
)
def test_other_json_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadInputError, match=reason):
        BY_NAME["dict"].decode(body, LIMITS)


@pytest.mark.parametrize("known", ["dict", "Tensor"])
def test_json_of_too_many_values_is_refused_before_it_is_parsed(known: str) -> None:
    few = Limits(workers=1, queue=1, json_values=100)
    for body in (b"[%b]" % (b"[]," * 60), b"[1%b]" % (b",1" * 100), b'{"a":[%b]}' % (b"{}," * 60)):
        with pytest.raises(TooLargeError, match="more than 100 values"):
            BY_NAME[known].decode(body, few)


def test_the_values_of_a_dict_are_what_its_annotation_says() -> None:
    counts = input_of(dict[str, int])
    assert counts
    assert counts.decode(b'{"a": 1}', LIMITS) == {"a": 1}
    with pytest.raises(BadInputError, match="a: Input should be a valid integer"):
        counts.decode(b'{"a": "x"}', LIMITS)


def test_a_pydantic_model_is_validated_and_the_place_of_a_mistake_named() -> None:
    assert BY_NAME["Order"].decode(b'{"plates": ["A1"]}', LIMITS) == Order(plates=["A1"])
    with pytest.raises(BadInputError, match=r"plates\.1: Input should be a valid string"):
        BY_NAME["Order"].decode(b'{"plates": ["A1", 2]}', LIMITS)


def test_a_str_is_utf8() -> None:
    assert BY_NAME["str"].decode("浙A".encode(), LIMITS) == "浙A"
    with pytest.raises(BadInputError, match="byte 1"):
        BY_NAME["str"].decode(b"a\xff", LIMITS)


@pytest.mark.parametrize(
    ("known", "content_type"),
    [
        ("Image", "image/jpeg"),
        ("Image", "IMAGE/PNG; charset=binary"),
        ("Image", "application/octet-stream"),
        ("Image", ""),
        ("Image", "application/x-www-form-urlencoded"),  # curl --data-binary, untold
        ("dict", "application/json; charset=utf-8"),
        ("bytes", "video/mp4"),
    ],
)
def test_a_type_that_fits_is_taken(known: str, content_type: str) -> None:
    BY_NAME[known].check_media_type(content_type)


@pytest.mark.parametrize(("known", "content_type"), [("Image", "image/gif"), ("dict", "text/xml"), ("str", "a" * 9999)])
def test_another_type_is_refused_with_those_that_fit(known: str, content_type: str) -> None:
    input_: Input = BY_NAME[known]
    with pytest.raises(UnsupportedTypeError, match=f"takes {input_.media_types[0]}") as caught:
        input_.check_media_type(content_type)
    assert len(str(caught.value)) < 200
