"""What the device runs itself, and how good either side is: from that the client decides who answers a frame.

The edge's recogniser looks for plates in pictures of up to 960 pixels, the device's in half of that: a third of the
time on the device, and it misses plates that are far away. So the aim is accuracy within a deadline: the edge's answers
as long as they come in time, and in pictures that are compressed as much as the link asks for; else the device's.
"""

from astraea.device import Objective, Profile, Rung
from astraea.models import PlateRecognizer, pull

DEADLINE_MS = 1000.0
"""A car is told of when it has passed, so an answer is of use for about as long as a car is in view."""
_LONG_SIDE_PX = 480

PROFILE = Profile(
    width=720,
    height=1160,
    local_accuracy=19 / 21,
    rungs=(
        Rung(quality=85, bytes=75_000, encode_ms=8, edge_ms=60, accuracy=21 / 21),
        Rung(quality=60, bytes=53_500, encode_ms=7, edge_ms=60, accuracy=21 / 21),
        Rung(quality=35, bytes=41_000, encode_ms=6, edge_ms=60, accuracy=20 / 21),
    ),
)
"""Of the photos of `benchmarks.plates_offload`, which counts the plates that are read exactly; smaller pictures are
worth no more than what the device reads itself. Times are only where the client begins: it measures its own."""


def light_recognizer() -> PlateRecognizer:
    """What the device answers with."""
    return PlateRecognizer(pull("plates"), long_side_px=_LONG_SIDE_PX)


def objective(deadline_ms: float = DEADLINE_MS) -> Objective:
    """The most plates read within the deadline."""
    return Objective("accuracy", deadline_ms=deadline_ms)
