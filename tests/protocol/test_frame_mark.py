import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.protocol import find_frame_mark, mark_frame

NUMBERS = st.integers(0, 2**64 - 1)


@given(NUMBERS, st.binary(max_size=200))
def test_a_number_comes_back(number: int, data: bytes) -> None:
    assert find_frame_mark(mark_frame(data, number)) == number


@given(st.binary(max_size=200))
def test_what_has_no_mark_has_no_number(data: bytes) -> None:
    assert find_frame_mark(data) is None


@given(NUMBERS, st.integers(1, 20))
def test_a_mark_that_is_cut_or_garbled_is_none(number: int, missing: int) -> None:
    marked = mark_frame(b"", number)
    assert find_frame_mark(marked[: -1 - missing]) is None
    assert find_frame_mark(marked[:-3] + b"zz\x80") is None


@given(NUMBERS)
def test_a_mark_has_nothing_that_h264_would_have_to_escape(number: int) -> None:
    assert b"\x00" not in mark_frame(b"", number)[4:]


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        mark_frame(b"", number)


def test_a_decoder_passes_the_mark_over() -> None:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.options = {"tune": "zerolatency"}
    picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
    data = b"".join(map(bytes, encoder.encode(picture)))
    decoder = av.CodecContext.create("h264", "r")
    [found] = decoder.decode(av.Packet(mark_frame(data, 7)))
    assert abs(int(found.to_ndarray(format="rgb24").mean()) - 90) < 5
