"""What has been sent to a target and not been answered: silence tells of the link before any answer does."""

from collections.abc import Iterator
from typing import NamedTuple

from .link import Link

_HICCUP_MS = 10.0
"""A scheduler's hiccup is no news."""
_MOST = 256
"""More than a client has under way; a target that swallows everything must not fill the memory."""


class _Sent(NamedTuple):
    size_bytes: int
    """Of one that was given up, 0: whatever is answered after it shows that it was lost, not delayed."""
    at_s: float
    extra_ms: float = 0.0
    """Of what its answer takes, what is not the link's."""


class Outstanding:
    """The exchanges with one target that are under way, or were given up since it was last heard."""

    def __init__(self) -> None:
        self._sent: list[_Sent] = []

    def send(self, size_bytes: int, now: float, extra_ms: float = 0.0) -> None:
        """Note one that begins. At most `_MOST` are kept, of which the oldest tells the most."""
        if len(self._sent) < _MOST:
            self._sent.append(_Sent(size_bytes, now, extra_ms))

    def answer(self, size_bytes: int, sent_at: float) -> None:
        """Forget the one sent at `sent_at`, and those sent before it that were no larger: they were overtaken."""
        self._sent = [sent for sent in self._sent if sent.at_s > sent_at or self._delays(sent, size_bytes, sent_at)]

    def give_up(self, sent_at: float) -> None:
        """Wait no longer for one; that nothing has been heard since it was sent remains true."""
        self._sent = [sent._replace(size_bytes=0) if sent.at_s == sent_at else sent for sent in self._sent]

    def late_ms(self, link: Link, now: float) -> float:
        """By how much the latest of them is later than the link lets expect; 0 when none is."""
        return max(0.0, *self._lateness(link, now)) if self._sent else 0.0

    def larger_than(self, size_bytes: int) -> bool:
        """Whether something larger is under way, whose own answer will tell more than a message of that size."""
        return any(sent.size_bytes > size_bytes for sent in self._sent)

    def silent_ms(self, now: float) -> float:
        """For how long an answer has been waited for, given up or not; 0 when none is due."""
        return max(((now - sent.at_s) * 1000 for sent in self._sent), default=0.0)

    @staticmethod
    def _delays(sent: _Sent, size_bytes: int, sent_at: float) -> bool:
        return sent.at_s < sent_at and sent.size_bytes > size_bytes

    def _lateness(self, link: Link, now: float) -> Iterator[float]:
        for sent in self._sent:
            ms, spread_ms = link.expect(sent.size_bytes, now)
            yield (now - sent.at_s) * 1000 - sent.extra_ms - ms - spread_ms - _HICCUP_MS
