"""Keeps the store equal to what is in memory without making every request wait for the disk by itself.

Memory changes first and marks what changed; whoever must promise that a change is kept waits until the store has
caught up. A transaction takes all that is marked when it starts, as memory has it then, so that the store never
sees changes out of order and many waiting requests share one sync of the disk. What could not be written stays marked.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from astraea.protocol.broker_api import AuditEntry

from ..errors import StoreError
from .base import Key, Kind, Store

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Keeper(Protocol):
    """Holds the records of one kind in memory."""

    def body(self, record_id: str) -> str | None:
        """The document that the store must have; None for none."""

    def apply(self, record_id: str, body: str | None) -> None:
        """Take over what the store has: at the start, and when another broker has changed it."""


class Mirror:
    """Brings the store up to the present state, for the records that are marked.

    Args:
        store: what to bring up to it.
        keepers: who knows the present state, for each kind of record.
    """

    def __init__(self, store: Store, keepers: Mapping[Kind, Keeper]) -> None:
        self._store = store
        self._keepers = keepers
        self._marked: set[Key] = set()
        self._writing: set[Key] = set()
        self._lazy: set[Key] = set()
        self._audit: list[AuditEntry] = []
        self._turn = asyncio.Lock()
        # One thread: a write whose caller was cancelled is over before the next one begins.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.failure: StoreError | None = None
        """Why the store failed last; None while it works."""

    def mark(self, key: Key) -> None:
        """Note that the store no longer has what the keeper has."""
        self._marked.add(key)

    def mark_lazily(self, key: Key) -> None:
        """Note the same of a change that nobody waits for; the next flush writes it."""
        self._lazy.add(key)

    def note(self, entry: AuditEntry) -> None:
        """Have this written to the audit trail, together with what is marked next."""
        self._audit.append(entry)

    async def settled(self, key: Key) -> None:
        """Return when the store has this record as it was at the call; at once if it isn't marked.

        Raises:
            StoreError: it could not be written. It stays marked, to be tried again.
        """
        if key in self._marked or key in self._writing:
            async with self._turn:
                if key in self._marked:  # else the transaction that was waited for had it
                    await self._write()

    async def flush(self) -> None:
        """Write all that is marked or noted, if anything is.

        Raises:
            StoreError: as for `settled`.
        """
        async with self._turn:
            if self._marked or self._lazy or self._audit:
                await self._write()

    async def refresh(self) -> list[Key]:
        """Take over what other brokers have changed, but for what is about to be written; the records' keys.

        Raises:
            StoreError: they can't be had.
        """
        async with self._turn:
            changes = await self.on_disk(self._store.changes)
        changed = [key for key in changes if key not in self._marked]
        for key in changed:
            self._keepers[key.kind].apply(key.id, changes[key])
        return changed

    async def on_disk(self, work: Callable[[], _T]) -> _T:
        """Have the store do something, beside the event loop.

        Raises:
            StoreError: it failed; `failure` says so until something works again.
        """
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except StoreError as error:
            self._note_failure(error)
            raise
        self._note_failure(None)
        return done

    async def _write(self) -> None:
        self._writing, self._marked = self._marked, set()
        lazy, self._lazy = self._lazy, set()
        audit, self._audit = self._audit, []
        bodies = {key: self._keepers[key.kind].body(key.id) for key in self._writing | lazy}
        changes = {key: body for key, body in bodies.items() if body is not None or key in self._writing}
        written = False
        try:
            await self.on_disk(lambda: self._store.write(changes, audit))
            written = True
        finally:  # a cancelled write may or may not have come through: it is repeated
            if not written:
                self._marked |= self._writing
                self._lazy |= lazy
                self._audit = audit + self._audit
            self._writing = set()

    def _note_failure(self, failure: StoreError | None) -> None:
        if failure and not self.failure:
            _log.error("%s; changes are kept in memory until it works again", failure)
        elif self.failure and not failure:
            _log.info("the store works again")
        self.failure = failure
