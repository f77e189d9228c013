"""The offload decision: where to answer the next frame, from what has been measured so far.

Pure: no clock, no socket, so that the client, the tests and a simulator run the very same code. It compares

    predicted(device) = queue + local inference
    predicted(remote) = encode + bytes / bandwidth + round trip + the server's own time

each with its uncertainty. It stays with the target in use unless another is better by more than the two are
uncertain, so it does not flap between equals; and it asks for probes of what it does not use, so that it learns when
that has become better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from math import hypot
from typing import NamedTuple

from .estimates import Estimate, Recent
from .link import Link

LOCAL = "local"
"""The device itself, among the names of targets; every other one is a remote instance."""

_FIRST_LOCAL = Estimate(500.0, 500.0)
"""A detector on a small board nobody has timed yet."""
_FIRST_ENCODE = Estimate(10.0, 10.0)
_FIRST_SERVER = Estimate(30.0, 30.0)
_FIRST_BYTES_PER_PIXEL = 0.2
"""JPEG at quality 85 of a street scene."""
_HYSTERESIS_SIGMAS = 0.5
"""How many standard deviations of their difference another target must be better by, to be worth a switch."""
_PATIENCE_SIGMAS = 3.0
"""An answer this many standard deviations late is not just slow..."""
_PATIENCE_RATIO = 1.5
_PATIENCE_FLOOR_MS = 40.0
"""...unless it is late by less than this: a scheduler's hiccup, a retransmission on a good link."""
_GIVE_UP_MS = 2000.0
"""A link that was cut is known to be away after this long, so that probes can begin to look for its return..."""
_GIVE_UP_ALONE_MS = 10_000.0
"""...but where there is no other target, a slow answer is worth the wait."""
_PROBE_BYTES = 4096
"""Large enough that a slow link shows; once a second it is 1 % of 45 kB frames at 10 a second."""
_CONTACT_BYTES = 256
"""For a target that is away: is it back?"""
_PROBE_EVERY_S = 1.0
_CONTACT_EVERY_S = 0.25
_CONTACT_EVERY_MOST_S = 1.0
_USABLE_SAMPLES = 2
"""A first contact tells the round trip time, the probe after it whether the link is slow."""


class Decision(NamedTuple):
    """Where to answer a frame."""

    target: str
    predicted_ms: float
    patience_ms: float
    """When nothing has come back after this long, let another target answer too."""
    give_up_ms: float
    """When nothing has come back after this long, nothing will."""


class Probe(NamedTuple):
    """A message of `size_bytes` that would teach something about a target."""

    target: str
    size_bytes: int


class _State(Enum):
    PRESENT = auto()
    OVERDUE = auto()
    """An answer is late: nothing is sent until it comes, or is given up."""
    DOUBTED = auto()
    """The late answer came: a probe must tell whether that was an accident or the link has changed."""
    AWAY = auto()
    """Probes look for its return."""


@dataclass(slots=True)
class _Remote:
    """What is known of one instance."""

    link: Link = field(default_factory=Link)
    server: Recent = field(default_factory=Recent)
    state: _State = _State.PRESENT
    probe_at_s: float = 0.0
    contact_every_s: float = _CONTACT_EVERY_S

    @property
    def usable(self) -> bool:
        return self.state is _State.PRESENT and self.link.samples >= _USABLE_SAMPLES

    def hear(self, size_bytes: int, network_ms: float, now: float) -> None:
        """Learn from an exchange; it shows that the instance is there."""
        if self.state is _State.AWAY:
            self.link.forget()
        self.state = _State.DOUBTED if self.state is _State.OVERDUE else _State.PRESENT
        self.link.observe(size_bytes, network_ms)
        settled = self.link.settled and self.state is _State.PRESENT
        self.probe_at_s = now + (_PROBE_EVERY_S if settled else 0.0)


def choose(estimates: Mapping[str, Estimate], current: str | None) -> str:
    """The target with the lowest expected time, or `current` where the difference is within the uncertainty.

    Args:
        estimates: at least one target.
        current: the target in use; it need not be among the estimates.
    """
    best = min(estimates, key=lambda target: estimates[target].ms)
    if current is None or current not in estimates:
        return best
    gain_ms = estimates[current].ms - estimates[best].ms
    doubt_ms = hypot(estimates[current].spread_ms, estimates[best].spread_ms)
    return best if gain_ms > _HYSTERESIS_SIGMAS * doubt_ms else current


