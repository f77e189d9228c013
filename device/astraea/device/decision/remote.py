"""What a device knows of one remote target: the way to it, how fast it is, what it owes, whether it is there."""

from dataclasses import dataclass, field
from math import inf

from ..profile import Price, Rung
from .estimates import Estimate, Recent
from .link import Link
from .outstanding import Outstanding
from .video import VideoWay

_CONTACT_EVERY_S = 0.25
_CONTACT_EVERY_MOST_S = 1.0
"""How often a target that is away is looked for, at first and in the end."""
_PROBE_IDLE_S = 0.1
"""A link heard of within this time is well known; it is also how often a client asks for probes."""
_USABLE_SAMPLES = 2
"""A first contact tells the round trip time, the probe after it whether the link is slow."""
_BUSY_S = 0.5
"""A queue that a server had is taken to be gone so long after its last answer to a frame, where it gets none: only
frames tell of it, and a target that was left because of it must not be shunned for ever."""


@dataclass(slots=True)
class Remote:
    """One instance."""

    price: Price = field(default_factory=Price)
    link: Link = field(default_factory=Link)
    outstanding: Outstanding = field(default_factory=Outstanding)
    video: VideoWay = field(default_factory=VideoWay)
    away: bool = False
    """It refused or broke off: only a probe's answer brings it back."""
    heard_at_s: float = -inf
    probe_at_s: float = -inf
    """When the next probe is due."""
    probed_small: bool = False
    contact_every_s: float = _CONTACT_EVERY_S
    _served_at_s: float = -inf
    _time_ratio: Recent = field(default_factory=Recent)
    """Its own times over the profile's."""

    @property
    def usable(self) -> bool:
        """Whether enough is known of it to send it a frame."""
        return not self.away and self.link.samples >= _USABLE_SAMPLES

    @property
    def slowness(self) -> Estimate:
        """Its own time for a frame over the profile's."""
        return self._time_ratio.estimate

    def late_ms(self, now: float) -> float:
        """By how much what it owes is overdue."""
        return self.outstanding.late_ms(self.link, now)

    def forgotten(self, now: float) -> bool:
        """Whether it must be heard of again whatever that costs."""
        return not self.usable or now - self.heard_at_s >= _CONTACT_EVERY_MOST_S

    def served(self, rung: Rung, server_ms: float, now: float) -> None:
        """It answered a frame."""
        self._served_at_s = now
        self._time_ratio.observe(server_ms / rung.edge_ms)

    def rest(self, now: float) -> None:
        """It gets no frames."""
        if now - self._served_at_s > _BUSY_S:
            self._time_ratio.keep_least()

    def hear(self, size_bytes: int, network_ms: float | None, sent_at: float, now: float) -> None:
        """Learn from an exchange; it shows that the instance is there, if nothing of the link (None)."""
        if self.away:
            self.link.forget()
            self.away = False
        self.outstanding.answer(size_bytes, sent_at)
        if network_ms is not None:
            self.link.observe(size_bytes, network_ms, now)
        self.heard_at_s = now
        self.probe_at_s = now + (_PROBE_IDLE_S if self.link.settled else 0.0)

    def fail(self, sent_at: float, now: float) -> None:
        """It refused or broke off; the longer it stays away, the less often it is looked for."""
        self.outstanding.give_up(sent_at)
        self.contact_every_s = min(2 * self.contact_every_s, _CONTACT_EVERY_MOST_S) if self.away else _CONTACT_EVERY_S
        self.away = True
        self.probe_at_s = now + self.contact_every_s
