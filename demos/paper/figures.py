"""What the experiment finds, as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

_ALIKE = 1.2


@dataclass(frozen=True)
class Row:
    """One device with one edge over one network, for images of one size."""

    device: str
    edge: str
    network: str
    size: int
    """Of the square images that the network sees, in pixels."""
    device_s: float
    """A frame on the device alone, in the median."""
    edge_s: float
    """Inference at the edge, as the server says."""
    network_s: float
    """All the rest of `total_s`: the device's encoding and client, the way, the server around the inference."""
    total_s: float
    """A frame by way of the edge, in the median."""
    frame_bytes: float
    video_fps: float | None
    """Frames a second of a video by way of the edge; None where it was not measured."""

    @property
    def speed_up(self) -> float:
        """How many times sooner an answer comes with the edge."""
        return self.device_s / self.total_s

    @property
    def saved_pct(self) -> float:
        """Of the device's time, the network counted."""
        return 100 * (1 - self.total_s / self.device_s)

    @property
    def video_ratio(self) -> float | None:
        """Frames a second with the edge over those of the device alone."""
        return None if self.video_fps is None else self.video_fps * self.device_s


@dataclass(frozen=True)
class Choice:
    """What the client made of a device that has a model of its own, and an edge."""

    device: str
    edge: str
    size: int
    local_s: float
    remote_s: float
    """A frame by way of the edge, in the median."""
    chosen_s: float
    """A frame as the client decided, in the mean."""
    local_share: float
    """Of the frames, those the device answered: 0 to 1."""

    @property
    def right(self) -> bool:
        """Whether most frames went where an answer takes less time; where it hardly differs, either will do."""
        differ = max(self.local_s, self.remote_s) > _ALIKE * min(self.local_s, self.remote_s)
        return not differ or (self.local_share >= 0.5) == (self.local_s < self.remote_s)


def row(
    device: str,
    edge: str,
    network: str,
    size: int,
    *,
    alone_s: Sequence[float],
    images: Sequence[dict[str, Any]],
    video_fps: float | None,
) -> Row:
    """Put together what the device's program said."""
    total_s = median(image["total_s"] for image in images)
    edge_s = median(image["infer_s"] for image in images)
    return Row(
        device,
        edge,
        network,
        size,
        device_s=median(alone_s),
        edge_s=edge_s,
        network_s=total_s - edge_s,
        total_s=total_s,
        frame_bytes=fmean(image["bytes"] for image in images),
        video_fps=video_fps,
    )


def choice(
    device: str,
    edge: str,
    size: int,
    *,
    local_s: float,
    sent: Sequence[dict[str, Any]],
    decided: Sequence[dict[str, Any]],
) -> Choice:
    """Put together what it said of frames that were all sent, and of frames that the client decided on."""
    return Choice(
        device,
        edge,
        size,
        local_s=local_s,
        remote_s=median(image["total_s"] for image in sent),
        chosen_s=fmean(image["total_s"] for image in decided),
        local_share=fmean(image["tier"] == "device" for image in decided),
    )
