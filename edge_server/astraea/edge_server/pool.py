"""The threads that answer requests: a bounded number, with a bounded queue before them."""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from .errors import AbandonedError, BusyError, LateError
from .pace import Pace

T = TypeVar("T")

Done = Callable[[Any, Exception | None], None]
"""Takes a call's result, or the exception that it raised."""


class Job:
    """A call that was taken on.

    Args:
        work: What is called, in a thread.
        done: Is told how it ended, in the event loop's thread.
        deadline_s: When its result is of no use any more, by `time.perf_counter`.
    """

    __slots__ = ("abandoned", "began_s", "deadline_s", "done", "expected_s", "taken_s", "work")

    def __init__(self, work: Callable[[], Any], done: Done, deadline_s: float) -> None:
        self.work = work
        self.done = done
        self.deadline_s = deadline_s
        self.abandoned = False
        """Set by the event loop's thread when nobody waits any more: then it isn't begun."""
        self.began_s = 0.0
        """0 for one that was dropped."""
        self.taken_s = self.expected_s = 0.0
        """When it was taken on, and how long it was thought to take from then."""


class _Worker:
    """A thread that waits for its next call."""

    __slots__ = ("job", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        """What it is woken for; None to end."""
        self.wake = threading.Lock()
        self.wake.acquire()


class WorkerPool:
    """Runs calls of one event loop in threads, and takes no more on than it can soon begin.

    A call holds its place until it has really ended: one whose caller has gone still keeps a thread busy, and is
    counted. Half as much CPU a call as asyncio's executor, and its threads don't outlive a process that must end. Of
    the threads that wait, the last to have worked goes on first: the processor's caches still know it.

    Args:
        workers: Threads, and so calls at once.
        queue: Calls that may wait for a thread.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.capacity = 0
        self.in_flight = 0
        """Calls taken on and not ended. Touched by the event loop's thread only."""
        self.worked_s = 0.0
        """Of all threads together, in calls that have ended. Touched by the event loop's thread only."""
        self.pace = Pace()
        self._queue = queue
        self._jobs: deque[Job] = deque()
        self._idle: list[_Worker] = []
        self._closed = False
        self._surplus = 0
        """Threads that are to end."""
        self._lock = threading.Lock()
        """Over the four above."""
        self._loop = asyncio.get_running_loop()
        self.resize(workers)

    def resize(self, workers: int) -> None:
        """Let so many calls run at once; threads that are too many end after what they are doing."""
        with self._lock:
            self._surplus += self.capacity - workers
            missing, self._surplus = max(0, -self._surplus), max(0, self._surplus)
            while self._surplus and self._idle:
                self._surplus -= 1
                self._idle.pop().wake.release()
        self.capacity = workers
        for _ in range(missing):
            threading.Thread(target=self._work, name="worker", daemon=True).start()

    @property
    def queued(self) -> int:
        """Calls that wait for a thread."""
        return max(0, self.in_flight - self.capacity)

    def expected_s(self) -> float:
        """How long a call that is taken on now would take, as far as is known."""
        return self.pace.expect_s(max(0, self.in_flight + 1 - self.capacity))

    def check_room(self, deadline_s: float = math.inf) -> None:
        """Whether a call would be taken on now.

        Raises:
            LateError: It would end after its deadline.
            BusyError: All places are taken.
        """
        expected_s = self.expected_s()
        needed_s = expected_s + self.pace.margin_s
        if self.in_flight and perf_counter() + needed_s > deadline_s:  # an idle pool tries, and so learns anew
            raise LateError(
                f"the deadline can't be met: an answer may take {needed_s * 1e3:.0f} ms now", retry_after_s=expected_s
            )
        if self.in_flight >= self.capacity + self._queue:
            raise BusyError(
                f"{self.in_flight} requests are being worked on or wait already; no more than "
                f"{self.capacity + self._queue} may",
                retry_after_s=expected_s,
            )

    def submit(self, job: Job) -> None:
        """Have a call made in a thread.

        Raises:
            LateError: It would end after its deadline.
            BusyError: All places are taken.
        """
        self.check_room(job.deadline_s)
        job.taken_s, job.expected_s = perf_counter(), self.expected_s()
        self.in_flight += 1
        self._hand_over(job)

    async def run(self, work: Callable[[], T], deadline_s: float = math.inf) -> T:
        """Call it in a thread; its result, or the exception that it raised.

        Raises:
            LateError: It would end after its deadline, or couldn't be begun in time.
            BusyError: All places are taken.
        """
        future: asyncio.Future[tuple[Any, Exception | None]] = self._loop.create_future()

        def done(result: Any, error: Exception | None) -> None:
            if not future.done():  # cancelled, when its caller has gone
                future.set_result((result, error))

        job = Job(work, done, deadline_s)
        self.submit(job)
        try:
            result, error = await future
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return] # what `work` returned, by way of a queue

    def close(self) -> None:
        """Let the threads end once the calls before this are done."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker.wake.release()

    def _hand_over(self, job: Job) -> None:
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
                worker.job = job
                # The last thing before the loop sleeps: until then, the thread would wait for Python's lock.
                self._loop.call_soon(worker.wake.release)
            else:
                self._jobs.append(job)

    def _next(self, worker: _Worker) -> Job | None:
        """What a worker does next, awaited; None to end."""
        with self._lock:
            if self._surplus:
                self._surplus -= 1
                return None
            if self._jobs:
                return self._jobs.popleft()
            if self._closed:
                return None
            worker.job = None
            self._idle.append(worker)
        worker.wake.acquire()
        return worker.job

    def _work(self) -> None:
        worker = _Worker()
        while self._work_once(worker):
            pass

    def _work_once(self, worker: _Worker) -> bool:
        """A function of its own, so that a thread which waits doesn't hold on to what its last call was of."""
        job = self._next(worker)
        if job is None:
            return False
        worker.job = None
        result, error = self._attempt(job)
        try:
            self._loop.call_soon_threadsafe(self._finish, job, result, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return False
        return True

    def _attempt(self, job: Job) -> tuple[Any, Exception | None]:
        if job.abandoned:
            return None, AbandonedError("nobody waits for it any more")
        now = perf_counter()
        alone = self.in_flight == 1
        if now + (0 if alone else self.pace.needed_s) > job.deadline_s:
            return None, LateError("the deadline can't be met any more; it waited for too long")
        job.began_s = now
        return _attempt(job.work)

    def _finish(self, job: Job, result: Any, error: Exception | None) -> None:
        self.in_flight -= 1
        now = perf_counter()
        if job.began_s:
            self.worked_s += now - job.began_s
            self.pace.observe(job.began_s, now)
        if not job.abandoned:
            self.pace.judge(job.expected_s, now - job.taken_s)
        job.done(result, error)


def _attempt(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - handed to the caller
        return None, error
    except BaseException as error:  # noqa: BLE001 - user code that exits must end neither the thread nor the loop
        failure = RuntimeError(f"raised {error!r}")
        failure.__cause__ = error
        return None, failure
