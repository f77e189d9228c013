"""Answers at once, always with the same three things: what is measured is all around it."""

from astraea.protocol import Box, Detection, Detections

_ANSWER = Detections(
    detections=tuple(
        Detection(label="car", score=0.9, box=Box(40.0 * place, 60.0, 40.0 * place + 32.5, 90.25)) for place in range(3)
    )
)


def predict(model: None, body: bytes) -> Detections:  # noqa: ARG001 - that is the interface
    """The same for any body."""
    return _ANSWER
