"""Which probes to send: what would teach the most about targets not in use, for a bounded share of the traffic."""

from collections.abc import Mapping
from typing import NamedTuple

from .remote import Remote

PROBE_BYTES = 2048
"""At the 1 Mbit/s where a small board and the edge are about equal, 16 ms: more than a round trip time jitters by."""
_CONTACT_BYTES = 256
"""For a target that is away: is it back? Also every other probe, for one size alone can't tell a long round trip from
a slow link."""
_IDLE_S = 0.1
"""A link heard of within this time is well known; it is also how often a client asks for probes."""
_LATE_S = 0.2
"""Of a target that owes an answer: the probe queues behind what is stuck."""
_SHARE = 0.009
"""Of the bytes that sending every frame would take, probes may use this much: under 1 % with what a client begins with,
from a minute or so on..."""
_SAVINGS_FRAMES = 1.0
"""...which may be saved up to this many frames' bytes..."""
_KEPT_SHARE = 0.5
"""...of which so much is kept, while an answer is late, for when the target is back..."""
_FIRST_SAVINGS_BYTES = 2 * PROBE_BYTES
"""...and a client begins with, to find out whether a link is slow before its first frame."""


class Probe(NamedTuple):
    """A message of `size_bytes` that would teach something about a target."""

    target: str
    size_bytes: int


class Prober:
    """Spends what probes may cost."""

    def __init__(self) -> None:
        self._savings_bytes = float(_FIRST_SAVINGS_BYTES)
        self._most_bytes = self._savings_bytes

    def save(self, frame_bytes: int) -> None:
        """A frame is due: its share may be spent on probes."""
        self._most_bytes = _SAVINGS_FRAMES * frame_bytes
        self._savings_bytes = min(self._savings_bytes + _SHARE * frame_bytes, self._most_bytes)

    def due(self, remotes: Mapping[str, Remote], now: float) -> list[Probe]:
        """The probes to send now; each call schedules the next ones, so send what it returns."""
        targets = sorted(remotes, key=lambda target: remotes[target].probe_at_s)
        return [probe for target in targets if (probe := self._probe(target, remotes[target], now))]

    def _probe(self, target: str, remote: Remote, now: float) -> Probe | None:
        if now < remote.probe_at_s:
            return None
        if remote.away or remote.link.samples == 0:
            return self._contact(target, remote, now)
        late = remote.late_ms(now) > 0
        if not late and remote.outstanding.larger_than(PROBE_BYTES):
            return None
        urgent = late or not remote.link.settled
        sparing = late and self._savings_bytes < _KEPT_SHARE * self._most_bytes
        size_bytes = PROBE_BYTES if not sparing and (urgent or remote.probed_small) else _CONTACT_BYTES
        if self._savings_bytes < size_bytes:
            return self._contact(target, remote, now) if remote.forgotten(now) else None
        self._savings_bytes -= size_bytes
        remote.probed_small = size_bytes == _CONTACT_BYTES
        remote.probe_at_s = now + (_LATE_S if late else 0.0 if urgent else _IDLE_S)
        return Probe(target, size_bytes)

    def _contact(self, target: str, remote: Remote, now: float) -> Probe:
        """So small and rare that it need not be saved for, but it is paid back."""
        self._savings_bytes -= _CONTACT_BYTES
        remote.probe_at_s = now + remote.contact_every_s
        return Probe(target, _CONTACT_BYTES)
