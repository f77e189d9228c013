"""How long each stage of an answer took."""

from typing import NamedTuple


class Stages(NamedTuple):
    """Milliseconds, as `astraea.protocol.ServerTiming` has them: made and written for every request, so as a tuple."""

    decode_ms: float
    queue_ms: float
    infer_ms: float
    post_ms: float
    total_ms: float

    def to_header(self) -> bytes:
        """The value of the `Server-Timing` header."""
        return b"decode;dur=%.3f, queue;dur=%.3f, infer;dur=%.3f, post;dur=%.3f, total;dur=%.3f" % self
