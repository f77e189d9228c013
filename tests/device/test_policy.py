from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.decision import LOCAL, Estimate, Objective, Policy
from astraea.device.decision.choice import choose
from astraea.device.decision.probing import PROBE_BYTES
from astraea.device.encoding import Encoding, Size

FRAME = Size(640, 480)
FRAME_BYTES = 45_000
TAUGHT = 4.0
"""When a world has been taught from time 0."""

durations_ms = st.floats(0.1, 20_000)
estimates = st.dictionaries(
    st.sampled_from([LOCAL, "a", "b", "c"]), st.builds(Estimate, durations_ms, st.floats(0, 5000)), min_size=1
)


def exchange(
    policy: Policy, target: str, size_bytes: int, network_ms: float, server_ms: float = 0.0, *, sent_at: float
) -> None:
    """A frame goes out and its answer comes."""
    policy.observe_sent(target, size_bytes=size_bytes, now=sent_at)
    policy.observe_answer(
        target,
        size_bytes=size_bytes,
        network_ms=network_ms,
        server_ms=server_ms,
        sent_at=sent_at,
        now=sent_at + (network_ms + server_ms) / 1000,
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
            policy.observe_encoding(FRAME, Encoding(), FRAME_BYTES, 0.0)
            for target, (_, _, server_ms) in self.edges.items():
                size = 256 if index % 2 == 0 else FRAME_BYTES
                network_ms = self.remote_ms(target, size) - server_ms
                exchange(policy, target, size, network_ms, server_ms, sent_at=now + index / 10)


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
    decision = policy.decide(FRAME, now=TAUGHT)
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
    policy.decide(FRAME, now=TAUGHT)
    policy.offer(left)
    decision = policy.decide(FRAME, now=TAUGHT)
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
        exchange(policy, "a", FRAME_BYTES, ms * jitter[(index + 1) % 2], sent_at=float(index))
        policy.observe_encoding(FRAME, Encoding(), FRAME_BYTES, 0.0)
        decision = policy.decide(FRAME, now=index + 0.9)
        assert decision is not None
        chosen.append(decision.target)
    switches = sum(before != after for before, after in pairwise(chosen[10:]))
    assert switches <= 2


def test_work_waiting_on_the_device_counts_as_its_time() -> None:
    policy = Policy(local=True)
    World(100, {"a": (50, 10, 50)}).teach(policy)  # 136 ms by way of the edge
    idle, busy = policy.decide(FRAME, now=TAUGHT), policy.decide(FRAME, now=TAUGHT, local_queue=1)
    assert idle is not None
    assert busy is not None
    assert (idle.target, busy.target) == (LOCAL, "a")


def test_a_failed_target_is_left_alone_until_a_probe_reaches_it() -> None:
    policy = Policy(local=True)
    world = World(500, {"a": (20, 10, 10)})
    world.teach(policy, now=0.0)
    assert policy.decide(FRAME, now=TAUGHT).target == "a"  # type: ignore[union-attr]  # there is a target
    policy.observe_failure("a", sent_at=TAUGHT, now=TAUGHT)
    assert policy.decide(FRAME, now=TAUGHT).target == LOCAL  # type: ignore[union-attr]
    assert policy.probes(TAUGHT) == []
    for now in (TAUGHT + 0.5, TAUGHT + 0.6):
        [contact] = policy.probes(now)
        policy.observe_probe("a", size_bytes=contact.size_bytes, network_ms=21, sent_at=now, now=now + 0.021)
    assert policy.decide(FRAME, now=TAUGHT + 0.7).target == "a"  # type: ignore[union-attr]


def test_probes_of_a_target_that_stays_away_come_ever_less_often_but_do_not_end() -> None:
    policy = Policy(local=True)
    policy.offer(["a"])
    sent = []
    for tick in range(600):
        now = tick / 10
        for probe in policy.probes(now):
            sent.append(now)
            policy.observe_failure(probe.target, sent_at=now, now=now)
    assert 55 <= len(sent) <= 70
    assert sent[-1] > 58


def test_a_target_in_use_is_not_probed() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy)
    for index in range(50):
        now = TAUGHT + index / 10
        policy.decide(FRAME, now=now)
        exchange(policy, "a", FRAME_BYTES, 56, 10, sent_at=now)
        assert policy.probes(now + 0.1) == []


