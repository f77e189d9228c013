"""The threads that answer requests: a bounded number, with a bounded queue before them."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from .errors import UnavailableError

T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    future: asyncio.Future[tuple[Any, Exception | None]]


class WorkerPool:
    """Runs calls of one event loop in threads, and takes no more on than it can soon begin.

    A call holds its place until it has really ended: one whose caller has gone still keeps a thread busy, and is
    counted. Half as much CPU a call as asyncio's executor, and its threads don't outlive a process that must end.

    Args:
        workers: Threads, and so calls at once.
        queue: Calls that may wait for a thread.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.capacity = workers
        self.in_flight = 0
        """Calls taken on and not ended. Touched by the event loop's thread only."""
        self._places = workers + queue
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        for number in range(workers):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    @property
    def queued(self) -> int:
        """Calls that wait for a thread."""
        return max(0, self.in_flight - self.capacity)

    def check_room(self) -> None:
        """Whether a call would be taken on now.

        Raises:
            UnavailableError: All places are taken.
        """
        if self.in_flight >= self._places:
            raise UnavailableError(
                f"{self.in_flight} requests are being worked on or wait already; no more than {self._places} may"
            )

    async def run(self, work: Callable[[], T]) -> T:
        """Call it in a thread; its result, or the exception that it raised.

        Raises:
            UnavailableError: All places are taken.
        """
        self.check_room()
        job = _Job(work, self._loop.create_future())
        self.in_flight += 1
        self._jobs.put(job)
        result, error = await job.future
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return] # what `work` returned, by way of a queue

    def close(self) -> None:
        """Let the threads end once the calls before this are done."""
        for _ in range(self.capacity):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, error = _attempt(job.work)
            try:
                self._loop.call_soon_threadsafe(self._finish, job, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _finish(self, job: _Job, result: Any, error: Exception | None) -> None:
        self.in_flight -= 1
        if not job.future.done():  # cancelled, when its caller has gone
            job.future.set_result((result, error))


def _attempt(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - handed to the caller
        return None, error
    except BaseException as error:  # noqa: BLE001 - user code that exits must end neither the thread nor the loop
        failure = RuntimeError(f"raised {error!r}")
        failure.__cause__ = error
        return None, failure
