"""Replacing instances one after the other costs a device nothing."""

import threading
from pathlib import Path

import httpx

from .conftest import Instance, Site, wait_until

HANDLER = "def predict(model, body: bytes):\n    return len(body)\n"


class Caller:
    """Asks, one request after the other, whom the broker names; another candidate only if one refuses."""

    def __init__(self, broker_url: str) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self.over = threading.Event()
        self._broker_url = broker_url
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def await_answers(self, count: int) -> None:
        enough = self.answered + count
        wait_until(lambda: self.answered >= enough, f"{count} more answers")

    def stop(self) -> None:
        self.over.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self.over.is_set():
                listed = client.get(f"{self._broker_url}/v1/services/counts/candidates").json()
                urls = [candidate["instance"]["url"].rstrip("/") for candidate in listed["candidates"]]
                outcomes: list[str] = []
                if not any(self._ask(client, url, outcomes) for url in urls):
                    self.failures.append(f"{urls}: {outcomes}")

    def _ask(self, client: httpx.Client, url: str, outcomes: list[str]) -> bool:
        try:
            response = client.post(f"{url}/predict", content=b"abc")
        except httpx.TransportError as error:
            outcomes.append(repr(error))
            return False
        outcomes.append(str(response.status_code))
        self.answered += response.status_code == 200
        return response.status_code == 200


def test_a_rolling_restart_fails_no_request(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "counts"
    folder.mkdir()
    (folder / "astraea.yaml").write_text("name: counts\nversion: 1.0.0\nhandler: handler.py\n")
    (folder / "handler.py").write_text(HANDLER)
    instances = [Instance(site, folder, f"node-{number}") for number in range(2)]
    try:
        for instance in instances:
            instance.await_listed()
        caller = Caller(site.broker_url)
        for number in range(2):
            replacement = Instance(site, folder, f"new-{number}")
            instances.append(replacement)
            replacement.await_listed()
            assert instances[number].stop() == 0
            caller.await_answers(20)
        caller.stop()
    finally:
        for instance in instances:
            instance.kill()
    assert caller.answered > 40
    assert caller.failures == []
