"""A frame's picture as JPEG."""

import time

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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


def test_encoding_takes_the_time_of_no_thread_but_its_own() -> None:
    image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    encode(image, Encoding())
    began, own = time.process_time(), time.thread_time()
    for _ in range(50):
        encode(image, Encoding())
        time.sleep(0.001)
    own = time.thread_time() - own
    assert time.process_time() - began - own < own / 4
