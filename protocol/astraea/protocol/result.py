"""What a device's caller gets for a frame."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .detection import Detection
from .timing import ServerTiming

Tier = Literal["device", "edge", "cloud"]
"""Where a frame was answered."""


class Result(BaseModel):
    """The answer to one frame, and how it came about."""

    model_config = ConfigDict(frozen=True)

    seq: int = Field(ge=0)
    """The frame's number, counted by its camera."""
    captured_at: float
    """When the frame was taken: seconds on the device's monotonic clock."""
    tier: Tier | None
    """Where it was answered; None when nobody could answer (see `failure`)."""
    instance: str | None = None
    """The instance that answered, for edge and cloud."""
    revision: str | None = None
    detections: tuple[Detection, ...] | None = None
    """What was found, maybe nothing; None when there is no answer, or the service answers something else."""
    output: Any = None
    """The answer of a service that does not detect things, as it came (JSON)."""
    predicted_ms: float = Field(ge=0)
    """What the policy expected of the target it chose."""
    actual_ms: float = Field(ge=0)
    """From handing the frame over to having the answer, fallbacks included."""
    bytes_sent: int = Field(default=0, ge=0)
    server: ServerTiming | None = None
    """The server's own share of `actual_ms`, for edge and cloud."""
    fallback: str | None = None
    """Why the target chosen first did not answer, when another one had to."""
    failure: str | None = None
    """Why nobody answered."""

    @property
    def answered(self) -> bool:
        """Whether there is an answer at all; an outage never looks like "nothing found"."""
        return self.failure is None
