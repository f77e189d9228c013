"""The offload decision: where to answer the next frame, from what has been measured so far.

Pure: no clock, no socket, so that the client, the tests and a simulator run the very same code. It compares

    predicted(device) = queue + local inference
    predicted(remote) = encode + bytes / bandwidth + round trip + the server's own time

each with its uncertainty, and takes into account that the device can begin on a frame as well when a remote answer
does not come (see `hedge`), and what the silence of a target says (see `outstanding`). It stays with the target in use
unless another is better by more than the two are uncertain, so it does not flap between equals; and it asks for probes
of what it does not use, so that it learns when that has become better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import hypot, inf
from typing import NamedTuple

from .estimates import Estimate, Recent
from .hedge import hedge
from .link import Link
from .outstanding import Outstanding

LOCAL = "local"
"""The device itself, among the names of targets; every other one is a remote instance."""

_FIRST_LOCAL = Estimate(500.0, 500.0)
"""A detector on a small board nobody has timed yet."""
_FIRST_ENCODE = Estimate(10.0, 10.0)
_FIRST_SERVER = Estimate(30.0, 30.0)
_FIRST_BYTES_PER_PIXEL = 0.1
"""JPEG at quality 85 of a plain scene; rather less than there will be, for probes are measured by it."""
_HYSTERESIS_SIGMAS = 1.0
"""How many standard deviations of their difference another target must be better by, to be worth a switch."""
_SILENT_RATIO = 4.0
"""A target silent for so many times what the device takes for a frame gets one frame at a time: in an outage the device
answers anyway, and the rest would stand in the way when the link comes back."""
_GIVE_UP_MS = 2000.0
"""A link that was cut is known to be away after this long, so that probes can begin to look for its return..."""
_GIVE_UP_ALONE_MS = 10_000.0
"""...but where there is no other target, a slow answer is worth the wait."""
_PROBE_BYTES = 2048
"""At the 1 Mbit/s where a small board and the edge are about equal, 16 ms: more than a round trip time jitters by."""
_CONTACT_BYTES = 256
"""For a target that is away: is it back? Also every other probe, for one size alone can't tell a long round trip from
a slow link."""
_PROBE_IDLE_S = 0.1
"""A link heard of within this time is well known; it is also how often a client asks for probes."""
_PROBE_LATE_S = 0.2
"""Of a target that owes an answer: the probe queues behind what is stuck."""
_CONTACT_EVERY_S = 0.25
_CONTACT_EVERY_MOST_S = 1.0
_PROBE_SHARE = 0.009
"""Of the bytes that sending every frame would take, probes may use this much: under 1 % with what a client begins with,
from a minute or so on..."""
_PROBE_SAVINGS_FRAMES = 1.0
"""...which may be saved up to this many frames' bytes..."""
_FIRST_SAVINGS_BYTES = 2 * _PROBE_BYTES
"""...and a client begins with, to find out whether a link is slow before its first frame."""
_USABLE_SAMPLES = 2
"""A first contact tells the round trip time, the probe after it whether the link is slow."""


class Decision(NamedTuple):
    """Where to answer a frame."""

    target: str
    predicted_ms: float
    """Until the first answer, whoever gives it."""
    patience_ms: float
    """When nothing has come back after this long, let the device answer too: 0 for both at once."""
    give_up_ms: float
    """When nothing has come back after this long, nothing will."""


class Probe(NamedTuple):
    """A message of `size_bytes` that would teach something about a target."""

    target: str
    size_bytes: int


