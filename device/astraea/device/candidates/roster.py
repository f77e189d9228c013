"""Who the candidates are: asked of a source again and again, and remembered while it can't tell."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import uniform

from astraea.protocol import Location

from ..errors import BrokerError
from ..events import BrokerBack, BrokerLost, Events
from .source import CandidateSource, Measured, RemoteTarget

_IN_NEED_S = 1.0
"""When a candidate is lost, ask again at once, but not more often than this: a restarted instance has another id."""
_MOST_S = 30.0
"""Ask again after this long, however long the broker says its answer holds: a rollout should not wait for devices."""
_AFTER_FAILURE_S = 5.0
_JITTER = 0.2
"""Devices that were started together should not ask together for ever."""


class Roster:
    """Asks a source for candidates when its last answer expires, and when they are needed.

    Attributes:
        failure: why the source could not tell last time; None while it can.

    Args:
        source: whom to ask.
        found: is given candidates, never none.
        events: hears when the source is lost and back.
    """

    def __init__(self, source: CandidateSource, found: Callable[[list[RemoteTarget]], None], events: Events) -> None:
        self.failure: str | None = None
        self._source = source
        self._found = found
        self._events = events
        self._ttl_s = _AFTER_FAILURE_S
        self._needed = asyncio.Event()

    def need(self) -> None:
        """Ask soon: a candidate is lost, or there is none."""
        self._needed.set()

    async def move(self, location: Location, current: str | None) -> None:
        """The device is somewhere else now: see whether others are nearer."""
        self._source.move(location)
        await self.refresh(current)

    async def refresh(self, current: str | None) -> None:
        """Ask now; `current` is the candidate in use."""
        try:
            targets, self._ttl_s = await self._source.candidates(current)
        except BrokerError as error:
            self._ttl_s = _AFTER_FAILURE_S
            if self.failure is None:
                self._events.emit(BrokerLost(str(error)))
            self.failure = str(error)
            return
        if self.failure is not None:
            self.failure = None
            self._events.emit(BrokerBack())
        if targets:  # else a broker that just restarted, and knows nobody yet; probes tell who is really gone
            self._found(targets)

    async def report(self, measured: Sequence[Measured]) -> None:
        """Tell the source what the ways are like."""
        await self._source.report(measured)

    async def keep_fresh(self, current: Callable[[], str | None], has_enough: Callable[[], bool]) -> None:
        """Ask for as long as the task lives."""
        while True:
            await asyncio.sleep(_IN_NEED_S)
            if has_enough():
                wait_s = min(self._ttl_s, _MOST_S) * uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, wait_s - _IN_NEED_S)):
                        await self._needed.wait()
            self._needed.clear()
            await self.refresh(current())

    async def close(self) -> None:
        """Let go of the source."""
        await self._source.close()
