"""The simulator against figures that can be worked out by hand, and the policy against measured networks."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from astraea.device import ProfileError, SimulationError
from astraea.device.decision import Aim, Objective
from astraea.device.profile import Price, Profile, read_profile
from astraea.device.simulator import (
    ADAPTIVE,
    ORACLE,
    Session,
    Trace,
    figures,
    mean_ms,
    objective_figures,
    read_trace,
    regret_pct,
    simulate,
)
from astraea.device.simulator.cli import app

PROFILE = Profile()
MEGABIT = 125_000
"""Bytes."""

rates_mbps = st.lists(st.sampled_from([0.0, 0.3, 0.9, 1.0, 5.0, 40.0]), min_size=1, max_size=30).filter(any)


def steps(rates_mbps: Sequence[float], every_s: float = 0.5) -> Trace:
    return Trace("steps", [index * every_s for index in range(len(rates_mbps))], rates_mbps)


def times_ms(session: Session) -> list[float]:
    return [answer.response_ms for answer in session.answers]


@pytest.mark.parametrize(
    ("start_s", "megabits", "end_s"),
    [
        (0.0, 1.0, 0.5),
        (0.25, 0.5, 0.5),
        (0.25, 1.0, 1.25),  # half of it before the gap, half after
        (0.5, 1.0, 1.5),  # begun in the gap
        (1.0, 2.0, 2.0),  # over the end, where the trace repeats
        (0.0, 4.0, 3.0),
        (-1.0, 1.0, -0.5),
        (-0.25, 1.5, 0.5),
    ],
)
def test_an_upload_takes_the_rate_of_every_moment_and_waits_where_it_is_zero(
    start_s: float, megabits: float, end_s: float
) -> None:
    trace = steps([2.0, 0.0, 2.0])
    assert trace.upload_end_s(start_s, int(megabits * MEGABIT)) == pytest.approx(end_s)


@given(rates_mbps, st.floats(0, 100), st.integers(1, 200_000), st.integers(1, 200_000))
def test_more_bytes_and_a_later_start_never_end_sooner(
    rates: list[float], start_s: float, size: int, more: int
) -> None:
    trace = steps(rates)
    end_s = trace.upload_end_s(start_s, size)
    assert start_s < end_s < trace.upload_end_s(start_s, size + more) + 1e-9
    assert trace.upload_end_s(start_s + 0.1, size) >= end_s - 1e-9
    assert trace.upload_end_s(end_s, more) == pytest.approx(trace.upload_end_s(start_s, size + more))


def test_a_part_of_a_trace_begins_in_the_middle_of_a_row() -> None:
    part = Trace("whole", [0, 2, 4, 6], [1, 2, 3, 4], [10, 20, 30, 40]).part(3.5, 2.0)
    assert list(part.rates()) == [(0.0, 2.0), (0.5, 3.0)]
    assert part.rtt_ms(0.6) == 30
    with pytest.raises(ValueError, match="has no"):
        part.part(100, 1)


def test_on_a_steady_link_everyone_takes_what_the_formula_says() -> None:
    sessions = simulate(Trace("steady", [0, 10], [3.6, 3.6]), PROFILE)
    remote_ms = 6 + 100 + 40 + 12  # 45 kB are 0.36 Mbit
    assert {name: len(session.answers) for name, session in sessions.items()} == dict.fromkeys(sessions, 200)
    assert times_ms(sessions["local"]) == pytest.approx([450] * 200)
    for name in ("edge", "ewma", "oracle", "adaptive"):
        assert times_ms(sessions[name]) == pytest.approx([remote_ms] * 200), name


def test_the_round_trip_time_of_the_trace_goes_before_that_of_the_profile() -> None:
    sessions = simulate(Trace("steady", [0, 1], [3.6, 3.6], [90, 90]), PROFILE)
    assert times_ms(sessions["edge"]) == pytest.approx([6 + 100 + 90 + 12] * 20)


def test_where_nothing_gets_through_the_device_answers() -> None:
    sessions = simulate(Trace("dead", [0, 30], [0, 0]), PROFILE)
    assert regret_pct(mean_ms([sessions[ADAPTIVE]]), mean_ms([sessions[ORACLE]])) < 1
    assert min(times_ms(sessions["edge"])) == pytest.approx(60_000)  # broken off


def test_a_link_that_is_dead_when_the_client_starts_is_used_soon_after_it_has_come_to_life() -> None:
    rates = [0.0] * 12 + [20.0] * 20
    session = simulate(steps(rates), Profile(local_ms=2000))[ADAPTIVE]
    assert all(answer.response_ms < 100 for answer in session.answers if answer.captured_s > 6.5)


@settings(deadline=None, max_examples=25)
@given(rates_mbps, st.sampled_from([60.0, 450.0, 2000.0]), st.booleans())
def test_no_one_is_ever_sooner_than_the_oracle(rates: list[float], local_ms: float, hedge: bool) -> None:
    sessions = simulate(steps(rates), Profile(local_ms=local_ms), hedge=hedge)
    for name, session in sessions.items():
        for answer, best in zip(session.answers, sessions[ORACLE].answers, strict=True):
            assert answer.response_ms >= best.response_ms - 1e-6, name


@settings(deadline=None, max_examples=25)
@given(rates_mbps, st.sampled_from([60.0, 450.0]))
def test_a_closed_loop_answers_each_frame_at_most_once_and_one_after_the_other(
    rates: list[float], local_ms: float
) -> None:
    for name, session in simulate(steps(rates), Profile(local_ms=local_ms), closed_loop=True).items():
        captured_s = [answer.captured_s for answer in session.answers]
        assert captured_s == sorted(set(captured_s)), name
        assert captured_s[0] == 0
        assert len(captured_s) <= session.frames
        ends_s = [answer.captured_s + answer.response_ms / 1000 for answer in session.answers]
        assert ends_s == sorted(ends_s), name


def test_a_busy_device_drops_the_frames_that_it_has_no_time_for() -> None:
    local = simulate(Trace("any", [0, 9], [1, 1]), PROFILE, closed_loop=True)["local"]
    assert local.frames == 180
    assert len(local.answers) == pytest.approx(18 / 0.45, abs=1)
    assert max(times_ms(local)) <= 450 + 100 + 1e-6  # its own time, and its age when it is taken up


@given(rates_mbps)
@settings(deadline=None, max_examples=5)
def test_the_same_trace_comes_to_the_same(rates: list[float]) -> None:
    assert simulate(steps(rates), PROFILE) == simulate(steps(rates), PROFILE)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the columns are ''"),
        ("t_s,downlink_mbps\n0,1\n", "line 1: the columns are 't_s,downlink_mbps'"),
        ("t_s,uplink_mbps\n", "no rows"),
        ("t_s,uplink_mbps\n0,1\n1\n", "line 3: 1 values for 2 columns"),
        ("t_s,uplink_mbps\n0,fast\n", "line 2: uplink_mbps is 'fast'"),
        ("t_s,uplink_mbps\n0,-1\n", "line 2: uplink_mbps is '-1'"),
        ("t_s,uplink_mbps\n0,nan\n", "line 2: uplink_mbps is 'nan'"),
        ("t_s,uplink_mbps\n0,inf\n", "line 2: uplink_mbps is 'inf'"),
        ("t_s,uplink_mbps\n0,1\n0,1\n", "line 3: t_s is 0, not later than the 0 before it"),
        ("t_s,uplink_mbps,rtt_ms\n0,1,\n", "line 2: rtt_ms is ''"),
    ],
)
def test_a_wrong_trace_is_refused_with_its_line_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path / "trace.csv", text)
    with pytest.raises(SimulationError, match=complaint) as refusal:
        read_trace(path)
    assert str(path) in str(refusal.value)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "trace.csv"
    path.write_bytes(b"t_s,uplink_mbps\n" + content)
    try:
        assert read_trace(path).duration_s > 0
    except SimulationError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("local_ms: -1", "local_ms is '-1'"),
        ("locl_ms: 1", "locl_ms is '1'"),
        ("[1]", r"it is '\[1\]'"),
        ("a: b: c", "neither YAML nor JSON: line 1"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_key_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ProfileError, match=complaint):
        read_profile(write(tmp_path / "profile.yaml", text))


def test_a_profile_is_yaml_or_json_and_may_leave_out_what_it_does_not_change(tmp_path: Path) -> None:
    assert read_profile(write(tmp_path / "a.yaml", "local_ms: 60\n")) == Profile(local_ms=60)
    assert read_profile(write(tmp_path / "b.json", '{"local_ms": 60}')) == Profile(local_ms=60)
    assert read_profile(write(tmp_path / "c.yaml", "")) == Profile()


KEYS = ["mean_ms", "p50_ms", "p95_ms", "p99_ms", "deadline_miss_pct", "regret_pct", "switches", "probe_bytes_pct"]


@pytest.mark.parametrize(("options", "keys"), [([], KEYS), (["--closed-loop"], [*KEYS, "answered_fps", "dropped_pct"])])
def test_the_command_prints_the_figures_of_every_policy_as_json(
    tmp_path: Path, options: list[str], keys: list[str]
) -> None:
    trace = write(tmp_path / "steady.csv", "t_s,uplink_mbps\n0,3.6\n2,3.6\n")
    plot = tmp_path / "plot.png"
    command = ["simulate", "--trace", str(trace), "--trace", str(trace), "--json", "--plot", str(plot), *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)["traces"]
    assert (first["trace"], first["frames"], second["trace"]) == ("steady", 40, "steady #2")
    assert list(first["policies"]) == ["adaptive", "oracle", "local", "edge", "ewma"]
    assert all(list(figures) == keys for figures in first["policies"].values())
    assert first["policies"]["oracle"]["regret_pct"] == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_without_a_trace_the_command_says_what_one_is() -> None:
    error = CliRunner().invoke(app, ["simulate"]).exception
    assert isinstance(error, SimulationError)
    assert "--trace" in str(error)
    assert "t_s,uplink_mbps" in (error.hint or "")


@pytest.mark.parametrize(("local_ms", "pooled_pct"), [(450.0, 3.0), (60.0, 1.0), (2000.0, 6.0)])
def test_on_measured_networks_frames_take_hardly_longer_than_they_had_to(
    shared_data: Path, local_ms: float, pooled_pct: float
) -> None:
    paths = sorted((shared_data / "traces").glob("*.csv"))
    uplinks = [path for path in paths if path.read_text().startswith("t_s,uplink_mbps")]
    profile = Profile(local_ms=local_ms)
    sessions = [simulate(read_trace(path), profile) for path in uplinks]
    assert len(sessions) == 16
    regrets = {}
    for one in sessions:
        means_ms = {name: mean_ms([session]) for name, session in one.items()}
        assert means_ms[ADAPTIVE] <= 1.01 * min(means_ms["local"], means_ms["edge"])
        assert regret_pct(means_ms[ADAPTIVE], means_ms[ORACLE]) <= 10
        assert one[ADAPTIVE].probe_bytes <= 0.01 * one[ADAPTIVE].frames * profile.frame_bytes
    for name in (ADAPTIVE, "ewma"):
        regrets[name] = regret_pct(mean_ms(one[name] for one in sessions), mean_ms(one[ORACLE] for one in sessions))
    assert regrets[ADAPTIVE] <= pooled_pct
    assert regrets[ADAPTIVE] <= regrets["ewma"] / 2


def test_on_measured_networks_answers_within_a_deadline_are_nearly_as_accurate_as_they_could_be(
    shared_data: Path,
) -> None:
    paths = sorted((shared_data / "traces").glob("*.csv"))
    uplinks = [path for path in paths if path.read_text().startswith("t_s,uplink_mbps")]
    accuracy, missed, total = {ADAPTIVE: 0.0, ORACLE: 0.0}, {ADAPTIVE: 0.0, ORACLE: 0.0}, 0
    for path in uplinks:
        one = simulate(read_trace(path), PROFILE, Objective("accuracy", 100))
        frames = len(one[ORACLE].answers)
        total += frames
        for name in accuracy:
            accuracy[name] += frames * objective_figures(one[name]).accuracy
            missed[name] += frames * figures(one[name], one[ORACLE], PROFILE).deadline_miss_pct
        assert 0 < objective_figures(one[ADAPTIVE]).accuracy <= objective_figures(one[ORACLE]).accuracy
    assert accuracy[ADAPTIVE] >= 0.95 * accuracy[ORACLE]
    assert missed[ADAPTIVE] <= missed[ORACLE] + 1.0 * total


@pytest.mark.parametrize("aim", ["energy", "cost"])
def test_what_is_spared_is_spared_within_the_deadline(aim: Aim) -> None:
    profile = Profile(price=Price(per_cpu_hour=0.05, per_gb=1.0))
    sessions = simulate(steps([8.0] * 20 + [0.3] * 20), profile, Objective(aim, 500))
    spent = {name: objective_figures(session) for name, session in sessions.items()}
    figure = "energy_j" if aim == "energy" else "cost"
    assert getattr(spent[ORACLE], figure) <= getattr(spent[ADAPTIVE], figure) + 1e-9
    assert getattr(spent[ADAPTIVE], figure) <= 1.2 * getattr(spent[ORACLE], figure) + 1e-9
    assert figures(sessions[ADAPTIVE], sessions[ORACLE], profile).deadline_miss_pct <= 10


def test_other_objectives_add_what_they_are_about(tmp_path: Path) -> None:
    trace = write(tmp_path / "steady.csv", "t_s,uplink_mbps\n0,3.6\n2,3.6\n")
    command = ["simulate", "--trace", str(trace), "--json", "--objective", "accuracy", "--deadline-ms", "120"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    policies = json.loads(done.stdout)["traces"][0]["policies"]
    assert list(policies["adaptive"]) == [*KEYS, "accuracy", "energy_j", "cost"]
    assert policies["local"]["accuracy"] == 0  # never in time
    assert 0.9 * policies["oracle"]["accuracy"] <= policies["adaptive"]["accuracy"] <= policies["oracle"]["accuracy"]


def test_a_device_with_an_accelerator_stays_local() -> None:
    session = simulate(steps([40.0] * 40), Profile(local_ms=11))[ADAPTIVE]
    assert all(answer.target == "local" for answer in session.answers)
