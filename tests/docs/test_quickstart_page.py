"""The quickstart's commands, run one after the other in a shell as they stand there."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from astraea.models import ModelError, pull
from tests.conftest import need

from .test_commands import TEXT

BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def script(page: str) -> str:
    """Its blocks, without those that are marked as not to be run."""
    return "".join(block for not_run, block in BLOCK.findall(TEXT[page]) if not not_run)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def end_session(session: int) -> None:
    """Kill what is left of the processes of a session."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                os.kill(int(entry.name), signal.SIGKILL)


def test_only_the_installation_is_not_run() -> None:
    left_out = [block for not_run, block in BLOCK.findall(TEXT["docs/quickstart.md"]) if not_run]
    assert len(left_out) == 1
    assert "pip install" in left_out[0]


def test_the_quickstart_runs(tmp_path: Path) -> None:
    need("curl", shutil.which("curl") is not None, "there is no curl")
    try:
        pull("plates")
    except ModelError as error:
        need("registry", present=False, reason=f"the plate model can't be had: {error}")
    broker, server = free_port(), free_port()
    commands = script("docs/quickstart.md").replace("8005", str(server)).replace("8600", str(broker))
    commands = commands.replace("astraea broker &", f"astraea broker --port {broker} &")
    commands = commands.replace("astraea camera", "astraea camera --port 0")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ASTRAEA_BROKER": f"http://127.0.0.1:{broker}",
        **{f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "STATE", "DATA")},
    }
    home = tmp_path / "first-hour"
    home.mkdir()
    with (tmp_path / "output").open("w+") as output:
        shell = subprocess.Popen(
            ["bash", "-m", "-e", "-x", "-c", commands],
            cwd=home,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(timeout=400)
        finally:
            for service in ("iris", "plates"):
                remove = [sys.executable, "-m", "astraea.deployer", "remove", service]
                subprocess.run(remove, env=environment, capture_output=True, check=False)
            end_session(shell.pid)
        output.seek(0)
        said = output.read()
    assert status == 0, said
    assert '{"output":["setosa","virginica"]}' in said
    assert "1.1.0" in said
    assert len(re.findall(r"^\d+ (?:device|edge)", said, re.MULTILINE)) == 20
