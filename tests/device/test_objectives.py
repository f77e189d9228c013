"""Whatever is to be best: what the policy chooses on links whose truth can be worked out by hand."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from astraea.device import DeviceError
from astraea.device.decision import LOCAL, Aim, Decision, Ladder, Objective, Policy
from astraea.device.decision.options import Option
from astraea.device.encoding import Size
from astraea.device.profile import PowerModel, Price, Profile, Rung

FRAME = Size(640, 480)
RTT_MS = 40.0
DEADLINED: tuple[Aim, ...] = ("accuracy", "energy", "cost")


def remote_ms(profile: Profile, rung: Rung, uplink_mbps: float) -> float:
    return rung.encode_ms + rung.bytes * 8 / uplink_mbps / 1000 + RTT_MS + rung.edge_ms


def taught(objective: Objective, profile: Profile, **uplinks_mbps: float) -> Policy:
    """A policy that has seen steady links for a while."""
    policy = Policy(local=True, objective=objective, profile=profile)
    policy.offer(uplinks_mbps)
    for index in range(40):
        rung = profile.ladder[index % len(profile.ladder)]
        policy.observe_local(profile.local_ms)
        policy.observe_encoding(FRAME, rung.encoding, rung.bytes, rung.encode_ms)
        for target, mbps in uplinks_mbps.items():
            network_ms = rung.bytes * 8 / mbps / 1000 + RTT_MS
            policy.observe_sent(target, size_bytes=rung.bytes, now=index / 10)
            policy.observe_answer(
                target,
                size_bytes=rung.bytes,
                network_ms=network_ms,
                server_ms=rung.edge_ms,
                sent_at=index / 10,
                now=index / 10 + network_ms / 1000,
                encoding=rung.encoding,
            )
    return policy


def choose(objective: Objective, profile: Profile, **uplinks_mbps: float) -> Decision:
    decision = taught(objective, profile, **uplinks_mbps).decide(FRAME, now=4.5)
    assert decision is not None
    return decision


@settings(max_examples=60)
@given(st.floats(0.3, 50), st.floats(70, 800), st.floats(30, 900))
def test_on_a_steady_link_the_most_accurate_answer_in_time_is_chosen(
    mbps: float, deadline_ms: float, local_ms: float
) -> None:
    profile = Profile(local_ms=local_ms)
    decision = choose(Objective("accuracy", deadline_ms), profile, edge=mbps)
    ways = [(rung.accuracy, remote_ms(profile, rung, mbps)) for rung in profile.ladder]
    ways.append((profile.local_accuracy, local_ms))
    # What is on the verge of being late may be left alone, and what makes no difference may be spared.
    surely = [accuracy for accuracy, ms in ways if ms < 0.8 * deadline_ms]
    ladder = Ladder(profile, 0)
    chosen = profile.local_accuracy if decision.target == LOCAL else ladder.rung(decision.encoding).accuracy
    if surely:
        assert chosen >= max(surely) - 0.01 - 1e-9
        assert decision.predicted_ms <= 1.05 * deadline_ms


@settings(max_examples=40)
@given(st.floats(0.3, 50), st.sampled_from(["latency", "energy", "cost"]))
def test_only_accuracy_gives_up_accuracy(mbps: float, aim: Aim) -> None:
    decision = choose(Objective(aim, 500), Profile(), edge=mbps)
    assert decision.encoding in {None, Profile().ladder[-1].encoding}


@pytest.mark.parametrize(
    ("power", "target"),
    [
        (PowerModel(), "edge"),  # 2.9 J for an inference, under 1 J for sending and waiting
        (PowerModel(idle_w=6.0, radio_w=30.0), LOCAL),
        (PowerModel(radio_j_per_mbit=10.0), LOCAL),
    ],
)
def test_energy_goes_where_it_is_least(power: PowerModel, target: str) -> None:
    decision = choose(Objective("energy", 500), Profile(power=power), edge=4.0)
    assert decision.target == target
    assert decision.patience_ms == inf  # no second inference for the same frame


def test_energy_is_spared_within_the_deadline_only() -> None:
    profile = Profile(power=PowerModel(radio_w=30.0))
    assert choose(Objective("energy", 500), profile, edge=4.0).target == LOCAL
    assert choose(Objective("energy", 300), profile, edge=4.0).target == "edge"


def test_the_least_money_is_spent_that_meets_the_deadline() -> None:
    def choice(deadline_ms: float) -> str:
        policy = taught(Objective("cost", deadline_ms), Profile(), near=20.0, far=4.0)
        policy.offer(["near", "far"], {"near": Price(per_cpu_hour=1), "far": Price(per_cpu_hour=0.1)})
        decision = policy.decide(FRAME, now=4.5)
        assert decision is not None
        return decision.target

    assert [choice(deadline_ms) for deadline_ms in (1000, 300, 100)] == [LOCAL, "far", "near"]


@pytest.mark.parametrize("aim", DEADLINED)
def test_a_deadline_that_nothing_meets_leaves_no_frame_unanswered(aim: Aim) -> None:
    decision = choose(Objective(aim, 5), Profile(), edge=4.0)
    assert decision.target in {LOCAL, "edge"}
    assert decision.predicted_ms < 500


@pytest.mark.parametrize("aim", DEADLINED)
def test_a_device_without_a_model_and_a_known_edge_gets_none_or_an_answer(aim: Aim) -> None:
    policy = Policy(local=False, objective=Objective(aim, 100))
    assert policy.decide(FRAME, now=0) is None
    policy.offer(["edge"])
    decision = policy.decide(FRAME, now=0)
    assert decision is not None
    assert decision.target == "edge"


def test_the_device_rescues_a_doubtful_frame_at_the_last_moment() -> None:
    profile = Profile(local_ms=100)
    policy = taught(Objective("accuracy", 300), profile, edge=4.0)
    policy.observe_sent("edge", size_bytes=20_000, now=4.3)
    decision = policy.decide(FRAME, now=4.5)  # what was sent is overdue
    assert decision is not None
    assert decision.target == "edge"
    assert decision.patience_ms == pytest.approx(200)


@given(st.floats(1, 1000), st.floats(0, 500), st.floats(0, 5000), st.floats(1, 2000), st.floats(1, 2000))
def test_more_time_is_never_less_likely_to_be_enough(
    ms: float, spread_ms: float, late_ms: float, deadline_ms: float, more_ms: float
) -> None:
    option = Option("edge", None, ms, spread_ms, late_ms, 1.0, 0.0)
    sooner, later = option.in_time(deadline_ms), option.in_time(deadline_ms + more_ms)
    assert 0 <= sooner <= later <= 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("accuracy",), "needs a deadline"),
        (("energy", 0), "not above 0"),
        (("speed",), "objective is 'speed'"),
        (("latency", None, 2.0), "accuracy_loss is 2.0"),
    ],
)
def test_a_wrong_objective_is_refused_with_what_is_wrong(arguments: tuple[Aim], complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        Objective(*arguments)


def test_a_power_model_is_refused_below_zero() -> None:
    with pytest.raises(ValidationError):
        PowerModel(idle_w=-1)
