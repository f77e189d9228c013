"""How soon a bad canary is taken back, and what devices notice of it: `python -m benchmarks.canaries`.

A service runs as a process beside a broker, and gets new revisions by `astraea deploy --canary 50`: one as good as it
is, which must not be taken back, one that fails a fifth of its requests, one that takes three times as long. All the
while a plain client asks whoever the broker names, and devices, one after the other, have frames answered by
`OffloadClient` with a slow model of their own.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from astraea.device import OffloadClient
from astraea.protocol import Candidates, Detection

_ASTRAEA = [sys.executable, "-m", "astraea.deployer"]
_PICTURE = np.full((48, 64, 3), 90, np.uint8)
_FRAMES_OF_A_DEVICE = 8
_HANDLER = """
import itertools, time
from astraea.edge_server import Image
from astraea.protocol import Detection
calls = itertools.count()
def predict(model: None, image: Image) -> list[Detection]:
    time.sleep({seconds})
    {fault}
    return []
"""
_REVISIONS = {
    "as good": _HANDLER.format(seconds=0.0201, fault=""),
    "fails 20 %": _HANDLER.format(seconds=0.02, fault="assert next(calls) % 5 < 4"),
    "takes 3 x": _HANDLER.format(seconds=0.06, fault=""),
}


class Outcome(NamedTuple):
    """What became of a canary."""

    taken_back: bool
    watched_s: float
    """From its first share of devices until it was over."""
    failed_calls: int
    """Of the plain client's, which has nobody else to turn to."""
    calls: int
    unanswered_frames: int
    frames: int


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="astraea-bench-") as folder, _broker(Path(folder)) as url:
        _deploy(Path(folder), "0.1.0", _HANDLER.format(seconds=0.02, fault=""))
        outcomes = {
            name: _roll_out(Path(folder), url, f"1.{number}.0", handler, options.every)
            for number, (name, handler) in enumerate(_REVISIONS.items())
        }
        subprocess.run([*_ASTRAEA, "remove", "frames"], check=True, stdout=subprocess.DEVNULL)
    print(f"{'canary':12} {'taken back':>10} {'after':>8} {'failed calls':>15} {'unanswered frames':>18}")
    for name, (taken_back, watched_s, failed, calls, unanswered, frames) in outcomes.items():
        counts = f"{f'{failed} of {calls}':>15} {f'{unanswered} of {frames}':>18}"
        print(f"{name:12} {'yes' if taken_back else 'no':>10} {watched_s:6.1f} s {counts}")
    if options.json:
        options.json.write_text(json.dumps({name: outcome._asdict() for name, outcome in outcomes.items()}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=float, default=20.0, help="seconds of each step, at 50 and at 100 %%")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _broker(folder: Path) -> Iterator[str]:
    """A broker, which this process and its commands use, as they use folders of their own."""
    os.environ |= {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    command = [*_ASTRAEA, "broker", "--port", "0", "--lease-s", "2", "--store", str(folder / "broker.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = re.search(r"http://[0-9.:]+", process.stdout.readline() if process.stdout else "")
        if found is None:
            raise SystemExit("the broker did not start")
        os.environ["ASTRAEA_BROKER"] = found.group()
        try:
            yield found.group()
        finally:
            process.terminate()


def _deploy(folder: Path, version: str, handler: str, *options: str) -> bool:
    """Whether the new revision serves afterwards."""
    service = folder / "frames"
    service.mkdir(exist_ok=True)
    (service / "astraea.yaml").write_text(f"name: frames\nversion: {version}\nhandler: handler.py\n")
    (service / "handler.py").write_text(handler)
    done = subprocess.run([*_ASTRAEA, "deploy", str(service), *options], check=False, capture_output=True, text=True)
    if done.returncode and "was taken back" not in done.stderr:
        raise SystemExit(done.stderr)
    return done.returncode == 0


def _roll_out(folder: Path, url: str, version: str, handler: str, every_s: float) -> Outcome:
    load = _Load(url)
    with load.running():
        promoted = _deploy(folder, version, handler, "--canary", "50", "--every", f"{every_s:g}s")
    watched_s = time.monotonic() - (load.shared_at or time.monotonic())
    return Outcome(not promoted, watched_s, load.failed, load.calls, load.unanswered, load.frames)


class _Load:
    """A plain client and devices, each on a thread, and one that sees when the canary gets its first share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self.calls = self.failed = self.frames = self.unanswered = 0
        self.shared_at: float | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=run) for run in (self._ask, self._offload, self._watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _ask(self) -> None:
        jpeg = cv2.imencode(".jpg", _PICTURE)[1].tobytes()
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not self._ended.wait(0.02):
                offer = Candidates.model_validate_json(client.get(f"{self._url}/v1/services/frames/candidates").content)
                url = f"{offer.candidates[0].instance.url}predict"
                reply = client.post(url, content=jpeg, headers={"content-type": "image/jpeg"})
                self.calls += 1
                self.failed += not reply.is_success

    def _offload(self) -> None:
        while not self._ended.is_set():
            with OffloadClient("frames", local=_SlowModel(), broker=self._url) as client:
                for _ in range(_FRAMES_OF_A_DEVICE):
                    self.frames += 1
                    self.unanswered += not client.infer(_PICTURE).answered

    def _watch(self) -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while self.shared_at is None and not self._ended.wait(0.05):
                weights: dict[str, Any] = client.get(f"{self._url}/v1/services/frames/sharing").json()["weights"]
                if weights and next(iter(weights.values())) > 0:
                    self.shared_at = time.monotonic()


class _SlowModel:
    """What a device has of its own."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:  # noqa: ARG002 - it finds nothing anyway
        time.sleep(0.2)
        return []


if __name__ == "__main__":
    main()