@given(st.floats(0.2, 100), st.floats(0.001, 3))
def test_probes_of_a_target_left_idle_cost_one_percent_of_its_traffic(mbps: float, answer_s: float) -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, mbps, 10)}).teach(policy)
    probed_bytes = 0
    for tick in range(1000):
        now = TAUGHT + tick / 10
        policy.decide(FRAME, now=now)
        for probe in policy.probes(now):
            probed_bytes += probe.size_bytes
            policy.observe_sent("a", size_bytes=probe.size_bytes, now=now)
            policy.observe_probe(
                "a", size_bytes=probe.size_bytes, network_ms=answer_s * 1000, sent_at=now, now=now + answer_s
            )
    saved_before = FRAME_BYTES  # at most
    assert 0 < probed_bytes <= 0.01 * 1000 * FRAME_BYTES + saved_before


def test_a_silent_target_is_raced_and_after_a_while_left_alone() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy)
    policy.observe_sent("a", size_bytes=FRAME_BYTES, now=TAUGHT)
    in_time, late, silent = (policy.decide(FRAME, now=TAUGHT + seconds) for seconds in (0.05, 0.2, 20))
    assert in_time is not None
    assert late is not None
    assert silent is not None
    assert in_time.target == "a"
    assert 0 < in_time.patience_ms < 250
    assert (late.target, late.patience_ms) == ("a", 0)
    assert silent.target == LOCAL


def test_a_server_that_was_busy_is_tried_again_though_only_probes_have_been_answered_since() -> None:
    policy, world = Policy(local=True), World(250.0, {"edge": (20.0, 20.0, 12.0)})
    world.teach(policy)
    for index in range(6):
        exchange(policy, "edge", FRAME_BYTES, 38.0, 900.0, sent_at=TAUGHT + index)
    busy = policy.decide(FRAME, now=TAUGHT + 6)
    for now in (TAUGHT + 7, TAUGHT + 7.1):
        policy.observe_probe("edge", size_bytes=256, network_ms=20.0, sent_at=now - 0.02, now=now)
        rested = policy.decide(FRAME, now=now)
    assert busy is not None
    assert busy.target == LOCAL
    assert rested is not None
    assert rested.target == "edge"


def test_one_late_answer_is_an_accident_and_a_second_one_a_change() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy)
    decisions = []
    for sent_at in (TAUGHT, TAUGHT + 2):  # now 0.4 Mbit/s
        exchange(policy, "a", FRAME_BYTES, 920, 10, sent_at=sent_at)
        decisions.append(policy.decide(FRAME, now=sent_at + 1))
    accident, change = decisions
    assert accident is not None
    assert change is not None
    assert accident.target == "a"
    assert accident.patience_ms > 0
    assert change.target == LOCAL or change.patience_ms == 0  # the device answers, whatever else is tried
    assert policy.estimates(FRAME, now=TAUGHT + 3)["a"].ms == pytest.approx(930, rel=0.1)


def test_what_was_given_up_makes_a_target_silent_until_it_is_heard_again() -> None:
    policy = Policy(local=True)
    World(500, {"a": (20, 10, 10)}).teach(policy)
    policy.observe_sent("a", size_bytes=FRAME_BYTES, now=TAUGHT)
    policy.observe_silence("a", sent_at=TAUGHT)
    for frame in range(200):
        now = TAUGHT + frame / 10
        decision = policy.decide(FRAME, now=now)
    assert decision is not None
    assert decision.target == LOCAL
    [probe] = policy.probes(now)
    policy.observe_sent("a", size_bytes=probe.size_bytes, now=now)
    policy.observe_probe("a", size_bytes=probe.size_bytes, network_ms=22, sent_at=now, now=now + 0.022)
    assert policy.decide(FRAME, now=now + 0.1).target == "a"  # type: ignore[union-attr]


def test_a_device_without_a_model_tries_a_target_that_is_away_rather_than_none() -> None:
    policy = Policy(local=False)
    assert policy.decide(FRAME, now=TAUGHT) is None
    policy.offer(["a"])
    policy.observe_failure("a", sent_at=0.0, now=0.0)
    decision = policy.decide(FRAME, now=TAUGHT)
    assert decision is not None
    assert decision.target == "a"
    assert decision.give_up_ms >= 10_000


