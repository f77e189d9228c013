from collections.abc import Sequence
from itertools import pairwise
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab import Change, Conditions
from netlab.pipe import Pipe

PACKET = bytes(1250)
"""10,000 bits: 1 ms at 10 Mbit/s."""


def arrivals(pipe: Pipe, until: float) -> list[tuple[float, bytes]]:
    """What comes out, and when, asking whenever the pipe says so."""
    out = []
    while (now := pipe.next_s) <= until:
        out += [(now, packet) for packet in pipe.due(now)]
    return out


def times(pipe: Pipe, until: float = 100.0) -> list[float]:
    return [round(at_s, 9) for at_s, _ in arrivals(pipe, until)]


def loaded(conditions: Conditions, packets: int, at_s: float = 0.0) -> Pipe:
    pipe = Pipe(conditions, Random(1))
    for _ in range(packets):
        pipe.push(PACKET, at_s)
    return pipe


def test_a_perfect_pipe_lets_everything_out_at_once() -> None:
    assert times(loaded(Conditions(), 2, at_s=3.0)) == [3.0, 3.0]


def test_packets_take_turns_at_the_bottleneck_and_fly_at_the_same_time() -> None:
    assert times(loaded(Conditions(rate_mbps=10, delay_ms=50), 3)) == [0.051, 0.052, 0.053]


def test_a_packet_that_is_half_through_goes_on_at_the_new_rate() -> None:
    pipe = loaded(Conditions(rate_mbps=10), 2)
    pipe.change(Conditions(rate_mbps=1), 0.0005)
    assert times(pipe) == [0.0055, 0.0155]


def test_packets_wait_while_the_rate_is_zero() -> None:
    pipe = loaded(Conditions(rate_mbps=0), 1)
    assert pipe.next_s == inf
    pipe.change(Conditions(rate_mbps=10), 5.0)
    assert times(pipe) == [5.001]


def test_an_outage_swallows_what_waits_and_what_is_sent_but_not_what_is_in_flight() -> None:
    pipe = loaded(Conditions(rate_mbps=10, delay_ms=100), 3)
    pipe.change(Conditions(rate_mbps=10, delay_ms=100, up=False), 0.0015)
    pipe.push(PACKET, 0.01)
    pipe.change(Conditions(rate_mbps=10, delay_ms=100), 1.0)
    pipe.push(PACKET, 1.0)
    assert times(pipe) == [0.101, 1.101]


def test_what_does_not_fit_into_the_queue_is_dropped() -> None:
    assert len(times(loaded(Conditions(rate_mbps=1, queue_kb=5), 10))) == 4


def test_a_packet_passes_a_queue_that_is_smaller_than_it() -> None:
    assert len(times(loaded(Conditions(rate_mbps=1, queue_kb=0.1), 2))) == 1


@pytest.mark.parametrize("loss_pct", [0, 20, 100])
def test_as_many_packets_are_lost_as_were_asked_for(loss_pct: float) -> None:
    lost = 2000 - len(times(loaded(Conditions(loss_pct=loss_pct), 2000)))
    assert lost == pytest.approx(20 * loss_pct, abs=80 if 0 < loss_pct < 100 else 0)


def test_reordered_packets_overtake_the_others() -> None:
    pipe = Pipe(Conditions(delay_ms=50, reorder_pct=30), Random(1))
    for number in range(100):
        pipe.push(bytes([number]), number / 1000)
    order = [packet[0] for _, packet in arrivals(pipe, 1.0)]
    assert sorted(order) == list(range(100))
    assert order != sorted(order)


pushes = st.lists(st.tuples(st.floats(0, 0.05), st.integers(1, 1500)), max_size=60)
rates = st.sampled_from([0.5, 8.0, 100.0, inf])
conditions = st.builds(
    Conditions, rate_mbps=rates, delay_ms=st.floats(0, 100), jitter_ms=st.floats(0, 100), queue_kb=st.just(1000)
)


@given(pushes, conditions, conditions, st.floats(0, 2))
def test_without_loss_everything_comes_out_once_in_order_and_no_sooner_than_the_link_allows(
    pushes: Sequence[tuple[float, int]], first: Conditions, then: Conditions, change_s: float
) -> None:
    pipe = Pipe(first, Random(1))
    now, changed, sent = 0.0, False, []
    out: list[tuple[float, bytes]] = []
    for number, (pause_s, size) in enumerate(pushes):
        now += pause_s
        if now >= change_s and not changed:
            out += arrivals(pipe, change_s)
            pipe.change(then, change_s)
            changed = True
        out += arrivals(pipe, now)
        sent.append((now, number.to_bytes(1, "big") * size))
        pipe.push(sent[-1][1], now)
    out += arrivals(pipe, 1e9)
    assert [packet for _, packet in out] == [packet for _, packet in sent]
    assert all(before[0] <= after[0] for before, after in pairwise(out))
    fastest = max(first.rate_mbps, then.rate_mbps) * 1e6
    for (pushed_s, packet), (out_s, _) in zip(sent, out, strict=True):
        assert out_s >= pushed_s + 8 * len(packet) / fastest - 1e-9


def test_a_change_survives_being_sent_as_json() -> None:
    change = Change(1.5, Conditions(rate_mbps=inf, loss_pct=2), Conditions(up=False))
    assert Change.from_document(change.as_document()) == change


@pytest.mark.parametrize("wrong", [{"rate_mbps": -1}, {"loss_pct": 101}, {"delay_ms": float("nan")}])
def test_conditions_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Conditions(**wrong)  # type: ignore[arg-type]
