"""An event loop on a thread of its own, for callers with and without one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from .errors import DeviceError

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines for other threads.

    Args:
        name: the thread's, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on it, and so must not wait."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Begin to run.

        Raises:
            DeviceError: it did before.
        """
        if self._loop.is_closed() or self._thread.is_alive():
            raise DeviceError("a client is opened once; make another one")
        self._thread.start()

    def stop(self) -> None:
        """End it; what still runs is given up."""
        self.run(_cancel_others()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Have a coroutine run; `.result()` waits for it, `asyncio.wrap_future` on another event loop.

        Raises:
            DeviceError: the loop does not run, or it is the one that asks, which would wait for itself.
        """
        if not self._thread.is_alive() or self.is_current:
            work.close()
            self._refuse()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, what: Callable[..., None], *arguments: object) -> None:
        """Have a function called there soon.

        Raises:
            DeviceError: the loop does not run.
        """
        if not self._thread.is_alive():
            self._refuse()
        self._loop.call_soon_threadsafe(what, *arguments)

    def _refuse(self) -> None:
        if self._thread.is_alive():
            raise DeviceError("the client can't be waited for on its own thread, where callbacks run: use submit")
        raise DeviceError("the client is not open: use it in a `with` block")


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
