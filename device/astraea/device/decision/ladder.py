"""The encodings to choose among, and what a frame takes in each: the profile, corrected by what is seen."""

from ..encoding import Encoding, Size
from ..profile import Profile, Rung
from .estimates import Estimate, Recent

_UNSEEN_SHARE = 2 / 3
"""Until a frame has been encoded it is taken for smaller than the profile's, for probes are measured by it."""
_LEAST_MS = 0.01


class Ladder:
    """Scenes differ in how well they compress, and boards in how fast they do; in every rung alike.

    Args:
        profile: tells the rungs, and what their frames take.
        accuracy_loss: how much less accurate than the best rung another may be to be `held`.
    """

    def __init__(self, profile: Profile, accuracy_loss: float) -> None:
        self.rungs = profile.ladder
        self.full = max(self.rungs, key=lambda rung: (rung.accuracy, -rung.bytes))
        self.held = tuple(rung for rung in self.rungs if rung.accuracy >= self.full.accuracy - accuracy_loss)
        self._by_encoding = {rung.encoding: rung for rung in self.rungs}
        self._bytes_per_pixel = {
            rung.encoding: rung.bytes / rung.encoding.size(profile.size).pixels for rung in self.rungs
        }
        self._size_ratio = Recent()
        self._time_ratio = Recent()

    def frame_bytes(self, rung: Rung, size: Size) -> int:
        """How many a frame of that size, in pixels before it is scaled, will have."""
        ratio = self._size_ratio.median if self._size_ratio else _UNSEEN_SHARE
        encoding = rung.encoding
        return round(ratio * self._bytes_per_pixel[encoding] * encoding.size(size).pixels)

    def encode(self, rung: Rung) -> Estimate:
        """How long encoding takes."""
        ratio = self._time_ratio.estimate if self._time_ratio else Estimate(1.0, 1.0)
        return Estimate(rung.encode_ms * ratio.ms, rung.encode_ms * ratio.spread_ms)

    def observe(self, encoding: Encoding, size: Size, size_bytes: int, ms: float) -> None:
        """A frame was encoded."""
        rung = self.rung(encoding)
        usual_bytes = self._bytes_per_pixel[rung.encoding] * encoding.size(size).pixels
        self._size_ratio.observe(size_bytes / usual_bytes)
        self._time_ratio.observe(ms / max(rung.encode_ms, _LEAST_MS))

    def rung(self, encoding: Encoding | None) -> Rung:
        """The one with that encoding; the full quality for any other."""
        return self._by_encoding.get(encoding, self.full) if encoding else self.full
