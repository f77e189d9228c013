"""The unit of docs/raspberry-pi.md is one that systemd and `astraea` understand."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import need

from .test_commands import TEXT, parse

[UNIT] = re.findall(r"```ini\n(.*?)```", TEXT["docs/raspberry-pi.md"], re.DOTALL)


def test_the_unit_starts_a_command_of_ours() -> None:
    [command] = re.findall(r"^ExecStart=/home/pi/astraea/bin/astraea (.*)$", UNIT, re.MULTILINE)
    parse(shlex.split(command))


def test_the_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    need("systemd", bool(shutil.which("systemd-analyze")), "there is no systemd-analyze")
    here = UNIT.replace("/home/pi/astraea/bin/astraea", str(Path(sys.executable).with_name("astraea")))
    path = tmp_path / "astraea-camera.service"
    path.write_text(here.replace("User=pi", "User=root"))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, str(path) in done.stderr) == (0, False), done.stderr
