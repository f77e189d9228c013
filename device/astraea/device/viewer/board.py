"""The messages that the page shows, kept so that who comes later sees the last minute too."""

import itertools
import json
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

_KEPT = {"frame": 600, "note": 100, "state": 1}
"""A minute of ten frames a second, what has happened in the last while, and how things are: less than a megabyte."""


class Message(NamedTuple):
    """One thing to show: an event of the `text/event-stream` format."""

    number: int
    """Counted from 1."""
    kind: str
    """`frame`, `state` or `note`."""
    text: str
    """A JSON document on one line."""

    def encode(self) -> bytes:
        """As https://html.spec.whatwg.org/multipage/server-sent-events.html has it."""
        return f"id: {self.number}\nevent: {self.kind}\ndata: {self.text}\n\n".encode()


class Board:
    """Takes messages from the camera loop, and hands them to any number of watchers, each at its own pace."""

    def __init__(self) -> None:
        self._messages = {kind: deque[Message](maxlen=most) for kind, most in _KEPT.items()}
        self._number = 0
        self._changed = threading.Condition()

    def post(self, kind: str, document: dict[str, Any]) -> None:
        """Add a message of a kind: `frame`, `note` or `state`."""
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
        with self._changed:
            self._number += 1
            self._messages[kind].append(Message(self._number, kind, text))
            self._changed.notify_all()

    def after(self, number: int, wait_s: float) -> Sequence[Message]:
        """The messages after that number; waits for one, but not longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number, wait_s)
            kept = itertools.chain(*self._messages.values())
            return sorted(message for message in kept if message.number > number)
