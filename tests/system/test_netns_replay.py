"""The simulator's figures are worth what the real thing says to them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PART = "us-tmobile-lte:0"
"""Slow enough that this machine's own hiccups are small beside what the link takes."""


@pytest.mark.usefixtures("netns")
def test_the_real_client_takes_what_the_simulator_says_for_the_same_trace(shared_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "replay.json"
    options = ["--data", str(shared_data / "traces"), "--part", PART, "--seconds", "20", "--json", str(report)]
    command = [sys.executable, "-m", "benchmarks.netns_replay", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())[PART]
    for what in ("mean_ms", "p95_ms"):
        assert figures["measured"][what] == pytest.approx(figures["simulated"][what], rel=0.15)
