"""The encodings to choose among, and what a frame takes in each: the profile, corrected by what is seen."""

from collections.abc import Sequence
from typing import NamedTuple

from ..encoding import Encoding, Size
from ..profile import Profile, Rung
from .estimates import UNKNOWN, Estimate, Recent

_UNSEEN_SHARE = 2 / 3
"""Until a frame has been encoded it is taken for smaller than the profile's, for probes are measured by it."""


class Encoded(NamedTuple):
    """What sending a frame in one encoding begins with."""

    rung: Rung
    size_bytes: int
    encode: Estimate
    """How long encoding takes."""


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
        self._profile = profile
        self._by_encoding = {rung.encoding: rung for rung in self.rungs}
        self._usual_size = Size(0, 0)
        self._usual: dict[Encoding, float] = {}
        self._size_ratio = Recent()
        self._time_ratio = Recent()

    def frame_bytes(self, size: Size) -> int:
        """How many a frame of that size, in pixels before it is scaled, will have in full quality."""
        return round(self._size_factor * self._usual_bytes(self.full.encoding, size))

    def encoded(self, rungs: Sequence[Rung], size: Size) -> list[Encoded]:
        """A frame of that size in each of some rungs."""
        factor = self._size_factor
        slowness = self._time_ratio.estimate if self._time_ratio else UNKNOWN
        return [
            Encoded(
                rung,
                round(factor * self._usual_bytes(rung.encoding, size)),
                Estimate(rung.encode_ms * slowness.ms, rung.encode_ms * slowness.spread_ms),
            )
            for rung in rungs
        ]

    @property
    def _size_factor(self) -> float:
        return self._size_ratio.median if self._size_ratio else _UNSEEN_SHARE

    def _usual_bytes(self, encoding: Encoding, size: Size) -> float:
        """The profile's for that encoding, for the pixels of this frame."""
        if size != self._usual_size:
            self._usual_size = size
            profiled = self._profile.size
            self._usual = {
                one.encoding: one.bytes * one.encoding.size(size).pixels / one.encoding.size(profiled).pixels
                for one in self.rungs
            }
        return self._usual[encoding]

    def observe(self, encoding: Encoding, size: Size, size_bytes: int, ms: float) -> None:
        """A frame was encoded."""
        rung = self.rung(encoding)
        self._size_ratio.observe(size_bytes / self._usual_bytes(rung.encoding, size))
        self._time_ratio.observe(ms / rung.encode_ms)

    def rung(self, encoding: Encoding | None) -> Rung:
        """The one with that encoding; the full quality for any other."""
        return self._by_encoding.get(encoding, self.full) if encoding else self.full
