"""The paper's experiment: its parts, and all of it in a small size, to its end."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from astraea.models import convert_darknet
from astraea.models.darknet.cfg import parse_cfg
from astraea.models.darknet.network import build_network
from astraea.protocol import load_service_spec
from benchmarks.seeded_weights import write_weights
from benchmarks.yolov3 import yolov3_cfg
from demos.paper import experiment, published, report
from demos.paper.__main__ import app
from demos.paper.figures import Choice, Row, choice, row
from demos.paper.lab import NETWORKS, UserSpace
from demos.paper.quota import Quota, unavailable
from demos.paper.service import app as service_app
from demos.paper.service import write_service
from tests.conftest import need

ROOT = Path(__file__).resolve().parents[2]


def a_row(**changes: Any) -> Row:
    made = Row(
        device="20 s device",
        edge="an edge",
        network="5G",
        size=416,
        device_s=20.0,
        edge_s=0.1,
        network_s=0.1,
        total_s=0.2,
        frame_bytes=40_000,
        video_fps=5.0,
    )
    return Row(**{**vars(made), **changes})


def said(total_s: float, infer_s: float | None, tier: str = "edge") -> dict[str, Any]:
    return {"total_s": total_s, "infer_s": infer_s, "tier": tier, "bytes": 1000}


def test_a_row_follows_from_what_the_device_said() -> None:
    images = [said(0.5, 0.3), said(0.4, 0.3), said(9.0, 0.2)]
    made = row("device", "edge", "5G", 416, alone_s=[20.0, 22.0, 20.0], images=images, video_fps=4.0)
    assert (made.device_s, made.total_s, made.edge_s, made.frame_bytes) == (20.0, 0.5, 0.3, 1000)
    assert made.network_s == pytest.approx(0.2)
    assert made.speed_up == 40
    assert made.saved_pct == 97.5
    assert made.video_ratio == 80


def test_a_choice_is_right_when_frames_go_where_answers_come_sooner() -> None:
    def chosen(local_s: float, share: float) -> Choice:
        decided = [said(0.1, None, "device")] * round(10 * share) + [said(0.1, 0.05)] * round(10 * (1 - share))
        return choice("device", "edge", 416, local_s=local_s, sent=[said(0.1, 0.05)], decided=decided)

    assert chosen(0.04, 1.0).right
    assert not chosen(0.04, 0.0).right
    assert chosen(20.0, 0.0).right
    assert not chosen(20.0, 1.0).right
    assert chosen(0.11, 0.0).right
    assert chosen(0.11, 1.0).right  # as good as the same


def test_wrong_choices_are_named() -> None:
    def chosen(name: str, share: float) -> Choice:
        return Choice(name, "an edge", 416, local_s=0.04, remote_s=0.4, chosen_s=0.1, local_share=share)

    assert report.choice_verdict([chosen("a", 1.0), chosen("b", 0.9)]).endswith("in 2 of 2 pairs.")
    assert report.choice_verdict([chosen("a", 1.0), chosen("b", 0.0)]).endswith("1 of 2 pairs; not so: b with an edge.")


def test_claims_are_judged_one_by_one() -> None:
    (verdict,) = report.verdicts([a_row(), a_row(network="4G", total_s=0.4, edge_s=0.1, network_s=0.3)])
    assert "speed-up 50 to 100, the paper's 25 to 110 reached" in verdict
    assert "% saved 98.00 to 99.00, the paper's 98.5 reached in part" in verdict
    assert "video ratio 100, the paper's 50 reached" in verdict
    assert "over 4G, a frame may take 0.300 s, which is less than" not in verdict
    assert "the edge 0.000 s, and it took 0.100 s" in verdict


def test_where_all_is_reached_nothing_is_needed() -> None:
    (verdict,) = report.verdicts([a_row()])
    assert verdict.endswith("reached.")


def test_a_network_that_takes_too_long_by_itself_is_named() -> None:
    (verdict,) = report.verdicts([a_row(device_s=2.0)])
    assert "a frame may take 0.030 s, which is less than the 0.100 s without inference" in verdict


def test_published_figures_of_other_sizes_are_those_of_larger_images() -> None:
    assert [published.gpu_ms(size) for size in (96, 320, 352, 416, 608, 640)] == [22, 22, 29, 29, 51, 51]
    assert published.accelerator_ms(128) == published.accelerator_ms(416) == 40


@pytest.mark.parametrize("files", [("cpu/",), ()])
def test_a_quota_is_told_to_either_version_of_control_groups(tmp_path: Path, files: tuple[str, ...]) -> None:
    for name in files:
        (tmp_path / name).mkdir()
    quota = Quota(0.05, tmp_path)
    (group,) = tmp_path.glob("**/astraea-quota-*")
    told = {file.name: file.read_text() for file in group.iterdir()}
    expected = {"cpu.cfs_quota_us": "1000", "cpu.cfs_period_us": "20000"} if files else {"cpu.max": "1000 20000"}
    assert told == expected
    quota.hold(4711)
    assert (group / "cgroup.procs").read_text() == "4711"


def test_a_small_quota_has_a_longer_period_for_the_kernel_takes_no_less_than_a_millisecond(tmp_path: Path) -> None:
    assert Quota(0.01, tmp_path).cpus == pytest.approx(0.01)
    assert Quota(0.75, tmp_path).cpus == pytest.approx(0.75)
    assert Quota(0.0001, tmp_path).cpus == 0.001


def test_a_process_gets_no_more_than_its_quota() -> None:
    reason = unavailable()
    need("cgroup", not reason, reason)
    spin = "import time\nprint(flush=True)\ninput()\nwall = time.monotonic()\nwhile time.monotonic() - wall < 1: pass\n"
    command = [sys.executable, "-c", spin + "print(time.process_time())"]
    with Quota(0.05) as quota, subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        quota.hold(process.pid)
        print(file=process.stdin, flush=True)
        spent_s = float(process.stdout.readline())
    assert spent_s < 0.5  # with all of a CPU, it would be one second and more


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--size", "100"], "no multiple of 32"),
        (["--network", "6G"], "there is no network '6G'"),
        (["--device", "fast"], "neither `real` nor seconds"),
        (["--edge", "http://127.0.0.1:1", "--size", "320", "--size", "416"], "an edge serves one size"),
    ],
)
def test_a_wrong_option_is_explained(options: list[str], complaint: str) -> None:
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 2
    assert complaint in re.sub(r"[\s│]+", " ", done.stderr)


def test_every_option_that_the_page_names_is_one() -> None:
    page = (ROOT / "docs" / "paper.md").read_text()
    helped = {
        "demos.paper": CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout,
        "demos.paper.service": CliRunner().invoke(service_app, ["--help"]).stdout,
    }
    commands = re.findall(r"^python -m (demos\.\S+) ([^#\n]*)", page, re.MULTILINE)
    assert {module for module, _ in commands} == set(helped)
    for module, options in commands:
        assert [option for option in re.findall(r"--[a-z-]+", options) if option not in helped[module]] == []


def test_the_edges_side_is_a_service_that_can_be_deployed(tmp_path: Path) -> None:
    assert CliRunner().invoke(service_app, [str(tmp_path), "--size", "100"]).exit_code == 2
    model = tmp_path / "yolov3-416.onnx"
    write_service(tmp_path, model)
    model.touch()
    spec = load_service_spec(tmp_path)
    assert (spec.name, spec.model, spec.handler) == ("yolov3", "yolov3-416.onnx", "handler.py")
    assert (tmp_path / "handler.py").exists()


def test_without_root_the_link_is_a_proxy_and_inference_is_slowed(tmp_path: Path) -> None:
    model = tmp_path / "never-loaded.onnx"
    model.touch()
    write_service(tmp_path, model)
    camera = ["--size", "64", "--source", "synthetic:?frames=3", "--takes-ms", "5"]
    with UserSpace(tmp_path, {"PAPER_EDGE_MS": "2"}) as lab, lab.start(camera) as device:
        lab.become("4G")
        device.order("connect", edge=lab.url, local=False)
        device.order("slow", factor=2)
        assert all(took_s >= 0.01 for took_s in device.order("alone", frames=3))
        for image in device.order("images", frames=2):
            assert image["tier"] == "edge"
            assert image["infer_s"] >= 0.002
            assert image["total_s"] - image["server_s"] >= NETWORKS["4G"].rtt_ms / 1000
        assert device.order("video", seconds=0.1) > 0
        device.order("connect", edge=lab.url, local=True)
        assert [image["tier"] for image in device.order("images", frames=2)] == ["device"] * 2


class ThinNetwork:
    """YOLOv3 with all its layers, each with a quarter of its filters."""

    weights = "random weights"

    def __init__(self, *, seeded: bool) -> None:
        assert seeded

    def write(self, folder: Path, size: int) -> Path:
        cfg, weights, output = (folder / f"thin.{suffix}" for suffix in ("cfg", "weights", "onnx"))
        cfg.write_text(
            re.sub(r"filters=(\d*[02468])\n", lambda found: f"filters={int(found[1]) // 4}\n", yolov3_cfg(size))
        )
        write_weights(weights, build_network(parse_cfg(cfg.read_text(), cfg.name)))
        convert_darknet(cfg, weights, output)
        return output


def test_the_experiment_in_small(
    tmp_path: Path, shared_data: Path, netns: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "Network", ThinNetwork)
    files = ["--json", str(tmp_path / "found.json"), "--plot", str(tmp_path / "found.png")]
    done = CliRunner().invoke(app, ["--quick", "--size", "96", *files])
    assert done.exit_code == 0, done.output
    assert "The 20 s device is emulated" in done.stdout
    assert "has random weights" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert [one["edge"] for one in found["rows"]] == ["CPU, measured", "CPU in INT8, measured", "Titan X, published"]
    for one in found["rows"]:
        assert one["device_s"] > 0
        assert one["total_s"] > one["edge_s"] > 0
        assert one["video_ratio"] > 0
    shares = {(one["device"].split(",")[0], one["edge"].split(",")[0]): one["local_share"] for one in found["choices"]}
    assert len(shares) == 7
    assert shares["20 s device", "CPU in INT8"] < 0.5
    assert ("yolo-fastest in INT8", "CPU in INT8") in shares
    with Image.open(tmp_path / "found.png") as picture:
        assert picture.width > 100
