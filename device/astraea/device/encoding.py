"""How a frame is compressed for sending: one rung of the ladder that a decision chooses from."""

from typing import NamedTuple

DEFAULT_QUALITY = 85
"""Detection accuracy is within a point of lossless from here up, at a tenth of its bytes."""


class Size(NamedTuple):
    """Of an image, in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.width * self.height


class Encoding(NamedTuple):
    """A resolution and a JPEG quality, or a video."""

    quality: int = DEFAULT_QUALITY
    """JPEG quality, 1 to 100."""
    max_side: int | None = None
    """The longer side of the image sent is at most this many pixels; None sends it as large as it is."""
    video: bool = False
    """As a frame of a video, whose quality is its encoder's own, if there is a connection for one."""

    def size(self, original: Size) -> Size:
        """What an image of that size is scaled to; none is enlarged."""
        longer = max(original)
        if self.max_side is None or longer <= self.max_side:
            return original
        scale = self.max_side / longer
        return Size(max(1, round(original.width * scale)), max(1, round(original.height * scale)))

    def __str__(self) -> str:
        """As reports name it: `320 px q70`."""
        size = "full size" if self.max_side is None else f"{self.max_side} px"
        return f"{size} {'video' if self.video else f'q{self.quality}'}"
