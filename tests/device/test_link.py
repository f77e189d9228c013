import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.link import Link

PROBE_BYTES = 256
rtts_ms = st.floats(1, 400)
bandwidths_mbps = st.floats(0.3, 300)
frame_sizes = st.lists(st.integers(20_000, 60_000), min_size=10, max_size=10)


def transfer_ms(size_bytes: int, rtt_ms: float, mbps: float) -> float:
    return rtt_ms + size_bytes * 8 / (mbps * 1000)


def feed(link: Link, sizes: list[int], rtt_ms: float, mbps: float, noise: list[float] | None = None) -> None:
    for index, size in enumerate(sizes):
        link.observe(size, transfer_ms(size, rtt_ms, mbps) * (noise[index] if noise else 1.0))


def mixed(sizes: list[int]) -> list[int]:
    """Every third message a probe, as when a client has just started."""
    return [PROBE_BYTES if index % 3 == 0 else size for index, size in enumerate(sizes)]


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_bandwidth_and_rtt_converge_within_ten_samples_on_a_steady_link(
    rtt_ms: float, mbps: float, sizes: list[int]
) -> None:
    link = Link()
    feed(link, mixed(sizes), rtt_ms, mbps)
    assert link.rtt_ms == pytest.approx(rtt_ms, rel=0.1)
    assert link.uplink_mbps == pytest.approx(mbps, rel=0.1)


@given(rtts_ms, bandwidths_mbps, frame_sizes, st.lists(st.floats(0.95, 1.05), min_size=10, max_size=10))
def test_the_expected_time_converges_on_a_noisy_link(
    rtt_ms: float, mbps: float, sizes: list[int], noise: list[float]
) -> None:
    link = Link()
    feed(link, mixed(sizes), rtt_ms, mbps, noise)
    assert link.expect(40_000).ms == pytest.approx(transfer_ms(40_000, rtt_ms, mbps), rel=0.1)


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_a_twentyfold_drop_is_followed_within_two_samples(rtt_ms: float, mbps: float, sizes: list[int]) -> None:
    link = Link()
    feed(link, mixed(sizes), rtt_ms, mbps)
    feed(link, [45_000, 45_000], rtt_ms, mbps / 20)
    assert link.expect(45_000).ms == pytest.approx(transfer_ms(45_000, rtt_ms, mbps / 20), rel=0.15)


@given(rtts_ms, bandwidths_mbps, frame_sizes)
def test_a_twentyfold_rise_is_followed_within_two_samples(rtt_ms: float, mbps: float, sizes: list[int]) -> None:
    link = Link()
    feed(link, mixed(sizes), rtt_ms, mbps)
    feed(link, [45_000, 45_000], rtt_ms, mbps * 20)
    assert link.expect(45_000).ms == pytest.approx(transfer_ms(45_000, rtt_ms, mbps * 20), rel=0.15)


@given(rtts_ms, bandwidths_mbps, frame_sizes, st.floats(3, 1000))
def test_one_stall_is_not_a_trend(rtt_ms: float, mbps: float, sizes: list[int], stall: float) -> None:
    link = Link()
    feed(link, mixed(sizes), rtt_ms, mbps)
    steady_ms = link.expect(45_000).ms
    link.observe(45_000, steady_ms * stall)
    assert link.expect(45_000).ms < 1.3 * steady_ms
    feed(link, [45_000] * 3, rtt_ms, mbps)
    assert link.expect(45_000).ms == pytest.approx(steady_ms, rel=0.1)


@given(rtts_ms, bandwidths_mbps)
def test_a_steady_link_becomes_certain(rtt_ms: float, mbps: float) -> None:
    link = Link()
    link.observe(PROBE_BYTES, transfer_ms(PROBE_BYTES, rtt_ms, mbps))
    feed(link, [45_000], rtt_ms, mbps)
    early = link.expect(45_000)
    feed(link, [45_000] * 30, rtt_ms, mbps)
    late = link.expect(45_000)
    assert late.spread_ms / late.ms < 0.1 * early.spread_ms / early.ms


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 1e6)), max_size=60), st.integers(0, 10**7))
def test_no_samples_whatever_make_it_expect_the_impossible(samples: list[tuple[int, float]], size: int) -> None:
    link = Link()
    for size_bytes, ms in samples:
        link.observe(size_bytes, ms)
    estimate = link.expect(size)
    assert 0 < estimate.ms < float("inf")
    assert 0 <= estimate.spread_ms < float("inf")
    assert link.rtt_ms >= 0
    assert link.uplink_mbps > 0


def test_a_link_that_was_away_keeps_its_round_trip_time_but_not_its_bandwidth() -> None:
    link = Link()
    feed(link, [PROBE_BYTES, 45_000, 45_000, PROBE_BYTES], 30, 10)
    link.forget()
    assert link.samples == 0
    link.observe(45_000, transfer_ms(45_000, 30, 1))
    assert link.rtt_ms == pytest.approx(30, rel=0.1)
    assert link.uplink_mbps == pytest.approx(1, rel=0.1)
