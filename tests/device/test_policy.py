from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.estimates import Estimate
from astraea.device.policy import LOCAL, Policy, choose

PIXELS = 640 * 480
FRAME_BYTES = 45_000

durations_ms = st.floats(0.1, 20_000)
estimates = st.dictionaries(
    st.sampled_from([LOCAL, "a", "b", "c"]), st.builds(Estimate, durations_ms, st.floats(0, 5000)), min_size=1
)


class World:
    """The truth that a policy is to find out: a device, and edges reached over links that do not change."""

    def __init__(self, local_ms: float, edges: Mapping[str, tuple[float, float, float]]) -> None:
        self.local_ms = local_ms
        self.edges = edges

    def remote_ms(self, target: str, size_bytes: int = FRAME_BYTES) -> float:
        rtt_ms, mbps, server_ms = self.edges[target]
        return rtt_ms + size_bytes * 8 / (mbps * 1000) + server_ms

    def truth_ms(self, target: str) -> float:
        return self.local_ms if target == LOCAL else self.remote_ms(target)

    def teach(self, policy: Policy, samples: int = 40, now: float = 0.0) -> None:
        """Every target answers frames and probes."""
        policy.offer(self.edges)
        for index in range(samples):
            policy.observe_local(self.local_ms)
            policy.observe_encoding(PIXELS, FRAME_BYTES, 0.0)
            for target, (_, _, server_ms) in self.edges.items():
                size = 256 if index % 2 == 0 else FRAME_BYTES
                network_ms = self.remote_ms(target, size) - server_ms
                policy.observe_answer(target, size_bytes=size, network_ms=network_ms, server_ms=server_ms, now=now)


edges = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.tuples(st.floats(1, 300), st.floats(0.5, 200), st.floats(1, 500))
)


@given(estimates, st.sampled_from([None, LOCAL, "a", "elsewhere"]))
def test_no_target_is_chosen_that_is_not_offered(offers: dict[str, Estimate], current: str | None) -> None:
    assert choose(offers, current) in offers


@given(st.dictionaries(st.sampled_from([LOCAL, "a", "b"]), durations_ms, min_size=1), st.sampled_from([LOCAL, "a"]))
def test_certain_estimates_are_followed_to_the_lowest(times: dict[str, float], current: str) -> None:
    offers = {target: Estimate(ms, 0.0) for target, ms in times.items()}
    assert times[choose(offers, current)] == min(times.values())


@given(durations_ms, edges)
def test_the_target_with_the_lowest_true_response_time_is_chosen_when_estimates_are_exact(
    local_ms: float, remotes: dict[str, tuple[float, float, float]]
) -> None:
    world = World(local_ms, remotes)
    policy = Policy(local=True)
    world.teach(policy)
    decision = policy.decide(PIXELS)
    assert decision is not None
    best_ms = min(world.truth_ms(target) for target in [LOCAL, *remotes])
    assert world.truth_ms(decision.target) <= 1.001 * best_ms
    assert decision.predicted_ms == pytest.approx(world.truth_ms(decision.target), rel=0.01)


@given(durations_ms, edges, st.sets(st.sampled_from(["a", "b", "c"])))
def test_a_target_that_is_no_longer_offered_is_never_chosen(
    local_ms: float, remotes: dict[str, tuple[float, float, float]], left: set[str]
) -> None:
    policy = Policy(local=True)
    World(local_ms, remotes).teach(policy)
    policy.decide(PIXELS)
    policy.offer(left)
    decision = policy.decide(PIXELS)
    assert decision is not None
    assert decision.target in {LOCAL, *left}


@given(st.floats(0, 0.2), st.floats(20, 500))
def test_equal_targets_are_not_swapped_to_and_fro(noise: float, ms: float) -> None:
    jitter = [1 + noise, 1 - noise]
    policy = Policy(local=True)
    policy.offer(["a"])
    chosen = []
    for index in range(40):
        policy.observe_local(ms * jitter[index % 2])
        policy.observe_answer("a", size_bytes=1, network_ms=ms * jitter[(index + 1) % 2], server_ms=0.0, now=0.0)
        policy.observe_encoding(PIXELS, FRAME_BYTES, 0.0)
        decision = policy.decide(PIXELS)
        assert decision is not None
        chosen.append(decision.target)
    switches = sum(before != after for before, after in pairwise(chosen[10:]))
    assert switches <= 2


