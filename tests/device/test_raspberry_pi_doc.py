"""The commands and the unit of docs/raspberry-pi.md exist as they are written there."""

import functools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import need

_DOC = Path(__file__).resolve().parents[2] / "docs" / "raspberry-pi.md"


def commands() -> list[list[str]]:
    lines = re.findall(r"^(?:pi|edge)\$ (astraea .*)$", _DOC.read_text(), re.MULTILINE)
    lines += re.findall(r"^ExecStart=/home/pi/astraea/bin/(astraea .*)$", _DOC.read_text(), re.MULTILINE)
    return [shlex.split(line.removesuffix(" &"))[1:] for line in lines]


@functools.cache
def help_of(*verbs: str) -> str:
    command = [sys.executable, "-m", "astraea.deployer", *verbs, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_option_that_the_page_names_is_one_of_its_verb(command: list[str]) -> None:
    verbs = [word for word in command[:2] if re.fullmatch("[a-z]+", word)]
    if command[0] not in ("node", "models"):
        verbs = verbs[:1]
    options = [word for word in command if word.startswith("--")]
    assert [option for option in options if option not in help_of(*verbs)] == []


def test_the_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    need("systemd", bool(shutil.which("systemd-analyze")), "there is no systemd-analyze")
    [unit] = re.findall(r"```ini\n(.*?)```", _DOC.read_text(), re.DOTALL)
    here = unit.replace("/home/pi/astraea/bin/astraea", str(Path(sys.executable).with_name("astraea")))
    path = tmp_path / "astraea-camera.service"
    path.write_text(here.replace("User=pi", "User=root"))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, str(path) in done.stderr) == (0, False), done.stderr
