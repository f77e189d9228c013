"""What keeps the parts apart."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("protocol", "models", "device", "broker", "edge_server", "deployer")


def test_no_file_hides_the_other_parts_of_the_namespace() -> None:
    assert list(ROOT.glob("*/astraea/__init__.py")) == []


@pytest.mark.parametrize("part", PARTS)
def test_each_part_publishes_its_types(part: str) -> None:
    assert (ROOT / part / "astraea" / part / "py.typed").is_file()


def test_imports_go_in_the_directions_of_the_design() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_the_public_names_of_a_part_are_sorted_and_there(part: str) -> None:
    module = __import__(f"astraea.{part}", fromlist=["__all__"])
    names: list[str] = getattr(module, "__all__", [])
    # ruff's order: constants, then classes, then functions
    ranked = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert names == ranked
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        ("astraea.device", {"fastapi", "uvicorn", "sqlalchemy", "torch", "docker", "matplotlib", "onnx"}),
        ("astraea.broker", {"cv2", "onnxruntime", "torch"}),
        ("astraea.deployer.cli.running", {"docker", "cv2", "onnxruntime", "fastapi", "numpy"}),
    ],
)
def test_a_part_imports_no_framework_that_its_extra_does_not_bring(part: str, foreign: set[str]) -> None:
    script = f"import sys, {part}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not foreign & set(done.stdout.split())
