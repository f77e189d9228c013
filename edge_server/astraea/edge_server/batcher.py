"""Inputs that come from many threads, computed together."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from .batching import BatchPolicy


class _Item:
    __slots__ = ("done", "error", "leads", "output", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.output: Any = None
        self.error: BaseException | None = None
        self.leads = False
        """Set when it is this one's thread that computes the next batch."""
        self.done = threading.Lock()
        self.done.acquire()


class Batcher:
    """Computes in the threads that bring the inputs: one leads, and takes along what has come by then.

    Args:
        call: Computes some inputs; returns as many outputs.
        policy: Says how many at once.
        on_batch: Is told the size of each batch.
    """

    def __init__(
        self,
        call: Callable[[list[Any]], Sequence[Any]],
        policy: BatchPolicy,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.on_batch = on_batch
        self._call = call
        self._policy = policy
        self._waiting: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._led = False

    def run(self, value: Any) -> Any:
        """The output for an input; other threads' inputs may be computed in the same call.

        Raises:
            Exception: Whatever the call raised for this input alone.
        """
        item = _Item(value)
        with self._changed:
            self._policy.arrived(perf_counter())
            self._waiting.append(item)
            leads, self._led = not self._led, True
            self._changed.notify()
        if not leads:
            item.done.acquire()
        if leads or item.leads:
            self._lead()
        if item.error is not None:
            raise item.error
        return item.output

    def _lead(self) -> None:
        """Compute the first batch of those that wait, and have the next one led."""
        batch = self._gather()
        self._compute(batch)
        with self._changed:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].done.release()
            else:
                self._led = False
        for item in batch[1:]:  # the first is the leader's own
            item.done.release()

    def _gather(self) -> list[_Item]:
        until_s = perf_counter() + self._policy.max_wait_s
        with self._changed:
            while (wait_s := self._policy.wait_s(len(self._waiting))) > 0:
                if not self._changed.wait(min(wait_s, until_s - perf_counter())):
                    break
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._policy.size()))]

    def _compute(self, batch: list[_Item]) -> None:
        began_s = perf_counter()
        try:
            outputs = self._call([item.value for item in batch])
            for item, output in zip(batch, outputs, strict=True):
                item.output = output
        except BaseException as error:  # noqa: BLE001 - raised again where the input came from
            if len(batch) > 1:  # one bad input must not spoil the others
                for item in batch:
                    self._compute([item])
            else:
                batch[0].error = error
            return
        self._policy.took(len(batch), perf_counter() - began_s)
        self.on_batch(len(batch))
