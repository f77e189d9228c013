"""Two edge nodes and a broker on this machine, set up with the `astraea` commands that a user would type."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from rich.console import Console

from astraea.protocol import Candidates

_ASTRAEA = [sys.executable, "-m", "astraea.deployer"]
_BROKER_START_S = 20
NODES = (("edge-xihu", "30.26,120.13"), ("edge-binjiang", "30.21,120.21"))
"""Name, and latitude and longitude: two districts of Hangzhou."""
DEVICE_LOCATION = (30.25, 120.17)
_REGION = "hangzhou"


class FleetError(Exception):
    """A command of the set-up failed; the message is what it said."""


class Fleet:
    """Runs one service of the zoo on every node for as long as the context lasts.

    Args:
        model: the zoo model to serve.
        console: each command is shown before it runs.
    """

    def __init__(self, model: str, console: Console) -> None:
        self.service = model
        self.broker_url = ""
        self._console = console
        self._home = tempfile.TemporaryDirectory(prefix="astraea-demo-")
        self._folder = Path(self._home.name) / model
        self._broker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._astraea("models", "pull", self.service)
            self.broker_url = self._start_broker()
            for name, place in NODES:
                self._astraea("node", "add", name, "--region", _REGION, "--at", place)
            self._astraea("init", str(self._folder), "--model", f"zoo:{self.service}")
            self._astraea("build", str(self._folder))
            self._astraea("deploy", str(self._folder))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def nearest_url(self) -> str:
        """The address of the instance that the broker ranks first for the device."""
        lat, lon = DEVICE_LOCATION
        url = f"{self.broker_url}/v1/services/{self.service}/candidates"
        reply = httpx.get(url, params={"lat": lat, "lon": lon}).raise_for_status()
        return str(Candidates.model_validate_json(reply.content).candidates[0].instance.url)

    def _stop(self) -> None:
        subprocess.run([*_ASTRAEA, "remove", self.service], env=self._environment(), capture_output=True, check=False)
        if self._broker is not None:
            self._broker.terminate()
            self._broker.wait()
        self._home.cleanup()

    def _astraea(self, *arguments: str) -> None:
        shown = [argument.replace(self._home.name + "/", "") for argument in arguments]
        self._console.print(f"[dim]$ astraea {' '.join(shown)}[/]")
        done = subprocess.run(
            [*_ASTRAEA, *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise FleetError(done.stderr.strip() or done.stdout.strip())

    def _start_broker(self) -> str:
        self._console.print("[dim]$ astraea broker &[/]")
        log = Path(self._home.name) / "broker.log"
        with log.open("w") as output:
            self._broker = subprocess.Popen(
                [*_ASTRAEA, "broker", "--port", "0"], env=self._environment(), stdout=output, stderr=output
            )
        deadline = time.monotonic() + _BROKER_START_S
        while time.monotonic() < deadline and self._broker.poll() is None:
            if found := re.search(r"http://[\w.]+:\d+", log.read_text()):
                return found[0]
            time.sleep(0.05)
        raise FleetError(f"the broker did not start: {log.read_text().strip()}")

    def _environment(self) -> dict[str, str]:
        """The user's own, but what the demo deploys is kept apart from what the user has deployed."""
        home = Path(self._home.name)
        return os.environ | {
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "ASTRAEA_BROKER": self.broker_url,
            "NO_COLOR": "1",
        }
