"""Another version takes the place of the one that serves: no request is lost, and a failed load changes nothing."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edge_server.conftest import FakeBroker, Server, StartServer, WriteService, wait_until

KEY = "an-operators-key-of-32-characters"
HANDLER = """
    import time
    from pathlib import Path
    from helper import WORD
    FOLDER = Path(__file__).parent

    class Model:
        def __init__(self):
            with (FOLDER / "life").open("a") as life:
                life.write(f"{WORD} comes ")
        def __del__(self):
            with (FOLDER / "life").open("a") as life:
                life.write(f"{WORD} goes ")

    def load(model):
        time.sleep(0.3)
        return Model()
    def predict(model, text: str):
        return WORD
"""


@pytest.fixture
def folder(write_service: WriteService) -> Path:
    folder = write_service(HANDLER)
    write(folder, "1.2.3", "old")
    return folder


def write(folder: Path, version: str, word: str) -> None:
    """Another version of the service, whose answers are another word."""
    (folder / "helper.py").write_text(f"WORD = {word!r}\n")
    template = json.loads((folder / "astraea.yaml").read_text()) | {"version": version}
    (folder / "astraea.yaml").write_text(json.dumps(template))


class Steady:
    """Clients that ask without a pause; what they got."""

    def __init__(self, base_url: httpx.URL, clients: int = 3) -> None:
        self.replies: Counter[tuple[int, str]] = Counter()
        """By status and revision."""
        self.answers: set[tuple[str, str]] = set()
        """Revisions with what they answered."""
        self.failures: list[str] = []
        self.retry_after: set[str] = set()
        self._base_url = base_url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def count(self, status: int, revision: str = "") -> int:
        return self.replies[status, revision]

    def _ask(self) -> None:
        with httpx.Client(base_url=self._base_url, timeout=20) as client:
            while not self._over.is_set():
                try:
                    reply = client.post("/predict", content=b"x", headers={"authorization": f"Bearer {KEY}"})
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    continue
                revision = reply.headers.get("astraea-revision", "")
                self.replies[reply.status_code, revision] += 1
                if reply.status_code == 200:
                    self.answers.add((revision, reply.json()["output"]))
                else:
                    self.retry_after.add(reply.headers.get("retry-after", ""))
                    self._over.wait(0.01)

    @contextmanager
    def asking(self) -> Iterator["Steady"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def key_file(folder: Path) -> Path:
    path = folder.parent / "key"
    path.write_text(KEY)
    return path


def load(client: httpx.Client, body: Any = None, key: str = KEY) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return client.post("/v2/repository/models/sizes/load", json=body or {}, headers=headers)


def hang_up(server: Server) -> None:
    server.process.send_signal(signal.SIGHUP)


def test_a_new_version_takes_over_without_a_lost_request(
    start_server: StartServer, folder: Path, broker: FakeBroker
) -> None:
    broker.ttl_s = 300.0  # what it learns sooner isn't a heartbeat
    server = start_server(folder, "--broker", broker.url)
    with server.client() as client, Steady(client.base_url).asking() as steady:
        wait_until(lambda: steady.count(200, "1.2.3") > 20)
        write(folder, "2.0.0", "new")
        hang_up(server)
        wait_until(lambda: steady.count(200, "2.0.0") > 20)
        assert 'revision="2.0.0"' in client.get("/metrics").text
        assert client.get("/v2/models/sizes").json()["versions"] == ["2.0.0"]
        assert client.get("/").json()["revision"] == "2.0.0"
        wait_until(lambda: broker.requests[-1][2]["revision"] == "2.0.0")
        wait_until(lambda: "old goes" in (folder / "life").read_text())
    assert steady.failures == []
    assert {status for status, _ in steady.replies} == {200}
    assert steady.answers == {("1.2.3", "old"), ("2.0.0", "new")}
    assert (folder / "life").read_text().startswith("old comes new comes old goes")
    assert server.stop() == 0


def test_the_repository_api_loads_and_says_what(start_server: StartServer, folder: Path) -> None:
    server = start_server(folder, "--api-key-file", key_file(folder))
    authorized = {"authorization": f"Bearer {KEY}"}
    with server.client() as client, Steady(client.base_url).asking() as steady:
        wait_until(lambda: steady.count(200, "1.2.3") > 5)
        write(folder, "1.2.3", "same version")
        assert load(client).json() == {"name": "sizes", "version": "1.2.3-reload1"}
        write(folder, "1.3.0", "named")
        assert load(client, {"parameters": {"revision": "mine"}}).json() == {"name": "sizes", "version": "mine"}
        index = client.post("/v2/repository/index", headers=authorized).json()
        assert index == [{"name": "sizes", "version": "mine", "state": "READY", "reason": ""}]
        wait_until(lambda: steady.count(200, "mine") > 5)
    assert steady.failures == []
    assert {status for status, _ in steady.replies} == {200}


def test_a_load_needs_the_instances_own_key(start_server: StartServer, folder: Path) -> None:
    with start_server(folder).client() as client:
        refused = load(client)
        assert (refused.status_code, "SIGHUP" in refused.json()["error"]) == (403, True)
    with start_server(folder, "--api-key-file", key_file(folder)).client() as client:
        assert load(client, key="").status_code == 401
        assert load(client, key="a-device-token-of-the-brokers").status_code == 401
        assert load(client, {"parameters": {"config": "{}"}}).status_code == 400


@pytest.mark.parametrize("options", [(), ("--swap",)], ids=["beside", "swap"])
def test_a_failed_load_says_why_and_leaves_what_serves(
    start_server: StartServer, folder: Path, options: tuple[str, ...]
) -> None:
    # As operators do it: a link that leads to one version's folder after the other's.
    link, broken = folder.with_name("current"), folder.with_name("broken")
    link.symlink_to(folder)
    broken.mkdir()
    (broken / "astraea.yaml").write_text((folder / "astraea.yaml").read_text().replace("1.2.3", "2.0.0"))
    (broken / "handler.py").write_text(
        "def predict(model, text: str): ...\ndef load(model):\n    raise ValueError('no')"
    )
    server = start_server(link, "--api-key-file", key_file(folder), *options)
    with server.client() as client, Steady(client.base_url).asking() as steady:
        wait_until(lambda: steady.count(200, "1.2.3") > 5)
        os.replace(symlink(folder.with_name("next"), broken), link)  # noqa: PTH105 - as `ln -sfn` does
        refused = load(client)
        assert refused.status_code == 400
        assert "handler.py:3: load failed: ValueError: no" in refused.json()["error"]
        before = steady.count(200, "1.2.3")
        wait_until(lambda: steady.count(200, "1.2.3") > before + 5)
        assert "failed" in client.get("/metrics", headers={"authorization": f"Bearer {KEY}"}).text
    assert steady.failures == []
    assert steady.answers == {("1.2.3", "old")}
    assert {status for status, _ in steady.replies} == ({200, 503} if options else {200})


def symlink(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def test_a_swap_releases_the_old_model_before_the_new_one_comes(
    start_server: StartServer, folder: Path, broker: FakeBroker
) -> None:
    broker.ttl_s = 300.0
    server = start_server(folder, "--swap", "--broker", broker.url)
    with server.client() as client, Steady(client.base_url).asking() as steady:
        wait_until(lambda: steady.count(200, "1.2.3") > 5)
        write(folder, "2.0.0", "new")
        hang_up(server)
        wait_until(lambda: steady.count(200, "2.0.0") > 5)
    assert steady.failures == []
    assert steady.count(503) > 0
    assert {status for status, _ in steady.replies} == {200, 503}
    assert steady.retry_after == {"1"}
    assert (folder / "life").read_text().startswith("old comes old goes new comes")
    assert [method for method, *_ in broker.requests] == ["PUT", "DELETE", "PUT"]


def test_another_service_is_none_of_this_instances_versions(start_server: StartServer, folder: Path) -> None:
    server = start_server(folder)
    with server.client() as client:
        (folder / "astraea.yaml").write_text((folder / "astraea.yaml").read_text().replace("sizes", "faces"))
        hang_up(server)
        wait_until(lambda: "has the service 'faces' now" in server.log)
        assert client.post("/predict", content=b"x").status_code == 200


def test_a_developer_sees_each_change_and_each_mistake(start_server: StartServer, folder: Path) -> None:
    server = start_server(folder, "--reload")
    with server.client() as client:

        def answers(word: str) -> bool:
            return bool(client.post("/predict", content=b"x").json()["output"] == word)

        assert answers("old")
        (folder / "helper.py").write_text("WORD = 'new'\n")
        wait_until(lambda: answers("new"))
        (folder / "helper.py").write_text("WORD = \n")
        wait_until(lambda: "SyntaxError" in server.log)
        assert answers("new")
        (folder / "helper.py").write_text("WORD = 'mended'\n")
        wait_until(lambda: answers("mended"))
    assert server.stop() == 0


def test_a_developer_may_begin_with_a_mistake(start_server: StartServer, folder: Path) -> None:
    (folder / "helper.py").write_text("WORD = \n")
    server = start_server(folder, "--reload")
    wait_until(lambda: "will answer, when it can" in server.log)
    (folder / "helper.py").write_text("WORD == \n")
    wait_until(lambda: "and revision none answers" in server.log)
    (folder / "helper.py").write_text("WORD = 'mended'\n")
    address = re.search(r"at (http://.*?)/predict", server.log)
    assert address
    with httpx.Client(base_url=address[1]) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/predict", content=b"x").json() == {"output": "mended"}


def test_it_ends_with_its_terminal(folder: Path) -> None:
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "astraea.deployer", "serve", str(folder), "--port", "0"]
    log = folder.with_name("log")
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stdin=terminal, stdout=file, stderr=file, start_new_session=True) as process,
    ):
        try:
            os.close(terminal)
            wait_until(lambda: " answers at " in log.read_text())
            os.close(main)
            process.send_signal(signal.SIGHUP)  # as its shell does
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
