"""Requests to a service without a pause, as a device sends them: to whom the broker names."""

import threading
from types import TracebackType

import httpx

from astraea.protocol import Candidates

_TEXT = {"content-type": "text/plain"}


class Load:
    """Asks a service from a thread of its own while the block lasts; `answers` and `failures` tell how that went."""

    def __init__(self, broker: str, service: str = "hello") -> None:
        self._url = f"{broker}/v1/services/{service}/candidates"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)
        self.answers = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _ask_on(self) -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not self._ended.wait(0.02):
                try:
                    self._ask(client)
                except (httpx.HTTPError, ValueError) as error:
                    self.failures.append(f"{type(error).__name__}: {error}")

    def _ask(self, client: httpx.Client) -> None:
        candidates = Candidates.model_validate_json(client.get(self._url).content).candidates
        reply = client.post(f"{candidates[0].instance.url}predict", content="you", headers=_TEXT)
        if reply.is_success:
            self.answers += 1
        else:
            self.failures.append(f"{reply.status_code} {reply.text}")
