"""The bitrate over links that are played, not measured."""

from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.transports.webrtc.bitrate import BitrateController

FPS = 15
RTT_MS = 40.0


def play(
    controller: BitrateController, link_bps: Callable[[float], float], seconds: float, *, scene_bps: float = 1e9
) -> list[tuple[float, float, float]]:
    """Send a video over a link with a queue; the time, target and network time of each frame.

    A frame has what the target allows, or what its scene needs if that is less.
    """
    free_at = 0.0
    due: list[tuple[float, int, float]] = []
    seen = []
    for number in range(int(seconds * FPS)):
        now = number / FPS
        while due and due[0][0] <= now:
            answered_at, size, network_ms = due.pop(0)
            controller.answered(size, network_ms, answered_at)
        size = int(min(controller.target_bps, scene_bps) / FPS / 8)
        free_at = max(free_at, now) + size * 8 / link_bps(now)
        answered_at = free_at + RTT_MS / 1000
        due.append((answered_at, size, (answered_at - now) * 1000))
        seen.append((now, controller.target_bps, (answered_at - now) * 1000))
    return seen


@pytest.mark.parametrize("link_bps", [0.4e6, 1e6, 3e6, 6e6])
def test_it_finds_what_a_steady_link_carries(link_bps: float) -> None:
    seen = play(BitrateController(), lambda _: link_bps, 60)
    late = [(target, ms) for at, target, ms in seen if at > 30]
    assert 0.5 * link_bps < median(target for target, _ in late) < 1.05 * link_bps
    assert median(ms for _, ms in late) < RTT_MS + 1000 / FPS + 80


def test_it_follows_a_link_that_drops_and_comes_back() -> None:
    seen = play(BitrateController(), lambda at: 0.5e6 if 20 <= at < 40 else 4e6, 70)

    def between(begin: float, end: float) -> list[tuple[float, float]]:
        return [(target, ms) for at, target, ms in seen if begin <= at < end]

    assert median(target for target, _ in between(24, 40)) < 0.6e6
    assert median(ms for _, ms in between(25, 40)) < 300
    assert median(target for target, _ in between(60, 70)) > 2e6


def test_a_scene_that_needs_little_does_not_raise_it() -> None:
    controller = BitrateController()
    before = controller.target_bps
    play(controller, lambda _: 50e6, 30, scene_bps=300e3)
    assert controller.target_bps == before


def test_frames_that_are_late_lower_it_once_a_while() -> None:
    controller = BitrateController()
    before = controller.target_bps
    for number in range(10):
        controller.late(10 + number / 100)
    assert before / 2 < controller.target_bps < before


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e5), st.floats(0, 10)), max_size=60))
def test_it_stays_within_its_bounds(answers: list[tuple[int, float, float]]) -> None:
    controller = BitrateController()
    now = 0.0
    for size, network_ms, later_s in answers:
        now += later_s
        controller.answered(size, network_ms, now)
        assert 1e5 <= controller.target_bps <= 8e6
