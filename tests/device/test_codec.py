"""A frame's picture as JPEG."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from astraea.device.codec import encode
from astraea.device.encoding import Encoding


@given(st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_a_picture_of_any_size_keeps_its_colours(width: int, height: int, mirrored: bool) -> None:
    image = np.empty((height, width, 3), np.uint8)
    image[:] = (200, 100, 20)
    sent = image[:, ::-1] if mirrored else image  # whose rows are no block of memory
    seen = cv2.imdecode(np.frombuffer(encode(sent, Encoding()), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert seen is not None
    assert seen.shape == image.shape
    assert np.abs(seen.astype(int) - image).max() < 12


def test_no_conversion_is_large_enough_for_opencv_to_share_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, convert = list[int](), cv2.cvtColor

    def watched(source: NDArray[np.uint8], *arguments: Any, **options: Any) -> object:
        pixels.append(source.shape[0] * source.shape[1])
        return convert(source, *arguments, **options)

    monkeypatch.setattr(cv2, "cvtColor", watched)
    encode(np.zeros((1080, 1920, 3), np.uint8), Encoding())
    assert sum(pixels) == 1080 * 1920
    assert max(pixels) <= 1 << 16