def test_a_slow_device_gives_a_remote_answer_more_time_before_it_gives_up() -> None:
    decisions = []
    for local_ms in (300, 20_000):
        policy = Policy(local=True)
        World(local_ms, {"a": (20, 10, 10)}).teach(policy)
        decisions.append(policy.decide(FRAME, now=TAUGHT))
    assert decisions[0].give_up_ms < decisions[1].give_up_ms  # type: ignore[union-attr]


def test_into_a_lasting_silence_goes_at_most_one_frame_at_a_time() -> None:
    policy = Policy(local=True)
    World(200, {"a": (20, 10, 10)}).teach(policy)
    sent: list[float] = []
    for frame in range(60):
        now = 1 + frame / 10
        for since in [since for since in sent if now - since == pytest.approx(2)]:
            policy.observe_silence("a", sent_at=since)
        decision = policy.decide(FRAME, now=now)
        assert decision is not None
        if decision.target == "a":
            policy.observe_sent("a", size_bytes=FRAME_BYTES, now=now)
            sent.append(now)
    lasting = [at for at in sent if at > 1 + 2.9]  # those of the first second are given up by then
    assert sent
    assert len(lasting) <= 2


def test_what_is_predicted_is_the_first_answer_whoever_gives_it() -> None:
    policy = Policy(local=True)
    World(200, {"a": (20, 10, 10)}).teach(policy)
    policy.observe_sent("a", size_bytes=FRAME_BYTES, now=1.0)
    decision = policy.decide(FRAME, now=1.3)
    assert decision is not None
    assert decision.predicted_ms <= 1.1 * 200


def test_a_frame_that_is_old_already_gets_the_answer_that_is_in_time() -> None:
    policy = Policy(local=True, objective=Objective("energy", deadline_ms=500))
    world = World(150.0, {"edge": (100.0, 1000.0, 100.0)})  # the edge takes longer, and less of the device's energy
    world.teach(policy)
    fresh = policy.decide(FRAME, now=TAUGHT)
    old = policy.decide(FRAME, now=TAUGHT, age_ms=320.0)
    assert fresh is not None
    assert old is not None
    assert (fresh.target, old.target) == ("edge", LOCAL)


def test_a_device_in_use_loses_nothing_by_a_race_and_so_runs_it_though_nobody_knows_the_link() -> None:
    policy = Policy(local=True)
    World(250, {"edge": (20, 20, 13)}).teach(policy)
    now = TAUGHT
    for late_ms in (800, 900, 1000):
        exchange(policy, "edge", FRAME_BYTES, late_ms, 13, sent_at=now)
        now += 1.1
    left = policy.decide(FRAME, now=now)
    assert left is not None
    assert left.target == LOCAL
    policy.observe_sent("edge", size_bytes=PROBE_BYTES, now=now)
    policy.observe_probe("edge", size_bytes=PROBE_BYTES, network_ms=31, sent_at=now, now=now + 0.031)
    tried = policy.decide(FRAME, now=now + 0.1)
    assert tried is not None
    assert policy.estimates(FRAME, now=now + 0.1)["edge"].spread_ms > 250 - tried.expected_ms["edge"]
    assert (tried.target, tried.patience_ms) == ("edge", 0)


def test_half_of_what_probes_may_cost_is_kept_for_when_a_late_target_is_back() -> None:
    policy = Policy(local=True)
    World(250, {"edge": (20, 20, 13)}).teach(policy)
    for frame in range(300):
        policy.decide(FRAME, now=TAUGHT + frame / 100)
    now = TAUGHT + 3
    policy.observe_sent("edge", size_bytes=FRAME_BYTES, now=now)
    spent = []
    for tick in range(100):
        spent += [probe.size_bytes for probe in policy.probes(now + 0.5 + tick / 10)]
    assert FRAME_BYTES / 4 < sum(size for size in spent if size == PROBE_BYTES) <= FRAME_BYTES / 2 + PROBE_BYTES
    exchange(policy, "edge", FRAME_BYTES, 40, 13, sent_at=now + 11)
    assert PROBE_BYTES in [probe.size_bytes for tick in range(5) for probe in policy.probes(now + 11.2 + tick / 5)]
