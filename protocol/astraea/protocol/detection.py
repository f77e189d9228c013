"""What a detector found in an image."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Point(NamedTuple):
    """A place in an image, in pixels from its top left corner; fractions are meaningful."""

    x: float
    y: float


class Box(NamedTuple):
    """An upright rectangle in pixels; `x2`, `y2` lie outside it. On the wire: `[x1, y1, x2, y2]`."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for a box turned inside out."""
        return max(0.0, self.x2 - self.x1) * max(0.0, self.y2 - self.y1)

    def iou(self, other: "Box") -> float:
        """Intersection over union with another box, 0 to 1."""
        overlap = Box(
            max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2)
        ).area
        union = self.area + other.area - overlap
        return overlap / union if union > 0 else 0.0


Corners = tuple[Point, Point, Point, Point]
"""Top left, top right, bottom right, bottom left of a tilted thing, as it would be read upright."""


class Detection(BaseModel):
    """One thing found in an image."""

    model_config = ConfigDict(frozen=True)

    label: str
    """The class, e.g. `car` or `plate`."""
    score: float = Field(ge=0, le=1)
    """The detector's confidence."""
    box: Box
    corners: Corners | None = None
    """For a detector that finds tilted things, such as licence plates."""
    text: str | None = None
    """What is written on it, for a detector that reads."""
    text_score: float | None = Field(default=None, ge=0, le=1)
    """The reader's confidence in its least certain character."""

    def scaled(self, x: float, y: float) -> "Detection":
        """The same in an image that is so many times as wide and as high."""
        box = Box(self.box.x1 * x, self.box.y1 * y, self.box.x2 * x, self.box.y2 * y)
        corners = self.corners and tuple(Point(corner.x * x, corner.y * y) for corner in self.corners)
        return self.model_copy(update={"box": box, "corners": corners})


class Detections(BaseModel):
    """The body of a detection service's answer: `{"detections": [...]}`."""

    model_config = ConfigDict(frozen=True)

    detections: tuple[Detection, ...]
