"""Work that goes on in the background of an event loop."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from .errors import DeviceError

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Tasks:
    """Keeps tasks from being collected, reports what they fail of, and ends them all.

    A DeviceError is no failure to report: whoever waits for the task gets it, or nobody cares any more.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Begin on it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def cancel(self) -> None:
        """End them, and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, DeviceError):
            _log.error("a background task failed", exc_info=error)
