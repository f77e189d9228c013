"""What a device's caller gets for a frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from .detection import Detection
from .errors import NoAnswerError
from .interop import to_supervision
from .timing import ServerTiming

if TYPE_CHECKING:
    import supervision

Tier = Literal["device", "edge", "cloud"]
"""Where a frame was answered."""


@dataclass(frozen=True, slots=True)
class SentImage:
    """A frame's picture as it was sent: a JPEG of this size in pixels and this quality, 1 to 100."""

    width: int
    height: int
    quality: int
    video: bool = False
    """Whether it went as a frame of a video instead, in the quality of its encoder."""


class Result(BaseModel):
    """The answer to one frame, and how it came about.

    An outage never looks like "nothing found": then `detections` is None, `answered` is false, and `failure` says why.
    """

    model_config = ConfigDict(frozen=True)

    seq: int = Field(ge=0)
    """The frame's number, counted by its camera."""
    captured_at: float
    """When the frame was taken: seconds on the device's monotonic clock."""
    trace_id: str | None = None
    """The same from capture to the server's log: the trace id of the W3C trace context, 32 hexadecimal digits."""
    tier: Tier | None
    """Where it was answered; None when nobody could answer (see `failure`)."""
    instance: str | None = None
    """The instance that answered, for edge and cloud."""
    revision: str | None = None
    detections: tuple[Detection, ...] | None = None
    """What was found, maybe nothing; None when there is no answer, or the service answers something else. Boxes are in
    pixels of the frame as it was captured, whatever size was sent."""
    output: Any = None
    """The answer of a service that does not detect things, as it came (JSON)."""
    predicted_ms: float = Field(ge=0)
    """What the policy expected of the target it chose."""
    actual_ms: float = Field(ge=0)
    """From handing the frame over to having the answer, fallbacks included."""
    age_ms: float = Field(ge=0)
    """From capture to having the answer: how old the picture is that the answer speaks of."""
    deadline_ms: float | None = Field(default=None, gt=0)
    """The age that the answer was not to exceed; None when the app set none."""
    stale: bool = False
    """Whether the answer to a newer frame came before it."""
    sent_as: SentImage | None = None
    """The encoding that was chosen for it, for edge and cloud."""
    bytes_sent: int = Field(default=0, ge=0)
    encode_ms: float | None = Field(default=None, ge=0)
    """The device's time to compress the picture, for edge and cloud."""
    network_ms: float | None = Field(default=None, ge=0)
    """The exchange with the server less the server's own time, for edge and cloud."""
    server: ServerTiming | None = None
    """The server's own share of `actual_ms`, for edge and cloud."""
    hedged: bool = False
    """Whether another target began on it as well because the chosen one was late, whoever was first."""
    repeats: int | None = None
    """Nothing has moved since the frame of this number, so this is its answer again."""
    carried_to: int | None = None
    """Detections have been followed to the frame of this number, the newest one when the result was given, and lie as
    things do there; None where they lie as in the frame that was answered."""
    doubt: str | None = None
    """Why the device's own answer called for a second opinion; `tier` tells whether there was one in time."""
    fallback: str | None = None
    """Why the target chosen first did not answer, when another one had to."""
    failure: str | None = None
    """Why nobody answered."""

    @property
    def answered(self) -> bool:
        """Whether there is an answer at all; an outage never looks like "nothing found"."""
        return self.failure is None

    @computed_field  # type: ignore[prop-decorator]  # mypy #14461: decorators on top of a property
    @property
    def source(self) -> str | None:
        """Who answered, in one word: `device`, `edge/INSTANCE@REVISION`, `cloud/...`; None when nobody did."""
        if self.tier is None or self.instance is None:
            return self.tier
        return f"{self.tier}/{self.instance}" + (f"@{self.revision}" if self.revision else "")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def deadline_met(self) -> bool | None:
        """Whether there was an answer before `deadline_ms`; None without a deadline."""
        return None if self.deadline_ms is None else self.answered and self.age_ms <= self.deadline_ms

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON can say."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """All of it on one line."""
        return self.model_dump_json()

    def to_supervision(self) -> "supervision.Detections":
        """What was found, for the annotators, trackers and zones of the `supervision` library.

        Raises:
            NoAnswerError: nobody answered, which is not the same as nothing found, or the service detects nothing.
            MissingExtraError: supervision is not installed.
        """
        if self.detections is None:
            raise NoAnswerError(self.failure or "the service answers something else than detections: see `output`")
        return to_supervision(self.detections)
