"""Canaries: promoted by themselves when they do no worse, taken back by themselves when they do."""

import contextlib
import itertools
import math
import random
import re
import threading

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.desired import DesiredStore
from astraea.deployer.errors import DeployError
from astraea.deployer.health import ask_broker, new_client
from astraea.deployer.rollout.canary import Decision, decision
from astraea.deployer.rollout.judging import MIN_REQUESTS, Copies, Sample, judge, quantile_s
from astraea.deployer.rollout.plan import CanaryPlan, parse_canary, weights
from astraea.deployer.rollout.sampling import read_metrics
from astraea.protocol.broker_api import RevisionSignals, calls

from .conftest import Cli, Eventually, WriteService, instances
from .load import Devices, Load

STEADY = "import time\n\n\ndef predict(model: None, name: str) -> str:\n    time.sleep(0.01)\n    return name\n"
SLOW = STEADY.replace("0.01", "0.03")
FAILING_AT_TIMES = """
import itertools
from astraea.edge_server import Image
from astraea.protocol import Detection
calls = itertools.count()
def predict(model: None, image: Image) -> list[Detection]:
    assert next(calls) % 4 < 3
    return []
"""
FINDS_ONE = """
from astraea.protocol import Box, Detection
def predict(model: None, name: str) -> list[Detection]:
    return [Detection(label="car", score=0.9, box=Box({x}, 0, {x} + 10, 10))]
"""
FAILING = "import random\n" + STEADY.replace("    time", "    assert random.random() > 0.2\n    time")


def deployed(
    cli: Cli, write_service: WriteService, broker: str, handler: str, *options: str, stable: str = STEADY, status: int
) -> tuple[str, Load]:
    """Deploy a steady revision, then another beside it in steps, under load; what the command says."""
    cli("deploy", write_service(handler=stable))
    folder = write_service(handler=handler, version="1.1.0")
    with Load(broker) as load:
        done = cli("deploy", folder, "--every", "60s" if status else "4s", *options, status=status)
    return done.stdout + done.stderr, load


def test_a_good_canary_is_promoted_and_the_stable_revision_stays_until_it_has_all_devices(
    cli: Cli, broker: str, write_service: WriteService
) -> None:
    shares: list[float] = []
    """Of the new revision, while the old one still had instances."""
    copies = [Copies()]
    """Of the old one's requests, to the new one."""
    ended = threading.Event()

    def watch() -> None:
        with new_client() as client:
            while not ended.wait(0.1):
                weights = ask_broker(client, broker, calls.sharing("hello")).weights
                share = next((share for name, share in weights.items() if name.startswith("1.1.0")), 0.0)
                for view in instances():
                    if view.revision.startswith("1.0.0"):
                        shares.append(share)
                        with contextlib.suppress(httpx.HTTPError):  # it has just ended
                            copies.append(read_metrics(client.get(f"{view.url}/metrics").text).copies)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        options = ("--canary", "0,50", "--shadow", "100")
        _, load = deployed(cli, write_service, broker, STEADY + "# better\n", *options, status=0)
    finally:
        ended.set()
        watching.join()
    assert load.failures == []
    assert [view.revision[:5] for view in instances()] == ["1.1.0"]
    assert {0.0, 50.0, 100.0} <= set(shares), "the old one was there at each share"
    assert copies[-1].compared > 0
    assert copies[-1].disagreement == 0


@pytest.mark.parametrize(("handler", "reason"), [(FAILING, "requests failed"), (SLOW, "95th percentile")])
def test_a_bad_canary_is_taken_back(
    cli: Cli, broker: str, write_service: WriteService, handler: str, reason: str
) -> None:
    said, _ = deployed(cli, write_service, broker, handler, "--canary", "50", status=1)
    assert "the new revision was taken back at 50 %" in said
    assert reason in said
    assert [view.revision[:5] for view in instances() if view.state == "running"] == ["1.0.0"]
    with Load(broker) as afterwards:
        cli("status")
    assert afterwards.failures == []


def test_a_dark_launch_that_answers_otherwise_is_taken_back_before_any_device_has_it(
    cli: Cli, broker: str, write_service: WriteService
) -> None:
    stable, canary = FINDS_ONE.format(x=0), FINDS_ONE.format(x=100)
    options = ("--canary", "0,50", "--shadow", "100")
    said, load = deployed(cli, write_service, broker, canary, *options, stable=stable, status=1)
    assert "the new revision was taken back at 0 %" in said
    assert "copied requests disagree by 100% with the stable revision's" in said
    assert load.failures == []
    assert {revision[:5] for revision in load.revisions} == {"1.0.0"}
    assert [view.revision[:5] for view in instances() if view.state == "running"] == ["1.0.0"]


