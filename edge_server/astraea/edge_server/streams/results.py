"""A result as one JSON text: what a data channel carries, and an event of a session's results.

    {"frame_id": 17, "rtp_timestamp": 381000, "status": 200, "timing": {"decode_ms": 2.1, ...}, "result": {...}}

`frame_id` is what the sender calls the frame, or else counts the frames that came. `rtp_timestamp` is there for video
that came by RTP. `result` is what `POST /predict` would have answered; where `status` isn't 200, there is a problem
document under `problem` in its place.
"""

from pydantic_core import to_json

from ..stages import Stages
from .session import Outcome


def encode_result(outcome: Outcome, rtp_timestamp: int | None = None) -> bytes:
    """The text, in UTF-8.

    Args:
        outcome: What became of the frame; its answer must be JSON.
        rtp_timestamp: The frame's, in 90 kHz modulo 2**32.
    """
    head: dict[str, object] = {"frame_id": outcome.frame_id}
    if rtp_timestamp is not None:
        head["rtp_timestamp"] = rtp_timestamp
    head["status"] = outcome.status
    if outcome.stages is not None:
        head["timing"] = _rounded(outcome.stages)
    kind = b"result" if outcome.status == 200 else b"problem"
    return b'%b,"%b":%b}' % (to_json(head)[:-1], kind, outcome.body)


def _rounded(stages: Stages) -> dict[str, float]:
    return {name: round(value, 3) for name, value in stages._asdict().items()}
