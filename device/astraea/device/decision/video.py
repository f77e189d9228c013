"""What a frame takes when it goes as one of a video: only what is new in it is sent. Pure.

A video is one more way to a remote target, beside the rungs of the ladder, over the same link. What is its own: how
large its frames are beside a JPEG of full quality, how long encoding takes, and what it takes beyond what the link lets
expect of so many bytes, which packets, decoding in order and the way of the results add. All of it is learnt from the
frames that go so. Until one has, it is what `python -m benchmarks.transports` found.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import hypot, inf

from ..encoding import Encoding
from ..profile import Rung
from .estimates import Estimate, Recent
from .link import Link

_SHARE = 0.25
"""Of the bytes of a JPEG of full quality, for a camera that hardly moves."""
_EXTRA = Estimate(15.0, 10.0)
_KNOWN_ANSWERS = 3
_BUSY_S = 0.5


class VideoRung(Rung):
    """A frame of full size, as part of a video."""

    @cached_property
    def encoding(self) -> Encoding:
        """The rung as what a codec is told."""
        return Encoding(self.quality, self.max_side, video=True)


@dataclass(slots=True)
class VideoEncoder:
    """What the device's encoder makes of what its camera shows."""

    rung: VideoRung
    share: Recent = field(default_factory=lambda: Recent(Estimate(_SHARE, 0.0)))
    """Of the bytes of a JPEG of full quality."""
    slowness: Recent = field(default_factory=Recent)
    """The time of encoding over the JPEG's."""

    def observe(self, size_bytes: int, jpeg_bytes: int, ms: float) -> None:
        """A frame was encoded that as a JPEG of full quality would have so many bytes."""
        self.share.observe(size_bytes / jpeg_bytes)
        self.slowness.observe(ms / self.rung.encode_ms)


@dataclass(slots=True)
class VideoWay:
    """What is known of one remote target's videos."""

    ready: bool = False
    """Whether there is a connection for one."""
    extra_ms: Recent = field(default_factory=lambda: Recent(_EXTRA))
    """Beyond what the link lets expect."""
    slowness: Recent = field(default_factory=Recent)
    """The server's own time over the profile's for a JPEG."""
    _answers: int = 0
    """That `extra_ms` was learnt from."""
    _served_at_s: float = -inf

    def served(
        self, rung: Rung, *, server_ms: float, network_ms: float, size_bytes: int, link: Link, now: float
    ) -> float | None:
        """A frame was answered: learn from it.

        Args:
            rung: the video's.
            server_ms: the server's own time.
            network_ms: the rest of the exchange.
            size_bytes: the frame's.
            link: the way to the target, before it learns of this frame.
            now: when.

        Returns:
            What of `network_ms` is the link's, to be learnt by it: no less than a round trip, or it would take what is
            rather a smaller extra for a shorter way. None while what is extra is not known.
        """
        self._served_at_s = now
        self.slowness.observe(server_ms / rung.edge_ms)
        self.extra_ms.observe(max(0.0, network_ms - link.expect(size_bytes, now).ms))
        self._answers += 1
        return max(link.rtt_ms, network_ms - self.extra_ms.median) if self._answers >= _KNOWN_ANSWERS else None

    def rest(self, now: float) -> None:
        """Frames don't go so: what was learnt while something held them up must not rule it out for ever."""
        if now - self._served_at_s > _BUSY_S:
            self.slowness.keep_least()
            if self.extra_ms.median > _EXTRA.ms:
                self.extra_ms, self._answers = Recent(_EXTRA), 0

    def expect(self, encoder: VideoEncoder, way_ms: float, way_spread_ms: float) -> tuple[float, float]:
        """What a frame takes until its answer, and one standard deviation of that.

        Args:
            encoder: the device's.
            way_ms: what the link lets expect of its bytes...
            way_spread_ms: ...and one standard deviation of that.
        """
        rung = encoder.rung
        slowness, doubt = encoder.slowness.estimate
        server, server_doubt = self.slowness.estimate
        extra_ms, extra_spread_ms = self.extra_ms.estimate
        ms = rung.encode_ms * slowness + way_ms + extra_ms + rung.edge_ms * server
        return ms, hypot(rung.encode_ms * doubt, way_spread_ms, extra_spread_ms, rung.edge_ms * server_doubt)


def video_rung(full: Rung, loss: float) -> VideoRung:
    """The one of a ladder whose full quality is that rung; answers to video are so much less accurate, 0 to 1."""
    own = {"bytes": max(1, round(_SHARE * full.bytes)), "accuracy": max(0.0, full.accuracy - loss)}
    return VideoRung.model_validate(full.model_dump() | own)
