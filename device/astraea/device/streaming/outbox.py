"""Results on their way from the event loop to the thread that reads them."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from astraea.protocol import Result

from .pipeline import Outcome


class Outbox:
    """A queue with one reader and an end.

    A reader that takes what is there wakes nobody, and one that waits is woken once for each result: on two idle cores,
    having a thread woken on the other one takes as much CPU time as deciding about a frame.

    Args:
        room: how many may be there for another frame to be begun.
        on_room: called by the reader's thread when it has made room.
    """

    def __init__(self, room: int, on_room: Callable[[], None]) -> None:
        self._room = room
        self._on_room = on_room
        self._lock = threading.RLock()  # a signal's handler may close a stream while it is held
        self._outcomes: deque[Outcome] = deque()
        self._asked: Future[Result | None] | None = None
        self._ended = False
        self._failure: Exception | None = None

    @property
    def has_room(self) -> bool:
        """Whether the reader keeps up."""
        return len(self._outcomes) < self._room

    def put(self, outcome: Outcome) -> None:
        """One more."""
        with self._lock:
            asked, self._asked = self._asked, None
            if asked is None or not asked.set_running_or_notify_cancel():
                self._outcomes.append(outcome)
                return
        _settle(asked, outcome)

    def end(self, failure: Exception | None = None) -> None:
        """What is there is the last.

        Args:
            failure: what is raised after it; None for nothing.
        """
        with self._lock:
            self._ended, self._failure = True, failure
            asked, self._asked = self._asked, None
        if asked is not None and asked.set_running_or_notify_cancel():
            _settle(asked, failure)

    def take(self) -> Future[Result | None]:
        """The next, once it is there; None after the last."""
        asked: Future[Result | None] = Future()
        with self._lock:
            if not self._outcomes and not self._ended:
                self._asked = asked
                return asked
            had_room = self.has_room
            outcome = self._outcomes.popleft() if self._outcomes else self._failure
        _settle(asked, outcome)
        if not had_room:
            self._on_room()
        return asked


def _settle(asked: Future[Result | None], outcome: Outcome | None) -> None:
    if isinstance(outcome, Exception):
        asked.set_exception(outcome)
    else:
        asked.set_result(outcome)