@dataclass(slots=True)
class _Remote:
    """What is known of one instance."""

    link: Link = field(default_factory=Link)
    server: Recent = field(default_factory=Recent)
    outstanding: Outstanding = field(default_factory=Outstanding)
    away: bool = False
    """It refused or broke off: only a probe's answer brings it back."""
    heard_at_s: float = -inf
    probe_at_s: float = -inf
    probed_small: bool = False
    contact_every_s: float = _CONTACT_EVERY_S

    @property
    def usable(self) -> bool:
        return not self.away and self.link.samples >= _USABLE_SAMPLES

    def late_ms(self, now: float) -> float:
        return self.outstanding.late_ms(self.link, now)

    def hear(self, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """Learn from an exchange; it shows that the instance is there."""
        if self.away:
            self.link.forget()
            self.away = False
        self.outstanding.answer(size_bytes, sent_at)
        self.link.observe(size_bytes, network_ms, now)
        self.heard_at_s = now
        self.probe_at_s = now + (_PROBE_IDLE_S if self.link.settled else 0.0)


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
        hedge: whether it may begin on a frame that a remote target has not answered. A device that saves its energy
            may not; then each frame has one target.
    """

    def __init__(self, *, local: bool, hedge: bool = True) -> None:
        self._local = Recent() if local else None
        self._may_hedge = hedge
        self._encode = Recent()
        self._bytes_per_pixel = Recent()
        self._remotes: dict[str, _Remote] = {}
        self._current: str | None = None
        self._savings_bytes = float(_FIRST_SAVINGS_BYTES)

    def offer(self, targets: Iterable[str]) -> None:
        """Say which remote targets there are now; what is known of those that stay is kept."""
        self._remotes = {target: self._remotes.get(target) or _Remote() for target in targets}

    def estimates(self, pixels: int, *, now: float, local_queue: int = 0) -> dict[str, Estimate]:
        """What each usable target would take for a frame of that many pixels, were nothing overdue.

        Args:
            pixels: the frame's width times height.
            now: the time of the question.
            local_queue: frames that the device has begun on, or will before this one.
        """
        estimates = {
            target: self._remote_estimate(remote, pixels, now)
            for target, remote in self._remotes.items()
            if remote.usable
        }
        if self._local is not None:
            local = self._local.estimate if self._local else _FIRST_LOCAL
            estimates[LOCAL] = Estimate(local.ms * (1 + local_queue), local.spread_ms * (1 + local_queue))
        return estimates

    def decide(self, pixels: int, *, now: float, local_queue: int = 0) -> Decision | None:
        """Choose for a frame; None when nothing can answer it. The arguments are those of `estimates`.

        A device without a model of its own tries a target that is away or unknown rather than none.
        """
        self._save(pixels)
        estimates = self.estimates(pixels, now=now, local_queue=local_queue) or {
            target: self._remote_estimate(remote, pixels, now) for target, remote in self._remotes.items()
        }
        if not estimates:
            return None
        local_ms = estimates[LOCAL].ms if LOCAL in estimates and self._may_hedge else None
        hedges = {
            target: hedge(estimate, self._remotes[target].late_ms(now), local_ms)
            for target, estimate in estimates.items()
            if target != LOCAL and not self._is_silent(target, local_ms, now)
        }
        costs = {target: Estimate(hedges[target].cost_ms, estimates[target].spread_ms) for target in hedges}
        if LOCAL in estimates:
            costs[LOCAL] = estimates[LOCAL]
        self._current = choose(costs, self._current)
        patience_ms = hedges[self._current].patience_ms if self._current in hedges else inf
        others_ms = [estimate.ms for target, estimate in estimates.items() if target != self._current]
        give_up_ms = max(_GIVE_UP_MS, 2 * min(others_ms)) if others_ms else _GIVE_UP_ALONE_MS
        if patience_ms < inf:
            give_up_ms = max(give_up_ms, patience_ms)
        return Decision(self._current, costs[self._current].ms, patience_ms, give_up_ms)

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

    def observe_sent(self, target: str, *, size_bytes: int, now: float) -> None:
        """A frame or probe goes out to a target; its answer or failure names this time as `sent_at`."""
        if remote := self._remotes.get(target):
            remote.outstanding.send(size_bytes, now)

    def observe_answer(
        self, target: str, *, size_bytes: int, network_ms: float, server_ms: float, sent_at: float, now: float
    ) -> None:
        """A target answered a frame: `network_ms` is the exchange less the server's own `server_ms`."""
        if remote := self._remotes.get(target):
            remote.server.observe(server_ms)
            remote.hear(size_bytes, network_ms, sent_at, now)

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """A target answered a probe."""
        if remote := self._remotes.get(target):
            remote.hear(size_bytes, network_ms, sent_at, now)

    def observe_silence(self, target: str, *, sent_at: float) -> None:
        """A target has not answered, and is waited for no longer."""
        if remote := self._remotes.get(target):
            remote.outstanding.give_up(sent_at)

    def observe_failure(self, target: str, *, sent_at: float, now: float) -> None:
        """A target refused or broke off: it is away until a probe reaches it."""
        if remote := self._remotes.get(target):
            remote.outstanding.give_up(sent_at)
            remote.contact_every_s = (
                min(2 * remote.contact_every_s, _CONTACT_EVERY_MOST_S) if remote.away else _CONTACT_EVERY_S
            )
            remote.away = True
            remote.probe_at_s = now + remote.contact_every_s

    def probes(self, now: float) -> list[Probe]:
        """The probes to send now; each call schedules the next ones, so send what it returns."""
        due = sorted(self._remotes, key=lambda target: self._remotes[target].probe_at_s)
        return [probe for target in due if (probe := self._probe(target, self._remotes[target], now))]

    def _probe(self, target: str, remote: _Remote, now: float) -> Probe | None:
        if now < remote.probe_at_s:
            return None
        if remote.away or remote.link.samples == 0:
            return self._contact(target, remote, now)
        late = remote.late_ms(now) > 0
        if not late and remote.outstanding.larger_than(_PROBE_BYTES):
            return None
        urgent = late or not remote.link.settled
        size_bytes = _PROBE_BYTES if urgent or remote.probed_small else _CONTACT_BYTES
        if self._savings_bytes < size_bytes:
            forgotten = not remote.usable or now - remote.heard_at_s >= _CONTACT_EVERY_MOST_S
            return self._contact(target, remote, now) if forgotten else None
        self._savings_bytes -= size_bytes
        remote.probed_small = size_bytes == _CONTACT_BYTES
        remote.probe_at_s = now + (_PROBE_LATE_S if late else 0.0 if urgent else _PROBE_IDLE_S)
        return Probe(target, size_bytes)

    def _contact(self, target: str, remote: _Remote, now: float) -> Probe:
        """So small and rare that it need not be saved for, but it is paid back."""
        self._savings_bytes -= _CONTACT_BYTES
        remote.probe_at_s = now + remote.contact_every_s
        return Probe(target, _CONTACT_BYTES)

    def _is_silent(self, target: str, local_ms: float | None, now: float) -> bool:
        outstanding = self._remotes[target].outstanding
        if local_ms is None or outstanding.silent_ms(now) <= _SILENT_RATIO * local_ms:
            return False
        return outstanding.larger_than(_PROBE_BYTES)

    def _save(self, pixels: int) -> None:
        """A frame is due: its share may be spent on probes."""
        frame_bytes = self._frame_bytes(pixels)
        most_bytes = _PROBE_SAVINGS_FRAMES * frame_bytes
        self._savings_bytes = min(self._savings_bytes + _PROBE_SHARE * frame_bytes, most_bytes)

    def _frame_bytes(self, pixels: int) -> int:
        return round((self._bytes_per_pixel.median if self._bytes_per_pixel else _FIRST_BYTES_PER_PIXEL) * pixels)

    def _remote_estimate(self, remote: _Remote, pixels: int, now: float) -> Estimate:
        encode = self._encode.estimate if self._encode else _FIRST_ENCODE
        server = remote.server.estimate if remote.server else _FIRST_SERVER
        return encode + remote.link.expect(self._frame_bytes(pixels), now) + server