class Policy:
    """Chooses a target per frame and learns from every answer. `now` is seconds on any monotonic clock.

    Args:
        local: whether the device can answer by itself.
    """

    def __init__(self, *, local: bool) -> None:
        self._local = Recent() if local else None
        self._encode = Recent()
        self._bytes_per_pixel = Recent()
        self._remotes: dict[str, _Remote] = {}
        self._current: str | None = None

    def offer(self, targets: Iterable[str]) -> None:
        """Say which remote targets there are now; what is known of those that stay is kept."""
        self._remotes = {target: self._remotes.get(target) or _Remote() for target in targets}

    def estimates(self, pixels: int, *, local_queue: int = 0) -> dict[str, Estimate]:
        """What each usable target would take for a frame of that many pixels.

        Args:
            pixels: the frame's width times height.
            local_queue: frames that the device has begun on, or will before this one.
        """
        estimates = {
            target: self._remote_estimate(remote, pixels) for target, remote in self._remotes.items() if remote.usable
        }
        if self._local is not None:
            local = self._local.estimate if self._local else _FIRST_LOCAL
            estimates[LOCAL] = Estimate(local.ms * (1 + local_queue), local.spread_ms * (1 + local_queue))
        return estimates

    def decide(self, pixels: int, *, local_queue: int = 0) -> Decision | None:
        """Choose for a frame; None when nothing can answer it. The arguments are those of `estimates`.

        A device without a model of its own tries a target that is away or unknown rather than none.
        """
        estimates = self.estimates(pixels, local_queue=local_queue) or {
            target: self._remote_estimate(remote, pixels) for target, remote in self._remotes.items()
        }
        if not estimates:
            return None
        self._current = choose(estimates, self._current)
        ms, spread_ms = estimates[self._current]
        patience_ms = max(ms + _PATIENCE_SIGMAS * spread_ms, _PATIENCE_RATIO * ms, ms + _PATIENCE_FLOOR_MS)
        others_ms = [other.ms for target, other in estimates.items() if target != self._current]
        give_up_ms = max(_GIVE_UP_MS, patience_ms, 2 * min(others_ms)) if others_ms else _GIVE_UP_ALONE_MS
        return Decision(self._current, ms, patience_ms, give_up_ms)

    @property
    def has_remote(self) -> bool:
        """Whether a remote target could be chosen now."""
        return any(remote.usable for remote in self._remotes.values())

    def link(self, target: str) -> Link | None:
        """What is known of the way to a target, for display."""
        remote = self._remotes.get(target)
        return remote.link if remote else None

    def observe_local(self, ms: float) -> None:
        """The device answered a frame in `ms`."""
        if self._local is not None:
            self._local.observe(ms)

    def observe_encoding(self, pixels: int, size_bytes: int, ms: float) -> None:
        """A frame was encoded for sending."""
        self._encode.observe(ms)
        self._bytes_per_pixel.observe(size_bytes / pixels)

    def observe_answer(self, target: str, *, size_bytes: int, network_ms: float, server_ms: float, now: float) -> None:
        """A target answered a frame: `network_ms` is the exchange less the server's own `server_ms`."""
        if remote := self._remotes.get(target):
            remote.server.observe(server_ms)
            remote.hear(size_bytes, network_ms, now)

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, now: float) -> None:
        """A target answered a probe."""
        if remote := self._remotes.get(target):
            remote.hear(size_bytes, network_ms, now)

    def observe_overdue(self, target: str) -> None:
        """An answer is late beyond patience: do not choose this target until it has come and a probe after it."""
        if remote := self._remotes.get(target):
            remote.state = _State.OVERDUE

    def observe_failure(self, target: str, *, now: float) -> None:
        """A target refused, broke off or never answered: it is away until a probe reaches it."""
        if remote := self._remotes.get(target):
            again = remote.state is _State.AWAY
            remote.contact_every_s = (
                min(2 * remote.contact_every_s, _CONTACT_EVERY_MOST_S) if again else _CONTACT_EVERY_S
            )
            remote.state = _State.AWAY
            remote.probe_at_s = now + remote.contact_every_s

    def probes(self, now: float) -> list[Probe]:
        """The probes to send now; each call schedules the next ones, so send what it returns."""
        due = []
        for target, remote in self._remotes.items():
            if remote.state is _State.OVERDUE or now < remote.probe_at_s:
                continue
            remote.probe_at_s = now + (_PROBE_EVERY_S if remote.usable else remote.contact_every_s)
            first_contact = remote.state is _State.AWAY or remote.link.samples == 0
            due.append(Probe(target, _CONTACT_BYTES if first_contact else _PROBE_BYTES))
        return due

    def _remote_estimate(self, remote: _Remote, pixels: int) -> Estimate:
        bytes_per_pixel = self._bytes_per_pixel.median if self._bytes_per_pixel else _FIRST_BYTES_PER_PIXEL
        encode = self._encode.estimate if self._encode else _FIRST_ENCODE
        server = remote.server.estimate if remote.server else _FIRST_SERVER
        return encode + remote.link.expect(round(bytes_per_pixel * pixels)) + server
