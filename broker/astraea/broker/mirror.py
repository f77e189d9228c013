"""Keeps the store equal to the registry without making every request wait for the disk by itself.

The registry changes first and marks what changed; whoever must promise that a change is kept waits until the store has
caught up. A transaction takes all that is marked when it starts, as the registry has it then, so that the store never
sees changes out of order and many waiting requests share one sync of the disk. What could not be written stays marked.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from .errors import StoreError
from .registry import Registry
from .store import Store

_log = logging.getLogger(__name__)


class Mirror:
    """Brings the store up to the registry's present state, for the instances that are marked."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self._marked: set[str] = set()
        self._writing: set[str] = set()
        self._turn = asyncio.Lock()
        # One thread: a write whose caller was cancelled is over before the next one begins.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.failure: StoreError | None = None
        """Why the last write failed; None while the store works."""

    def mark(self, instance_id: str) -> None:
        """Note that the store no longer has what the registry has of this instance."""
        self._marked.add(instance_id)

    async def settled(self, instance_id: str) -> None:
        """Return when the store has this instance as the registry had it at the call; at once if nothing is marked.

        Raises:
            StoreError: it could not be written. It stays marked, to be tried again.
        """
        if instance_id in self._marked or instance_id in self._writing:
            async with self._turn:
                if instance_id in self._marked:  # else the transaction that was waited for had it
                    await self._write()

    async def flush(self) -> None:
        """Write all that is marked, if anything is.

        Raises:
            StoreError: as for `settled`.
        """
        async with self._turn:
            if self._marked:
                await self._write()

    async def _write(self) -> None:
        self._marked, self._writing = self._writing, self._marked
        changes = {instance_id: self._registry.get(instance_id) for instance_id in self._writing}
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._store.write, changes)
        except StoreError as error:
            self._note(error)
            raise
        else:
            self._note(None)
            self._writing.clear()
        finally:  # a cancelled write may or may not have come through: it is repeated
            self._marked |= self._writing
            self._writing = set()

    def _note(self, failure: StoreError | None) -> None:
        if failure and not self.failure:
            _log.error("%s; changes are kept in memory until it works again", failure)
        elif self.failure and not failure:
            _log.info("the store works again")
        self.failure = failure
