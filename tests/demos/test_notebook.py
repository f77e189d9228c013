"""The notebook runs to its end, with the measured trace and with one that it makes up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOK = Path(__file__).resolve().parents[2] / "demos" / "notebook.ipynb"


def executed(output: Path, folder: Path) -> str:
    """All that its cells put out, as text, when a kernel is started in a folder."""
    copy = folder / "notebook.ipynb"
    if folder != NOTEBOOK.parent:
        shutil.copy(NOTEBOOK, copy)
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", str(copy), f"--output={output / 'ran'}"]
    places = {"JUPYTER_RUNTIME_DIR": str(output / "runtime"), "IPYTHONDIR": str(output / "ipython")}
    done = subprocess.run(command, env=os.environ | places, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in read(output / "ran.ipynb").cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    return "".join(output.get("text", "") + output.get("data", {}).get("text/markdown", "") for output in outputs)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # nbformat's


def test_it_explains_the_decision_on_a_measured_trace(tmp_path: Path, shared_data: Path) -> None:
    assert shared_data
    said = executed(tmp_path, NOTEBOOK.parent)
    assert "| adaptive |" in said
    assert "| oracle | " in said


def test_without_a_measured_trace_it_makes_one_up(tmp_path: Path) -> None:
    assert "| adaptive |" in executed(tmp_path, tmp_path)


def test_no_outputs_are_kept_in_it() -> None:
    for cell in read(NOTEBOOK).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
