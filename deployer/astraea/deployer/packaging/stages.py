"""How long the parts of a build take."""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..layers import Layer


class Stage(NamedTuple):
    """A part of a build, and how long it took."""

    name: str
    duration_s: float
    layer: Layer | None = None


class StageWatch:
    """Times stages that follow one another.

    Args:
        on_stage: is told of each one when it is done.
    """

    def __init__(self, on_stage: Callable[[Stage], None] = lambda _stage: None) -> None:
        self._on_stage = on_stage
        self._stages: list[Stage] = []
        self._last_s = time.perf_counter()

    def done(self, name: str, layer: Layer | None = None) -> None:
        """The stage that began when the last one was done is done."""
        now_s = time.perf_counter()
        self._stages.append(Stage(name, now_s - self._last_s, layer))
        self._last_s = now_s
        self._on_stage(self._stages[-1])

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that are done."""
        return tuple(self._stages)
