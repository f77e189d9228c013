"""Keeps all services of a user as they are to be."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ..desired import DesiredStore
from ..errors import BusyError
from ..files import locked, state_folder
from .keeper import Keeper

TICK_S = 1.0
_PARALLEL = 16

logger = logging.getLogger(__name__)


class Controller:
    """Looks at each service every second or, where that takes longer, without a pause; none holds up the others.

    Args:
        store: says which there are.
        keep: makes the keeper of a service.
    """

    def __init__(self, store: DesiredStore, keep: Callable[[str], Keeper]) -> None:
        self._store, self._keep = store, keep
        self._keepers: dict[str, Keeper] = {}
        self._steps: dict[str, Future[None]] = {}

    def run(self, ended: threading.Event) -> None:
        """Go on until the event is set, and what is being done at that moment is done.

        Raises:
            BusyError: this user has a controller already.
        """
        try:
            with locked(state_folder() / "controller.lock", wait=False), ThreadPoolExecutor(_PARALLEL) as threads:
                while not ended.wait(TICK_S):
                    self._tick(threads)
        except BlockingIOError:
            raise BusyError("a controller of this user runs already", hint="one is enough") from None

    def _tick(self, threads: ThreadPoolExecutor) -> None:
        services = self._store.services()
        for service in services:
            if service not in self._steps or self._steps[service].done():
                keeper = self._keepers.get(service) or self._keepers.setdefault(service, self._keep(service))
                self._steps[service] = threads.submit(self._step, service, keeper)
        for gone in self._keepers.keys() - set(services):
            del self._keepers[gone]

    def _step(self, service: str, keeper: Keeper) -> None:
        try:
            keeper.step(time.monotonic())
        except Exception:
            logger.exception("%s: this should not have happened", service)  # the next step may well do