def test_work_waiting_on_the_device_counts_as_its_time() -> None:
    policy = Policy(local=True)
    World(100, {"a": (50, 10, 50)}).teach(policy)  # 136 ms by way of the edge
    idle, busy = policy.decide(PIXELS), policy.decide(PIXELS, local_queue=1)
    assert idle is not None
    assert busy is not None
    assert (idle.target, busy.target) == (LOCAL, "a")


def test_a_failed_target_is_left_alone_until_a_probe_reaches_it() -> None:
    policy = Policy(local=True)
    world = World(500, {"a": (20, 10, 10)})
    world.teach(policy, now=0.0)
    assert policy.decide(PIXELS).target == "a"  # type: ignore[union-attr]  # there is a target
    policy.observe_failure("a", now=1.0)
    assert policy.decide(PIXELS).target == LOCAL  # type: ignore[union-attr]
    assert policy.probes(1.0) == []
    [contact] = policy.probes(1.5)
    assert contact.target == "a"
    for now in (1.52, 1.6):
        policy.observe_probe("a", size_bytes=contact.size_bytes, network_ms=20, now=now)
    assert policy.decide(PIXELS).target == "a"  # type: ignore[union-attr]


def test_probes_of_a_target_that_stays_away_come_ever_less_often_but_do_not_end() -> None:
    policy = Policy(local=True)
    policy.offer(["a"])
    sent = []
    for tick in range(600):
        now = tick / 10
        for probe in policy.probes(now):
            sent.append(now)
            policy.observe_failure(probe.target, now=now)
    assert 55 <= len(sent) <= 70
    assert sent[-1] > 58


def test_a_target_in_use_is_not_probed_and_one_left_idle_costs_one_percent_of_its_traffic() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy, now=0.0)
    assert policy.probes(0.9) == []
    probed_bytes = 0
    for tick in range(10, 1000):
        now = tick / 10
        for probe in policy.probes(now):
            probed_bytes += probe.size_bytes
            policy.observe_probe(probe.target, size_bytes=probe.size_bytes, network_ms=23, now=now)
    assert probed_bytes <= 0.01 * 1000 * FRAME_BYTES


def test_an_overdue_target_is_not_chosen_until_a_probe_follows_its_late_answer() -> None:
    policy = Policy(local=True)
    world = World(500, {"a": (20, 10, 10)})
    world.teach(policy)
    policy.observe_overdue("a")
    assert policy.probes(2.0) == []
    assert policy.decide(PIXELS).target == LOCAL  # type: ignore[union-attr]
    policy.observe_answer("a", size_bytes=FRAME_BYTES, network_ms=400, server_ms=10, now=2.0)
    assert policy.decide(PIXELS).target == LOCAL  # type: ignore[union-attr]
    [probe] = policy.probes(2.0)
    policy.observe_probe("a", size_bytes=probe.size_bytes, network_ms=23, now=2.1)
    assert policy.decide(PIXELS).target == "a"  # type: ignore[union-attr]


def test_a_late_answer_that_a_probe_confirms_changes_the_choice() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy)
    policy.observe_overdue("a")
    policy.observe_answer("a", size_bytes=FRAME_BYTES, network_ms=920, server_ms=10, now=2.0)  # 0.4 Mbit/s
    [probe] = policy.probes(2.0)
    policy.observe_probe("a", size_bytes=probe.size_bytes, network_ms=102, now=2.1)
    decision = policy.decide(PIXELS)
    assert decision is not None
    assert decision.target == LOCAL
    assert policy.estimates(PIXELS)["a"].ms == pytest.approx(930, rel=0.1)


def test_a_device_without_a_model_tries_a_target_that_is_away_rather_than_none() -> None:
    policy = Policy(local=False)
    assert policy.decide(PIXELS) is None
    policy.offer(["a"])
    policy.observe_failure("a", now=0.0)
    decision = policy.decide(PIXELS)
    assert decision is not None
    assert decision.target == "a"
    assert decision.give_up_ms >= 10_000


def test_a_slow_device_gives_a_remote_answer_more_time_before_it_gives_up() -> None:
    decisions = []
    for local_ms in (300, 20_000):
        policy = Policy(local=True)
        World(local_ms, {"a": (20, 10, 10)}).teach(policy)
        decisions.append(policy.decide(PIXELS))
    assert decisions[0].give_up_ms < decisions[1].give_up_ms  # type: ignore[union-attr]
