import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.map", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_our_pipeline_is_within_a_point_of_opencvs(shared_data: Path, tmp_path: Path) -> None:
    done = run("--data", str(shared_data), "--json", str(tmp_path / "map.json"))
    assert done.returncode == 0, done.stderr
    assert "val2017" in done.stdout
    splits = json.loads((tmp_path / "map.json").read_text())["map50_pct"]
    assert (splits["all"]["photos"], splits["all"]["objects"]) == (41, 281)
    assert (splits["val2017"]["photos"], splits["val2017"]["objects"]) == (22, 148)
    for figures in splits.values():
        assert abs(figures["astraea"] - figures["opencv"]) < 1
        assert figures["astraea"] > 45


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = run("--data", str(tmp_path))
    assert done.returncode == 1
    assert f"there is no {tmp_path}/coco/attribution.csv" in done.stderr
    assert "--data" in done.stderr
