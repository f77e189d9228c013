"""How large an image will be, read from its header: nothing is decoded, so a decompression bomb stays folded.

JPEG: ITU-T T.81, annex B. PNG: https://www.w3.org/TR/png-3/#11IHDR. WebP: RFC 9649.
"""

import struct
from typing import NamedTuple

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # frame headers; those three are tables and a reserved code
_STANDALONE = frozenset(range(0xD0, 0xD8)) | {0x01}  # RSTn and TEM: no length follows
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


class ImageHeader(NamedTuple):
    """What an image says of itself."""

    media_type: str
    width_px: int
    height_px: int


def read_image_header(data: bytes) -> ImageHeader | None:
    """The kind and size of a JPEG, PNG or WebP image; None if the bytes start as none of these.

    A header that breaks off or contradicts itself has a size of 0 x 0.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return ImageHeader("image/jpeg", *_jpeg_size(data))
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageHeader("image/png", *_png_size(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageHeader("image/webp", *_webp_size(data))
    return None


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments to the first frame header."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        elif marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return 0, 0
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if len(data) < 30:
        return 0, 0
    if kind == b"VP8X":  # the canvas, each side less one in 24 bits
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20] == 0x2F:  # each side less one in 14 bits
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":  # 14 bits each; the two above are a scale for display
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
