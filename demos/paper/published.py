"""Figures that others have published, which this experiment shows beside its own and never as its own."""

from typing import NamedTuple


class Claim(NamedTuple):
    """What the paper says of its system, and what counts as reaching it."""

    text: str
    least: float


SPEED_UP = Claim("25 to 110", 25.0)
SAVED_PCT = Claim("98.5", 98.5)
VIDEO_RATIO = Claim("50", 50.0)
DEVICE_S = Claim("about 20", 20.0)
EDGE_S = "under 0.1"
"""'Astraea: Deploy AI Services at the Edge in Elegant Ways' (IEEE EDGE 2020): YOLOv3 on a Raspberry Pi 4, and offloaded
from it; the network counts in the time saved."""

_TITAN_X_MS = {320: 22.0, 416: 29.0, 608: 51.0}
"""YOLOv3's authors on an NVIDIA Titan X (https://arxiv.org/abs/1804.02767, figure 1): ms an image, by its side in
pixels."""
_HAILO_8L_FPS = {416: 25.0, 608: 14.0}
"""The maker's figures at batch size 1 (hailo-ai/hailo_model_zoo, docs/public_models/HAILO8L, compiler 3.28): images a
second of yolov3_416 and yolov3 on the accelerator of the Raspberry Pi AI kit."""

LEAST_SIZE = min(_TITAN_X_MS)
GPU = "Titan X, published"
ACCELERATOR = "Hailo-8L, published"


def gpu_ms(size: int) -> float:
    """A frame of YOLOv3 on the GPU; where none is published, that of the next larger size."""
    return _TITAN_X_MS[_published(size, _TITAN_X_MS)]


def accelerator_ms(size: int) -> float:
    """The same on the accelerator beside a Raspberry Pi."""
    return 1000 / _HAILO_8L_FPS[_published(size, _HAILO_8L_FPS)]


def _published(size: int, table: dict[int, float]) -> int:
    return min((one for one in table if one >= size), default=max(table))
