"""H.264 out of pictures, and into pictures again by a decoder of no relation."""

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from astraea.device.transports.webrtc.encoder import H264Encoder


def scene(number: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), (40, 90, 60), np.uint8)
    image[20:50, number % 60 : number % 60 + 30] = (200, 60, 60)
    return image


def decoded(frames: list[bytes]) -> list[NDArray[np.uint8]]:
    decoder = av.CodecContext.create("h264", "r")
    return [
        np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
        for frame in frames
        for picture in decoder.decode(av.Packet(frame))
    ]


def is_keyframe(data: bytes) -> bool:
    return b"\x00\x00\x01\x67" in data and b"\x00\x00\x01\x65" in data


def test_each_picture_is_one_frame_that_looks_like_it() -> None:
    encoder = H264Encoder()
    frames = [encoder.encode(scene(number), bits_per_frame=40_000, keyframe=False) for number in range(10)]
    pictures = decoded(frames)
    assert len(pictures) == 10
    for number, picture in enumerate(pictures):
        assert np.abs(picture.astype(int) - scene(number)).mean() < 6
    assert [is_keyframe(frame) for frame in frames] == [True] + [False] * 9


def test_a_keyframe_comes_when_it_is_asked_for_and_stands_alone() -> None:
    encoder = H264Encoder()
    frames = [encoder.encode(scene(number), bits_per_frame=40_000, keyframe=number == 5) for number in range(8)]
    assert [number for number, frame in enumerate(frames) if is_keyframe(frame)] == [0, 5]
    assert len(decoded(frames[5:])) == 3


def test_a_picture_of_another_size_begins_anew() -> None:
    encoder = H264Encoder()
    encoder.encode(scene(0), bits_per_frame=40_000, keyframe=False)
    frame = encoder.encode(scene(1, 65, 49), bits_per_frame=40_000, keyframe=False)
    assert decoded([frame])[0].shape == (64, 48, 3)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_lower_bitrate_is_kept(share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 240, 320, 3), np.uint8)
    encoder = H264Encoder()
    before = [len(encoder.encode(noise[n % 12], bits_per_frame=400_000, keyframe=False)) for n in range(30)]
    after = [len(encoder.encode(noise[n % 12], bits_per_frame=share * 400_000, keyframe=False)) for n in range(30)]
    assert np.mean(after[5:]) < 1.6 * share * np.mean(before[5:])


def test_without_a_board_s_own_encoder_it_is_x264() -> None:
    encoder = H264Encoder()
    encoder.encode(scene(0), bits_per_frame=40_000, keyframe=False)
    assert encoder.name in {"h264_v4l2m2m", "libx264"}
