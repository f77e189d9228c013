"""How many frames a device may have under way, so that none waits long at the server: pure, nothing is timed here.

A frame that waits gets old. So the window closes by one when a frame has waited for longer than working on it took,
which is to say behind more than one other, and opens by one when the device has used all of it and yet a worker is
left with nothing to do: then the link has room for more. That is a delay-based control like TCP Vegas (L. Brakmo,
L. Peterson, 1995), with the wait measured where it arises.
"""

FIRST_WINDOW = 2
"""One being worked on, one on its way."""
MOST_WINDOW = 16
"""At 30 frames a second, those of half a second: no link that is worth it is longer."""
_HICCUP_MS = 5.0
"""Waking a thread takes that long now and then: no queue."""


class CreditWindow:
    """Gives credits, one for each frame that may be sent, and learns how many there should be."""

    def __init__(self) -> None:
        self.size = FIRST_WINDOW
        self._granted = 0
        """Credits that the device has not used, as far as is known here."""
        self._under_way = 0
        """Frames that have used one and have no answer."""
        self._used_up = False
        """Whether the device has been out of credits since the window opened last."""

    def void(self) -> None:
        """The connection over which credits were given is gone, and so are those that were not used."""
        self._granted = 0

    def grant(self) -> int:
        """How many credits to give now."""
        more = max(0, self.size - self._granted - self._under_way)
        self._granted += more
        return more

    def spend(self, *, last: bool) -> bool:
        """A frame has come; whether it had a credit.

        Args:
            last: Whether the device had no other left, as it says itself: on a long link, nobody else can tell credits
                that wait for frames from those whose frames are on their way.
        """
        if not self._granted:
            return False
        self._granted -= 1
        self._under_way += 1
        self._used_up = self._used_up or last
        return True

    def answered(self, wait_ms: float, work_ms: float, *, idle: bool) -> None:
        """A frame has its answer.

        Args:
            wait_ms: It waited for a worker.
            work_ms: It was worked on.
            idle: Whether a worker has nothing to do now.
        """
        self._under_way -= 1
        if wait_ms > work_ms + _HICCUP_MS:
            self.size = max(1, self.size - 1)
        elif idle and self._used_up:
            self.size = min(MOST_WINDOW, self.size + 1)
            self._used_up = False

    def refused(self, *, full: bool) -> None:
        """A frame has no answer; `full` if that is because there was no room for it."""
        if full:
            self.size = max(1, self.size // 2)
        self._under_way -= 1
