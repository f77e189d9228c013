"""Telling a connection that has died from one that is slow, without waiting for TCP to notice: pure, no clock.

TCP doubles its waits while nothing comes back: after an outage of 3 s it may stay silent for another 3 s. So an answer
that is due and doesn't come, with no byte heard and none of ours acknowledged, makes the connection suspect, and a new
one worth a try.
"""

ASK_S = 0.4
"""Of silence; then a ping asks for a sign of life, so that a server that only computes for long isn't suspect."""
SUSPECT_S = 1.0
"""Of silence. Longer than a round trip, or what a scheduler or a lost packet on a link that is up may cost."""


class Silence:
    """How long nothing has moved on a connection, though something should.

    Args:
        now_s: when it was opened, by any one clock.
    """

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._heard_bytes = 0
        self._unacknowledged_bytes = 0

    def look(self, now_s: float, *, due: bool, heard_bytes: int, unacknowledged_bytes: int) -> float:
        """The seconds of silence so far.

        Args:
            now_s: the time.
            due: whether an answer is waited for.
            heard_bytes: what has been received in all.
            unacknowledged_bytes: what was sent and is still on its way, or waits to be.
        """
        moved = heard_bytes != self._heard_bytes or unacknowledged_bytes < self._unacknowledged_bytes
        if moved or not due:
            self._since_s = now_s
        self._heard_bytes, self._unacknowledged_bytes = heard_bytes, unacknowledged_bytes
        return now_s - self._since_s