def test_devices_tell_what_became_of_their_frames(
    cli: Cli, broker: str, write_service: WriteService, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr("astraea.device.answering.targets._REPORT_EVERY_S", 0.2)
    cli("deploy", write_service(handler=FAILING_AT_TIMES))
    (instance,) = instances()

    def told() -> RevisionSignals:
        with new_client() as client:
            found = ask_broker(client, broker, calls.signals("hello")).revisions
        return found.get(instance.revision, RevisionSignals())

    with Devices(broker):
        eventually(lambda: 0 < told().missed < told().frames, timeout_s=60)


@pytest.mark.parametrize(
    ("told", "meant", "decided"),
    [
        ({"new": 5, "old": 95}, {"new": 5, "old": 95}, None),
        ({"new": 0, "old": 100}, {"new": 0, "old": 100}, None),
        ({"new": 5, "old": 95}, None, None),
        ({"new": 0, "old": 100}, None, None),
        ({"new": 30, "old": 70}, {"new": 5, "old": 95}, None),
        ({"new": 0, "old": 95}, {"new": 5, "old": 95}, "abort"),
        ({"new": 100, "old": 0}, {"new": 5, "old": 95}, "promote"),
        ({"old": 100}, {"new": 0, "old": 100}, "abort"),
        ({"new": 100}, {"new": 100, "old": 0}, "promote"),
        ({"old": 100}, None, "abort"),
        ({"new": 100}, None, "promote"),
    ],
)
def test_what_operators_decide_is_seen_at_the_broker(
    told: dict[str, float], meant: dict[str, float] | None, decided: Decision | None
) -> None:
    assert decision(told, meant, "new") == decided


def test_a_canary_is_promoted_by_command_while_another_command_watches_it(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    folder = write_service(version="1.1.0")
    with cli.start("deploy", folder, "--canary", "0,50", "--every", "10m") as watching:
        eventually(lambda: under_way("hello"), timeout_s=60)
        shown = cli("status").stdout
        assert re.search(r"hello +1\.1\.0\S+ +0 % ", shown)
        assert re.search(r"hello +1\.0\.0\S+ +100 % ", shown)
        assert re.search(r"hello: canary 1\.1\.0\S+ at 0 % of devices, step 1 of 3, each 600 s", shown)
        assert "1.1.0" in cli("promote", "hello").stdout
        assert watching.wait(60) == 0
        watching.communicate()
    assert [view.revision[:5] for view in instances()] == ["1.1.0"]


def test_a_canary_whose_command_was_killed_is_taken_back_by_command(
    cli: Cli, broker: str, write_service: WriteService, eventually: Eventually
) -> None:
    cli("deploy", write_service())
    folder = write_service(version="1.1.0")
    with cli.start("deploy", folder, "--canary", "50", "--every", "10m") as killed:
        eventually(lambda: under_way("hello"), timeout_s=60)
        killed.kill()
        killed.communicate()
    assert "1.0.0" in cli("abort", "hello").stdout
    eventually(lambda: [view.revision[:5] for view in instances()] == ["1.0.0"], timeout_s=60)
    assert "no canary of 'hello' is under way" in cli("abort", "hello", status=1).stderr


def under_way(service: str) -> bool:
    desired = DesiredStore().get(service)
    return desired is not None and desired.rollout is not None


def sample(requests: int, errors: int, seconds: float = 0.01) -> Sample:
    return Sample(requests, errors, {bound: requests * (bound >= seconds) for bound in (0.01, 0.05, 0.1, math.inf)})


def copying(copies: Copies) -> Sample:
    return Sample(100, 0, {}, copies=copies)


@pytest.mark.parametrize(
    ("canary", "stable", "reason"),
    [
        (sample(100, 20), sample(100, 0), "20.0% of 100"),
        (sample(100, 1), sample(1000, 5), None),
        (sample(100, 20), sample(100, 20), None),
        (sample(100, 0, 0.1), sample(100, 0, 0.01), "95th percentile"),
        (Sample(0, 0, {}, 100, 20), Sample(0, 0, {}, 100, 0), "devices missed 20.0% of 100"),
        (Sample(0, 0, {}, 10, 10), Sample(0, 0, {}, 100, 0), None),
        (Sample(40, 0, {0.01: 38, 0.05: 38, math.inf: 40}), sample(40, 0), None),
        (sample(MIN_REQUESTS - 1, MIN_REQUESTS - 1), sample(100, 0), None),
        (sample(0, 0), copying(Copies(20, 0, 20.0)), "disagree by 100%"),
        (sample(0, 0), copying(Copies(1000, 0, 300.0)), "1000 copied requests disagree by 30%"),
        (sample(0, 0), copying(Copies(20, 0, 6.0)), None),
        (sample(0, 0), copying(Copies(1000, 0, 200.0)), None),
        (sample(0, 0), copying(Copies(MIN_REQUESTS - 1, 0, MIN_REQUESTS - 1)), None),
        (sample(0, 0), copying(Copies(1, 20)), "95.2% of 21 copies"),
        (sample(0, 0), copying(Copies(0, 2, 0, 18)), "none of 20 copies"),
        (sample(0, 0), copying(Copies(0, 0, 0, 100)), None),
        (sample(0, 0), copying(Copies(99, 1)), None),
    ],
)
def test_a_canary_is_judged_against_the_stable_revision(canary: Sample, stable: Sample, reason: str | None) -> None:
    found = judge(canary, stable, 0.2)
    assert found is None if reason is None else reason in str(found)


@given(st.integers(0, 500), st.floats(0, 1), st.floats(0, 1))
def test_a_mean_disagreement_that_is_allowed_takes_nothing_back(compared: int, mean: float, most: float) -> None:
    copies = copying(Copies(compared, 0, compared * min(mean, most)))
    assert judge(sample(100, 0), copies, most) is None
    assert judge(sample(100, 0), copying(Copies(compared, 0, compared * mean)), 1.0) is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_equal_revisions_are_never_judged_bad(requests: int, errors: int) -> None:
    same = sample(requests, min(errors, requests))
    assert judge(same, same) is None


def test_a_few_slow_answers_by_chance_take_nothing_back() -> None:
    chance = random.Random(5)
    bounds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, math.inf)

    def moments_of_a_busy_machine() -> Sample:
        times = chance.choices([0.002] * 18 + [0.02, 0.2], k=chance.randint(MIN_REQUESTS, 200))
        return Sample(len(times), 0, {bound: sum(time <= bound for time in times) for bound in bounds})

    pairs = [(moments_of_a_busy_machine(), moments_of_a_busy_machine()) for _ in range(2000)]
    assert sum(judge(*pair) is not None for pair in pairs) < 10


def test_quantiles_are_prometheus() -> None:
    assert quantile_s({0.1: 50, 0.2: 100, math.inf: 100}, 0.75) == pytest.approx(0.15)
    assert quantile_s({0.1: 0, math.inf: 10}, 0.5) == 0.1
    assert quantile_s({}, 0.5) is None


def test_metrics_are_counted_by_who_is_at_fault() -> None:
    text = "".join(
        f'astraea_requests_total{{status="{status}"}} {count}\n' for status, count in ((200, 7), (415, 2), (500, 3))
    )
    copies = "".join(
        f'astraea_shadowed_total{{revision="2",outcome="{outcome}"}} {count}\n'
        for outcome, count in (("compared", 6), ("failed", 2), ("refused", 3), ("dropped", 9))
    )
    differing = 'astraea_shadow_disagreement_count{revision="2"} 6\nastraea_shadow_disagreement_sum{revision="2"} 1.5\n'
    found = read_metrics(
        f"# TYPE astraea_requests counter\n{text}# TYPE astraea_shadowed counter\n{copies}"
        f"# TYPE astraea_shadow_disagreement summary\n{differing}"
    )
    assert (found.requests, found.errors) == (12, 3)
    assert found.copies == Copies(6, 2, 1.5, 3)
    assert found.copies.less(Copies(1, 1, 0.5, 1)).plus(Copies(1, 1, 0.5, 1)) == found.copies


def test_shares_always_sum_to_the_whole_and_the_canary_comes_first() -> None:
    for percent, others in itertools.product((0, 5, 100), (["a"], ["a", "b"])):
        found = weights("new", percent, others)
        assert sum(found.values()) == pytest.approx(100)
        assert next(iter(found)) == "new"


def test_steps_are_read_and_end_with_all_devices() -> None:
    assert parse_canary("5,25", "2m") == CanaryPlan((5, 25, 100), 120)
    assert parse_canary("0,100", "1.5h", 50, 100) == CanaryPlan((0, 100), 5400, 0.5, 1.0)
    for percents, every in (("25,5", "2m"), ("x", "2m"), ("5,101", "2m"), ("-1", "2m"), ("5", "soon")):
        with pytest.raises(DeployError):
            parse_canary(percents, every)
