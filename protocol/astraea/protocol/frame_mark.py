"""A frame's number inside its own H.264 data, so that a result can name the frame that it belongs to.

Every encoded frame begins with a supplemental enhancement information message of the type "user data unregistered"
(ITU-T H.264, D.1.7), which decoders pass over:

    06              NAL unit of type SEI
    05 20           payload type 5, 32 bytes
    16 bytes        `FRAME_MARK`, a UUID
    16 bytes        the number as hexadecimal digits, ASCII: without zero bytes nothing needs to be escaped
    80              trailing bits
"""

from uuid import UUID

FRAME_MARK = UUID("7d2f9a31-5c84-4e6b-9a47-c1e83b5fd206").bytes
_START_CODE = b"\x00\x00\x00\x01"
_HEAD = b"\x06\x05\x20" + FRAME_MARK
_DIGITS = 16


def mark_frame(data: bytes, number: int) -> bytes:
    """An encoded frame (H.264, Annex B) with its number before it.

    Raises:
        ValueError: the number isn't one of 0 to 2**64 - 1.
    """
    if not 0 <= number < 2**64:
        raise ValueError(f"a frame's number must fit 64 bits, not be {number}")
    return _START_CODE + _HEAD + b"%016x" % number + b"\x80" + data


def find_frame_mark(data: bytes) -> int | None:
    """The number in an encoded frame (H.264, Annex B); None when it has none, or what is none."""
    at = data.find(_HEAD)
    if at < 0:
        return None
    begin = at + len(_HEAD)
    digits = data[begin : begin + _DIGITS]
    try:
        return int(digits, 16) if len(digits) == _DIGITS and digits.isalnum() else None
    except ValueError:
        return None
