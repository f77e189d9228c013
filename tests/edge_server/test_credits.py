"""Credits keep a link full and a server's queue short."""

import heapq
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.streams.credits import FIRST_WINDOW, MOST_WINDOW, CreditWindow


class World:
    """A server of one worker, and devices that send whenever they have a credit."""

    def __init__(self, *, work_ms: float, one_way_ms: float, devices: int = 1) -> None:
        self.work_ms, self.one_way_ms = work_ms, one_way_ms
        self.windows = [CreditWindow() for _ in range(devices)]
        self.waits_ms: list[float] = []
        self.busy_ms = 0.0
        self._queue: deque[tuple[float, int]] = deque()
        self._working = False
        self._events: list[tuple[float, int, int, float | None]] = []
        """When, a number, which device, and how long the frame that is done had waited; None for one that comes."""

    def run(self, until_ms: float) -> None:
        for device in range(len(self.windows)):
            self._grant(0, device)
        while self._events[0][0] < until_ms:
            now_ms, _, device, waited_ms = heapq.heappop(self._events)
            if waited_ms is None:
                assert self.windows[device].spend(last=True)
                self._queue.append((now_ms, device))
                self._begin(now_ms)
            else:
                self._working = False
                self._begin(now_ms)
                self.windows[device].answered(waited_ms, self.work_ms, idle=not self._working)
                self._grant(now_ms + self.one_way_ms, device)

    def _begin(self, now_ms: float) -> None:
        if self._queue and not self._working:
            came_ms, device = self._queue.popleft()
            self.waits_ms.append(now_ms - came_ms)
            self._working = True
            self.busy_ms += self.work_ms
            self._add(now_ms + self.work_ms, device, now_ms - came_ms)

    def _grant(self, at_ms: float, device: int) -> None:
        for _ in range(self.windows[device].grant()):
            self._add(at_ms + self.one_way_ms, device, None)

    def _add(self, at_ms: float, device: int, waited_ms: float | None) -> None:
        heapq.heappush(self._events, (at_ms, len(self.waits_ms) + len(self._events), device, waited_ms))


def test_a_long_link_is_kept_full() -> None:
    world = World(work_ms=20, one_way_ms=40)
    world.run(5000)
    assert world.busy_ms > 0.9 * 5000


def test_a_slow_server_has_at_most_one_frame_waiting() -> None:
    world = World(work_ms=1000, one_way_ms=5)
    world.run(60_000)
    assert max(world.waits_ms) <= 1000


def test_many_devices_keep_one_frame_each_at_a_slow_server() -> None:
    world = World(work_ms=100, one_way_ms=5, devices=8)
    world.run(60_000)
    assert [window.size for window in world.windows] == [1] * 8


def test_a_full_server_halves_the_window_and_it_is_never_shut() -> None:
    window = CreditWindow()
    for _ in range(10):
        window.grant()
        assert window.spend(last=True)
        window.refused(full=True)
    assert window.size == 1
    assert window.grant() == 1


def test_credits_of_a_lost_connection_are_given_again() -> None:
    window = CreditWindow()
    assert window.grant() == FIRST_WINDOW
    assert window.spend(last=True)
    window.void()
    assert not window.spend(last=True)
    assert window.grant() == FIRST_WINDOW - 1


steps = st.one_of(
    st.just("send"),
    st.just("void"),
    st.just("full"),
    st.just("failed"),
    st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.booleans()),
)


@given(st.lists(steps, max_size=200))
def test_whatever_happens_no_more_than_the_window_is_under_way_and_it_never_stalls(history: list[object]) -> None:
    window = CreditWindow()
    credit, under_way = window.grant(), 0
    for step in history:
        before = window.size
        if step in {"send", "last"}:
            assert window.spend(last=step == "last") == (credit > 0)
            if credit:
                credit, under_way = credit - 1, under_way + 1
        elif step == "void":
            window.void()
            credit = 0
        elif under_way:
            under_way -= 1
            if isinstance(step, tuple):
                wait_ms, work_ms, idle = step
                window.answered(wait_ms, work_ms, idle=idle)
            else:
                window.refused(full=step == "full")
        credit += window.grant()
        assert 1 <= window.size <= MOST_WINDOW
        assert credit + under_way <= max(before, window.size, FIRST_WINDOW)
        assert credit + under_way >= 1
