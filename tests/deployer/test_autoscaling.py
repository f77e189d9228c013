"""How many instances a service gets: from what was measured and the time alone."""

from collections import deque
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.controller.autoscaling import DOWN_WINDOW_S, MAX_UTILISATION, UP_WINDOW_S, Usage, wanted
from astraea.protocol import Scale

SCALES = st.tuples(st.integers(0, 5), st.integers(1, 40)).map(lambda pair: Scale(min=min(pair), max=max(pair)))
USAGES = st.lists(
    st.builds(
        Usage,
        at=st.floats(0, 300),
        instances=st.integers(1, 40),
        busy=st.floats(0, 100),
        capacity=st.integers(1, 4),
        wait=st.floats(0, 20),
    ),
    max_size=40,
).map(lambda usages: sorted(usages, key=lambda usage: usage.at))


@given(USAGES, st.integers(0, 50), SCALES)
def test_never_outside_the_bounds(usages: list[Usage], current: int, scale: Scale) -> None:
    assert scale.min <= wanted(usages, current, scale, 300.0) <= scale.max


@given(USAGES, st.integers(1, 40), SCALES, st.floats(1, 5))
def test_more_load_never_asks_for_fewer(usages: list[Usage], current: int, scale: Scale, factor: float) -> None:
    more = [usage._replace(busy=usage.busy * factor, wait=usage.wait * factor) for usage in usages]
    assert wanted(more, current, scale, 300.0) >= wanted(usages, current, scale, 300.0)


class Service:
    """One that has a steady load, and as many instances as it is given, at once; a second passes at a time."""

    def __init__(self, scale: Scale, count: int) -> None:
        self.scale, self.count = scale, count
        self.now = 0.0
        self.counts = [count]
        self._usages: deque[Usage] = deque()

    def run(self, seconds: float, load: float, capacity: int = 1) -> int:
        """Bear so many workers' load for a while; how many instances there are then."""
        for _ in range(int(seconds / 2)):
            self.now += 2.0
            workers = self.count * capacity
            wait = 10.0 if load > workers else 0.0
            self._usages.append(Usage(self.now, self.count, min(load, workers), capacity, wait))
            while len(self._usages) > 1 and self._usages[1].at <= self.now - DOWN_WINDOW_S:
                self._usages.popleft()
            self.count = wanted(self._usages, self.count, self.scale, self.now)
            self.counts.append(self.count)
        return self.count


@given(st.floats(0, 25), st.integers(1, 30), st.integers(1, 4))
def test_a_steady_load_is_settled_upon_without_flapping(load: float, count: int, capacity: int) -> None:
    service = Service(Scale(min=1, max=30), count)
    service.run(400, load, capacity)
    changes = [after - before for before, after in zip(service.counts, service.counts[1:], strict=False)]
    directions = [change > 0 for change in changes if change]
    assert len(set(directions)) <= 1, "it went both up and down"
    settled = service.count
    assert service.run(200, load, capacity) == settled
    assert settled in (1, 30) or load <= settled * capacity * MAX_UTILISATION + 1e-6


def test_up_in_seconds_down_after_minutes() -> None:
    service = Service(Scale(min=1, max=8), 1)
    service.run(30, 0.1)
    assert service.run(60, 4.0) == ceil(4.0 / MAX_UTILISATION)
    assert service.run(DOWN_WINDOW_S / 2, 0.1) == ceil(4.0 / MAX_UTILISATION), "a pause ends nothing"
    assert service.run(2 * DOWN_WINDOW_S, 0.1) == 1


@pytest.mark.parametrize(("wait", "count"), [(1.0, 2), (3.0, 3)])
def test_long_queues_ask_for_one_more_whatever_the_utilisation(wait: float, count: int) -> None:
    usages = [Usage(at, 2, 0.4, 1, wait) for at in (97.0, 98.0, 99.0)]
    assert wanted(usages, 2, Scale(min=1, max=8), 99.0) == count


def test_what_is_being_started_is_waited_for() -> None:
    """Else each look would ask for more, until the first of them serves."""
    before = [Usage(at, 1, 1.0, 1, 9.0) for at in (97.0, 98.0, 99.0)]
    assert wanted(before, 1, Scale(min=1, max=8), 99.0) == 2
    assert wanted(before, 2, Scale(min=1, max=8), 99.0) == 2


@pytest.mark.parametrize(
    ("current", "asked_s", "count"),
    [(0, None, 0), (0, DOWN_WINDOW_S + 1, 0), (0, 1.0, 1), (2, DOWN_WINDOW_S + 1, 0), (2, 1.0, 1)],
)
def test_with_a_minimum_of_none_there_are_some_while_devices_ask(
    current: int, asked_s: float | None, count: int
) -> None:
    usages = [Usage(at, 2, 0.0, 1, 0.0) for at in (0.0, DOWN_WINDOW_S / 2, DOWN_WINDOW_S)] if current else []
    assert wanted(usages, current, Scale(min=0, max=8), DOWN_WINDOW_S, asked_s) == count


def test_without_figures_nothing_changes() -> None:
    assert wanted([], 3, Scale(min=1, max=8), 1000.0) == 3
    assert wanted([Usage(10.0, 3, 0.0, 1, 0.0)], 3, Scale(min=1, max=8), 10.0 + UP_WINDOW_S) == 3
