"""The encodings to choose among, and what a frame takes in each: the profile, corrected by what is seen."""

from collections.abc import Sequence
from typing import NamedTuple

from ..encoding import Encoding, Size
from ..profile import Profile, Rung
from .estimates import Estimate, Recent
from .video import VideoEncoder, video_rung

_UNSEEN_SHARE = 2 / 3
"""Until a frame has been encoded it is taken for smaller than the profile's, for probes are measured by it."""


class Encoded(NamedTuple):
    """What sending a frame in one encoding begins with."""

    rung: Rung
    size_bytes: int
    encode_ms: float
    """How long encoding takes..."""
    encode_spread_ms: float
    """...and one standard deviation of that."""


class Ladder:
    """Scenes differ in how well they compress, and boards in how fast they do; in every rung alike.

    Args:
        profile: tells the rungs, and what their frames take; here they are the most accurate first.
        accuracy_loss: how much less accurate than the best rung another may be to be `held`.
    """

    def __init__(self, profile: Profile, accuracy_loss: float) -> None:
        self.rungs = profile.ladder[::-1]
        self.full = max(self.rungs, key=lambda rung: (rung.accuracy, -rung.bytes))
        self.held = tuple(rung for rung in self.rungs if rung.accuracy >= self.full.accuracy - accuracy_loss)
        self.video = VideoEncoder(video_rung(self.full, profile.video_loss))
        self.video_held = profile.video_loss <= accuracy_loss
        self._profile = profile
        self._by_encoding = {rung.encoding: rung for rung in self.rungs}
        self._usual_size = Size(0, 0)
        self._usual: dict[Encoding, float] = {}
        self._size_ratio = Recent(Estimate(_UNSEEN_SHARE, 0.0))
        self._time_ratio = Recent()

    def frame_bytes(self, size: Size) -> int:
        """How many a frame of that size, in pixels before it is scaled, will have in full quality."""
        return round(self._size_ratio.median * self._usual_bytes(size)[self.full.encoding])

    def encode_ms(self, encoding: Encoding) -> float:
        """What encoding a frame so takes."""
        slowness = self.video.slowness if encoding.video else self._time_ratio
        return self.rung(encoding).encode_ms * slowness.median

    def encoded(self, rungs: Sequence[Rung], size: Size) -> list[Encoded]:
        """A frame of that size in each of some rungs."""
        factor, usual = self._size_ratio.median, self._usual_bytes(size)
        slowness, doubt = self._time_ratio.estimate
        return [
            Encoded(rung, round(factor * usual[rung.encoding]), rung.encode_ms * slowness, rung.encode_ms * doubt)
            for rung in rungs
        ]

    def _usual_bytes(self, size: Size) -> dict[Encoding, float]:
        """The profile's for each encoding, for the pixels of this frame."""
        if size != self._usual_size:
            self._usual_size = size
            profiled = self._profile.size
            self._usual = {
                one.encoding: one.bytes * one.encoding.size(size).pixels / one.encoding.size(profiled).pixels
                for one in self.rungs
            }
        return self._usual

    def observe(self, encoding: Encoding, size: Size, size_bytes: int, ms: float) -> None:
        """A frame was encoded."""
        if encoding.video:
            self.video.observe(size_bytes, self.frame_bytes(size), ms)
            return
        rung = self.rung(encoding)
        self._size_ratio.observe(size_bytes / self._usual_bytes(size)[rung.encoding])
        self._time_ratio.observe(ms / rung.encode_ms)

    def rung(self, encoding: Encoding | None) -> Rung:
        """The one with that encoding; the full quality for any other."""
        if encoding and encoding.video:
            return self.video.rung
        return self._by_encoding.get(encoding, self.full) if encoding else self.full
