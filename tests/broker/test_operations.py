"""What operators get beside the broker: metrics, alert rules, a Grafana dashboard, a unit, an image."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from astraea.broker import Broker, StoreError, open_store
from astraea.broker.cli import broker as command
from astraea.protocol import Instance
from astraea.protocol.broker_api import Ask
from tests.conftest import need

MakeInstance = Callable[..., Instance]
OPS = Path(__file__).resolve().parents[2] / "broker" / "ops"
FOREIGN = {"up"}


async def _figures(tmp_path: Path, make_instance: MakeInstance) -> str:
    with closing(open_store(tmp_path / "broker.db")) as store:
        broker = Broker(store, lease_s=10)
        await broker.register(make_instance(load={"in_flight": 3, "capacity": 4, "service_ms": 50}))
        broker.candidates("plates", Ask(device="d"))
        broker.metrics.requests.labels("GET", "/v1/services/{name}/candidates", "200").observe(0.001)
        return generate_latest(broker.metrics.registry).decode()


async def test_figures_of_the_fleet_are_there_to_scrape(tmp_path: Path, make_instance: MakeInstance) -> None:
    figures = await _figures(tmp_path, make_instance)
    for line in (
        'astraea_broker_live_instances{service="plates"} 1.0',
        'astraea_broker_in_flight{service="plates"} 3.0',
        'astraea_broker_capacity{service="plates"} 4.0',
        'astraea_broker_service_seconds{service="plates"} 0.05',
        'astraea_broker_told_total{revision="1.0.0-abc",service="plates"} 1.0',
        "astraea_broker_store_failing 0.0",
        "astraea_broker_leases_expired_total 0.0",
    ):
        assert line in figures.splitlines()


async def test_rules_and_panels_ask_for_figures_that_there_are(tmp_path: Path, make_instance: MakeInstance) -> None:
    figures = await _figures(tmp_path, make_instance)
    rules = yaml.safe_load((OPS / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((OPS / "grafana-dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    names = {name for expr in asked for name in re.findall(r"\b(astraea_\w+|up)\b", expr)} - FOREIGN
    assert len(names) >= 8
    for name in names:
        assert re.search(rf"^{name}[{{ ]", figures, re.MULTILINE), name
    assert all(rule["annotations"]["summary"] for rule in rules)


async def test_a_store_that_fails_is_seen_in_the_figures(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "broker.db")) as store:
        broker = Broker(store, lease_s=10)
        broker.mirror.failure = StoreError("the disk is full")
        assert "astraea_broker_store_failing 1.0" in generate_latest(broker.metrics.registry).decode()


def test_unit_and_image_start_the_broker_with_options_that_it_has() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign] # keys are case sensitive there
    unit.read(OPS / "astraea-broker.service")
    started = unit["Service"]["ExecStart"].split()
    entry = next(line for line in (OPS / "Dockerfile").read_text().splitlines() if line.startswith("ENTRYPOINT"))
    options = [word for word in (*started, *json.loads(entry.removeprefix("ENTRYPOINT"))) if word.startswith("--")]
    assert options
    parameters = {name.replace("_", "-") for name in command.__annotations__}
    assert {option.removeprefix("--") for option in options} <= parameters


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    need("systemd", shutil.which("systemd-analyze") is not None, "there is no systemd-analyze")
    unit = tmp_path / "astraea-broker.service"
    unit.write_text((OPS / unit.name).read_text().replace("/opt/astraea/bin/astraea", sys.executable))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=True
    )
    assert verified.stderr == ""


@pytest.mark.parametrize("folder", re.findall(r"^COPY ([a-z_]+) ", (OPS / "Dockerfile").read_text(), re.MULTILINE))
def test_the_image_is_made_of_folders_that_there_are(folder: str) -> None:
    assert (OPS.parents[1] / folder).is_dir()
