"""Every example of a service, with its own framework, made and served as its README says."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from astraea.protocol import Candidates, Detections, load_service_spec
from tests.conftest import need
from tests.edge_server.conftest import encode, started, wait_until

ASTRAEA = [sys.executable, "-m", "astraea.deployer"]
SERVICES = Path(__file__).resolve().parents[2] / "demos" / "services"
EXAMPLES = sorted(path.parent.name for path in SERVICES.glob("*/astraea.yaml"))

Serve = Callable[[Path], httpx.Client]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Run `astraea serve` on a folder; a client of it."""
    with ExitStack() as stack:

        def start(folder: Path) -> httpx.Client:
            server = stack.enter_context(started(tmp_path / "server.log", folder, "--port", 0))
            # TensorFlow takes 10 s to import where other tests run beside it.
            wait_until(lambda: " answers at " in server.log or server.process.poll() is not None, seconds=120)
            return stack.enter_context(server.client())

        yield start


@pytest.fixture(scope="module")
def running_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("broker")
    command = [*ASTRAEA, "broker", "--port", "0", "--store", str(folder / "broker.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert url is not None
        yield url.group()
        process.terminate()


@pytest.fixture
def deploy(running_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Run `astraea deploy` on a folder, which builds its image first; a client of whom the broker names then."""
    monkeypatch.setenv("ASTRAEA_BROKER", running_broker)
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    with ExitStack() as stack:

        def run(folder: Path) -> httpx.Client:
            name = load_service_spec(folder).name
            # If it is killed in the middle, there may be something to remove as well.
            stack.callback(subprocess.run, [*ASTRAEA, "remove", name], check=False, capture_output=True, timeout=60)
            done = subprocess.run(
                [*ASTRAEA, "deploy", folder], check=False, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            asked = httpx.get(f"{running_broker}/v1/services/{name}/candidates", trust_env=False).raise_for_status()
            url = Candidates.model_validate_json(asked.content).candidates[0].instance.url
            return stack.enter_context(httpx.Client(base_url=str(url), timeout=60, trust_env=False))

        yield run


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example, without what may have been made in its folder."""

    def make(name: str) -> Path:
        ignored = shutil.ignore_patterns("digits.*", "__pycache__")
        return Path(shutil.copytree(SERVICES / name, tmp_path / name, ignore=ignored))

    return make


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_template_has_at_most_8_lines_and_a_handler(name: str) -> None:
    lines = (SERVICES / name / "astraea.yaml").read_text().splitlines()
    assert len(lines) <= 8
    template = yaml.safe_load("\n".join(lines))
    assert (SERVICES / name / template["handler"]).is_file()
    assert f"[`{name}`]({name})" in (SERVICES / "README.md").read_text()


def test_no_two_examples_want_one_port() -> None:
    ports = [yaml.safe_load((SERVICES / name / "astraea.yaml").read_text())["port"] for name in EXAMPLES]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize(
    ("name", "framework", "package"),
    [
        ("digits_sklearn", "sklearn", "sklearn"),
        ("digits_torch", "torch", "torch"),
        ("digits_keras", "tensorflow", "keras"),
    ],
)
def test_digits_are_read(copy: Callable[[str], Path], deploy: Serve, name: str, framework: str, package: str) -> None:
    need(framework, find_spec(package) is not None, f"{package} is not installed: pip install 'astraea[{framework}]'")
    folder = copy(name)
    made = subprocess.run([sys.executable, folder / "make_model.py"], check=True, capture_output=True, timeout=300)
    assert b"of 450 held-out digits are read right" in made.stdout
    images, digits = _held_out()
    client = deploy(folder)
    answers = [client.post("/predict", content=image).json()["digit"] for image in images]
    assert np.mean(np.array(answers) == digits) > 0.95


def _held_out() -> tuple[list[bytes], Any]:
    """Digits that the example's models haven't seen, as PNG files of eight times their size, and what they are."""
    bunch = load_digits()
    _, images, _, digits = train_test_split(bunch.images, bunch.target, test_size=0.25, random_state=0)
    grey = (images[:100] * (255 / 16)).round().astype(np.uint8)
    large = grey.repeat(8, axis=1).repeat(8, axis=2)
    return [encode(np.stack([image] * 3, axis=2), ".png") for image in large], digits[:100]


@pytest.mark.parametrize("network", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"])
def test_objects_are_found_by_a_network_of_darknets_two_files(
    copy: Callable[[str], Path], serve: Serve, shared_data: Path, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    folder, darknet = copy("objects"), shared_data / "darknet"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    for suffix in (".cfg", ".weights"):
        shutil.copyfile(darknet / f"{network}{suffix}", folder / f"mine{suffix}")
    shutil.copyfile(darknet / "coco.names", folder / "mine.names")
    template = yaml.safe_load((folder / "astraea.yaml").read_text()) | {"model": "mine.cfg"}
    (folder / "astraea.yaml").write_text(json.dumps(template))
    reply = serve(folder).post("/predict", content=(darknet / "dog.jpg").read_bytes())
    assert "dog" in {found.label for found in Detections.model_validate_json(reply.content).detections}


def test_objects_are_found_by_the_zoo_model_of_the_template(
    deploy: Serve, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(shared_data / "darknet"))
    client = deploy(SERVICES / "objects")
    assert client.get("/", headers={"accept": "application/json"}).json()["runtime"].startswith("onnxruntime ")
    reply = client.post("/predict", content=(shared_data / "darknet" / "horses.jpg").read_bytes())
    assert "horse" in {found.label for found in Detections.model_validate_json(reply.content).detections}


def test_plates_are_looked_for(deploy: Serve) -> None:
    reply = deploy(SERVICES / "plates").post("/predict", content=encode(np.full((48, 64, 3), 128, np.uint8)))
    assert reply.json() == {"detections": []}


def test_a_handler_needs_no_model(deploy: Serve) -> None:
    client = deploy(SERVICES / "brightness")
    for grey, dark in ((20, True), (230, False)):
        answer = client.post("/predict", content=encode(np.full((48, 64, 3), grey, np.uint8))).json()
        assert answer == {"brightness": pytest.approx(grey / 255, abs=0.01), "dark": dark}
