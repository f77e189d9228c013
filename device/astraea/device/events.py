"""What happens in a client, for logs and displays: `OffloadClient(..., on_event=...)`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from astraea.protocol import Result

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all of them."""

    def to_dict(self) -> dict[str, Any]:
        """Its name and what it says, as what JSON can say."""
        return {"event": type(self).__name__} | {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class FrameAnswered(Event):
    """A frame has its result, be it that nobody could answer."""

    result: Result

    def to_dict(self) -> dict[str, Any]:
        """See Event.to_dict."""
        return {"event": type(self).__name__} | self.result.to_dict()


@dataclass(frozen=True, slots=True)
class FrameDropped(Event):
    """A frame was not looked at: a newer one took its place before its turn came."""

    seq: int
    trace_id: str


@dataclass(frozen=True, slots=True)
class TargetSwitched(Event):
    """The policy chose another target than for the frame before."""

    before: str | None
    after: str
    predicted_ms: float


@dataclass(frozen=True, slots=True)
class TargetLost(Event):
    """A remote target refused, broke off or fell silent."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class TargetBack(Event):
    """A target that was lost has answered again."""

    target: str


@dataclass(frozen=True, slots=True)
class CandidatesChanged(Event):
    """There are other remote targets now, the best first."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrokerLost(Event):
    """The broker did not answer; the candidates known are used on."""

    reason: str


@dataclass(frozen=True, slots=True)
class BrokerBack(Event):
    """The broker answers again."""


Listener = Callable[[Event], None]
"""Called on the client's own thread, so it should be quick; what it raises is logged and goes no further."""


class Events:
    """Tells every event to the log and to those who listen.

    Frames are logged at DEBUG, everything else at INFO; each record carries the event as `record.event`, a dict.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def add(self, listener: Listener) -> None:
        """Tell this one as well from now on."""
        self._listeners = (*self._listeners, listener)

    def emit(self, event: Event) -> None:
        """Tell of it."""
        level = logging.DEBUG if isinstance(event, FrameAnswered | FrameDropped) else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", event, extra={"event": event.to_dict()})
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - whatever an app does must not cost it frames
                _log.exception("a listener failed of %s", type(event).__name__)
