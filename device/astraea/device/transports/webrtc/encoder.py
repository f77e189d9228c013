"""Pictures to H.264, by the board's own encoder where it has one, else by x264."""

import logging
from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_FPS = 30
"""What an encoder is told. It counts frames, so bits per second are turned into bits per frame before."""
_X264_OPTIONS = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "crf": "23",  # the answers are as accurate as to JPEG of quality 85, within a point, at less than a quarter of it
    "g": "100000",  # keyframes only when they are asked for
}
_HARDWARE = "h264_v4l2m2m"  # Raspberry Pi up to 4, and most other boards with mainline drivers
_LOWER, _RAISE = 0.8, 1.5
"""The encoder is opened anew, which costs a keyframe, when the target is below or above so much of what it has."""
_BUFFER_S = 0.5  # of bits that a keyframe may have at once


class H264Encoder:
    """Encodes the pictures of one video, one after the other.

    Args:
        constant_quality: whether a picture gets the bits that it needs, whatever it may have. Boards' encoders can't.

    Attributes:
        name: of the codec in use, e.g. `libx264`; None before the first picture.
        keyframe: whether the last picture refers to none before it.
    """

    def __init__(self, *, constant_quality: bool = False) -> None:
        self.name: str | None = None
        self.keyframe = False
        self._constant_quality = constant_quality
        self._codec: av.VideoCodecContext | None = None
        self._bits_per_frame = 0.0
        self._headers = b""
        """Its parameter sets, for encoders that say them once."""
        self._count = 0

    def encode(self, image: NDArray[np.uint8], *, bits_per_frame: float, keyframe: bool) -> bytes:
        """The next picture, Annex B.

        Args:
            image: RGB uint8 H x W x 3; of odd sizes the last row or column is left out, as 4:2:0 has none.
            bits_per_frame: that the mean frame may have; simple scenes need fewer.
            keyframe: whether it must not refer to those before it.
        """
        height, width = image.shape[0] & ~1, image.shape[1] & ~1
        codec = self._fitting(width, height, bits_per_frame)
        planes = cv2.cvtColor(np.ascontiguousarray(image[:height, :width]), cv2.COLOR_RGB2YUV_I420)
        picture = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        picture.pts, picture.time_base = self._count, Fraction(1, _FPS)
        self.keyframe = keyframe or self._count == 0
        picture.pict_type = av.video.frame.PictureType.I if self.keyframe else av.video.frame.PictureType.NONE
        self._count += 1
        data = b"".join(map(bytes, codec.encode(picture)))
        return self._with_headers(data) if self.keyframe else data

    def _fitting(self, width: int, height: int, bits_per_frame: float) -> av.VideoCodecContext:
        bits_per_frame = 0.0 if self._constant_quality else bits_per_frame
        codec = self._codec
        fits = codec is not None and (codec.width, codec.height) == (width, height)
        if codec is None or not fits or not self._near(bits_per_frame):
            self._bits_per_frame, self._count, self._headers = bits_per_frame, 0, b""
            self._codec = codec = _open(width, height, round(bits_per_frame * _FPS) or None)
            self.name = codec.name
        return codec

    def _near(self, bits_per_frame: float) -> bool:
        return self._constant_quality or _LOWER <= bits_per_frame / self._bits_per_frame <= _RAISE

    def _with_headers(self, data: bytes) -> bytes:
        begin = data.find(b"\x00\x00\x01")
        kinds = {data[begin + 3] & 0x1F} if 0 <= begin < len(data) - 3 else set()
        if 7 in kinds:
            end = data.find(b"\x00\x00\x01\x65")
            self._headers = data[:end].rstrip(b"\x00") if end > 0 else b""
            return data
        return self._headers + data


def _open(width: int, height: int, bits_per_s: int | None) -> av.VideoCodecContext:
    if bits_per_s is None:
        return _opened("libx264", width, height, None, _X264_OPTIONS)
    try:
        return _opened(_HARDWARE, width, height, bits_per_s, {"num_output_buffers": "4", "num_capture_buffers": "2"})
    except (av.FFmpegError, ValueError) as error:  # no such device, or a codec that this build lacks
        _log.debug("%s can't be used: %s", _HARDWARE, error)
    limits = {"maxrate": str(bits_per_s), "bufsize": str(round(bits_per_s * _BUFFER_S))}
    return _opened("libx264", width, height, None, _X264_OPTIONS | limits)


def _opened(
    name: str, width: int, height: int, bits_per_s: int | None, options: dict[str, str]
) -> av.VideoCodecContext:
    codec = cast("av.VideoCodecContext", av.CodecContext.create(name, "w"))
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, _FPS), Fraction(_FPS)
    if bits_per_s is not None:
        codec.bit_rate = bits_per_s
    codec.options = options
    codec.profile = "Baseline" if name == "libx264" else codec.profile
    codec.open()
    return codec
