import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.decision import Estimate, Link

PROBE_BYTES = 256
NOISE_MS = 1.0
"""No sample is taken to be more exact than about this."""
rtts_ms = st.floats(1, 400)
bandwidths_mbps = st.floats(0.3, 300)
frame_sizes = st.lists(st.integers(20_000, 60_000), min_size=10, max_size=10)


def transfer_ms(size_bytes: int, rtt_ms: float, mbps: float) -> float:
    return rtt_ms + size_bytes * 8 / (mbps * 1000)


class Clock:
    """Time goes on by an exchange's own length and the pause between two frames of a camera."""

    def __init__(self) -> None:
        self.now = 0.0

    def after(self, ms: float) -> float:
        self.now += 0.1 + ms / 1000
        return self.now


class TimedLink(Link):
    """A link that is asked as of the last exchange, and whose exchanges follow one another."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()

    def exchange(self, size_bytes: int, ms: float) -> None:
        self.observe(size_bytes, ms, self.clock.after(ms))

    def expects(self, size_bytes: int) -> Estimate:
        return self.expect(size_bytes, self.clock.now)


def feed(link: TimedLink, sizes: list[int], rtt_ms: float, mbps: float, noise: list[float] | None = None) -> None:
    for index, size in enumerate(sizes):
        link.exchange(size, transfer_ms(size, rtt_ms, mbps) * (noise[index] if noise else 1.0))


def mixed(sizes: list[int]) -> list[int]:
    """Every third message a probe, as when a client has just started."""
    return [PROBE_BYTES if index % 3 == 0 else size for index, size in enumerate(sizes)]


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_bandwidth_and_rtt_converge_within_ten_samples_on_a_steady_link(
    rtt_ms: float, mbps: float, sizes: list[int]
) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps)
    assert link.rtt_ms == pytest.approx(rtt_ms, rel=0.1, abs=NOISE_MS)
    assert link.upload_ms(sizes[0]) == pytest.approx(transfer_ms(sizes[0], 0, mbps), rel=0.1, abs=NOISE_MS)


@given(rtts_ms, bandwidths_mbps, frame_sizes, st.lists(st.floats(0.95, 1.05), min_size=10, max_size=10))
def test_the_expected_time_converges_on_a_noisy_link(
    rtt_ms: float, mbps: float, sizes: list[int], noise: list[float]
) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps, noise)
    assert link.expects(40_000).ms == pytest.approx(transfer_ms(40_000, rtt_ms, mbps), rel=0.1, abs=NOISE_MS)


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_a_twentyfold_drop_is_followed_within_two_samples(rtt_ms: float, mbps: float, sizes: list[int]) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps)
    feed(link, [45_000, 45_000], rtt_ms, mbps / 20)
    assert link.expects(45_000).ms == pytest.approx(transfer_ms(45_000, rtt_ms, mbps / 20), rel=0.15, abs=NOISE_MS)


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_a_twentyfold_rise_is_followed_within_two_samples(rtt_ms: float, mbps: float, sizes: list[int]) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps)
    feed(link, [45_000, 45_000], rtt_ms, mbps * 20)
    assert link.expects(45_000).ms == pytest.approx(transfer_ms(45_000, rtt_ms, mbps * 20), rel=0.15, abs=NOISE_MS)


@given(rtts_ms, bandwidths_mbps, frame_sizes, st.floats(3, 1000))
def test_one_stall_is_not_a_trend(rtt_ms: float, mbps: float, sizes: list[int], stall: float) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps)
    steady_ms = link.expects(45_000).ms
    link.exchange(45_000, steady_ms * stall)
    assert link.expects(45_000).ms < 1.3 * steady_ms
    feed(link, [45_000] * 3, rtt_ms, mbps)
    assert link.expects(45_000).ms == pytest.approx(steady_ms, rel=0.1, abs=NOISE_MS)


@given(rtts_ms, bandwidths_mbps)
def test_a_steady_link_becomes_certain(rtt_ms: float, mbps: float) -> None:
    link = TimedLink()
    link.exchange(PROBE_BYTES, transfer_ms(PROBE_BYTES, rtt_ms, mbps))
    feed(link, [45_000], rtt_ms, mbps)
    early = link.expects(45_000)
    feed(link, [45_000] * 30, rtt_ms, mbps)
    late = link.expects(45_000)
    assert early.spread_ms > 0.1 * early.ms
    assert late.spread_ms < 0.025 * late.ms + NOISE_MS / 2


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 1e6)), max_size=60), st.integers(0, 10**7))
def test_no_samples_whatever_make_it_expect_the_impossible(samples: list[tuple[int, float]], size: int) -> None:
    link = TimedLink()
    for size_bytes, ms in samples:
        link.exchange(size_bytes, ms)
    estimate = link.expects(size)
    assert 0 < estimate.ms < float("inf")
    assert 0 <= estimate.spread_ms < float("inf")
    assert link.rtt_ms >= 0
    assert link.uplink_mbps > 0


def test_a_link_that_was_away_keeps_its_round_trip_time_but_not_its_bandwidth() -> None:
    link = TimedLink()
    feed(link, [PROBE_BYTES, 45_000, 45_000, PROBE_BYTES], 30, 10)
    link.forget()
    assert link.samples == 0
    link.exchange(45_000, transfer_ms(45_000, 30, 1))
    assert link.rtt_ms == pytest.approx(30, rel=0.1)
    assert link.uplink_mbps == pytest.approx(1, rel=0.1)


def test_exchanges_that_met_the_same_stall_do_not_confirm_each_other() -> None:
    link = TimedLink()
    feed(link, mixed([45_000] * 10), 40, 20)
    steady_ms, now = link.expects(45_000).ms, link.clock.now
    for begun in (0.0, 0.1, 0.2, 0.3):
        link.observe(45_000, (1.1 - begun) * 1000, now + 1.1)  # all answered when the stall ends
    assert link.expect(45_000, now + 1.1).ms == pytest.approx(steady_ms, rel=0.01)


def test_one_early_answer_is_believed() -> None:
    link = TimedLink()
    feed(link, mixed([45_000] * 10), 40, 1)
    feed(link, [45_000], 40, 20)
    assert link.expects(45_000).ms == pytest.approx(transfer_ms(45_000, 40, 20), rel=0.15)


def test_silence_makes_a_volatile_link_uncertain_but_not_another_one() -> None:
    link = TimedLink()
    feed(link, mixed([45_000] * 10), 40, 5, noise=[0.9, 1.1] * 5)
    soon, later = link.expects(45_000), link.expect(45_000, link.clock.now + 2)
    assert later.ms == soon.ms
    assert later.spread_ms > 1.5 * soon.spread_ms


@given(rtts_ms, bandwidths_mbps, frame_sizes, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_small_messages_however_soon_answered_do_not_make_a_link_faster_than_they_can_tell(
    rtt_ms: float, mbps: float, sizes: list[int], shares: list[float]
) -> None:
    link = TimedLink()
    feed(link, mixed(sizes), rtt_ms, mbps)
    known_mbps = link.uplink_mbps
    for share in shares:
        link.exchange(PROBE_BYTES, share * rtt_ms)
    told_mbps = 8 * PROBE_BYTES / (1000 * NOISE_MS / 4)
    assert link.uplink_mbps <= max(known_mbps, told_mbps) * 1.001


@given(st.floats(1, 100), st.floats(2, 4), st.floats(5, 100), st.integers(0, 3))
def test_a_round_trip_that_has_become_longer_is_found_by_probes_alone(
    rtt_ms: float, times: float, mbps: float, phase: int
) -> None:
    link = TimedLink()
    feed(link, mixed([45_000] * 30), rtt_ms, mbps)
    longer_ms = rtt_ms * times + 10
    feed(link, ([2048, PROBE_BYTES] * 8)[phase:], longer_ms, mbps)
    assert link.expects(45_000).ms == pytest.approx(transfer_ms(45_000, longer_ms, mbps), rel=0.5, abs=25)


def test_after_jitter_that_took_the_round_trip_for_nothing_probes_find_the_link_again() -> None:
    """As recorded: a probe that met no delay at all, frames that met much, then a link as it had been before."""
    link = TimedLink()
    feed(link, mixed([43_304] * 40), 20, 20)
    link.exchange(2048, 1)
    for ms in (1025, 1139, 1568):
        link.exchange(43_304, ms)
    feed(link, [PROBE_BYTES, 2048] * 5, 20, 20)
    assert link.expects(43_304).ms < 120
