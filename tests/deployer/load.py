"""Requests to a service without a pause: as plain clients send them, and as devices with a model of their own do."""

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

import cv2
import httpx
import numpy as np

from astraea.device import OffloadClient
from astraea.protocol import Candidates, Detection

TEXT = (b"you", "text/plain")
PICTURE = np.full((48, 64, 3), 90, np.uint8)
JPEG = (cv2.imencode(".jpg", PICTURE)[1].tobytes(), "image/jpeg")

_FRAMES_OF_A_DEVICE = 8


class _Background(ABC):
    """Does something over and over from a thread of its own while the block lasts."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...


class Load(_Background):
    """Asks whom the broker names, each time anew; `answers`, `revisions` and `failures` tell how that went.

    Args:
        broker: its URL.
        service: what is asked.
        body: of each request, and its media type.
    """

    def __init__(self, broker: str, service: str = "hello", body: tuple[bytes, str] = TEXT) -> None:
        super().__init__()
        self._url = f"{broker}/v1/services/{service}/candidates"
        self._body, self._headers = body[0], {"content-type": body[1]}
        self.answers = 0
        self.revisions: set[str] = set()
        self.failures: list[str] = []

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not self._ended.wait(0.02):
                try:
                    self._ask(client)
                except (httpx.HTTPError, ValueError) as error:
                    self.failures.append(f"{type(error).__name__}: {error}")

    def _ask(self, client: httpx.Client) -> None:
        told = Candidates.model_validate_json(client.get(self._url).content)
        url = f"{told.candidates[0].instance.url}predict"
        headers = self._headers | {"authorization": f"Bearer {told.token}"}
        reply = client.post(url, content=self._body, headers=headers)
        if reply.is_success:
            self.answers += 1
            self.revisions.add(reply.headers["astraea-revision"])
        else:
            self.failures.append(f"{reply.status_code} {reply.text}")


class Devices(_Background):
    """Devices, one after the other, with the real client and a slow model of their own.

    Each is new to the broker, and so on a side of a canary of its own; `revisions` are those that answered a frame.
    """

    def __init__(self, broker: str, service: str = "hello") -> None:
        super().__init__()
        self._broker, self._service = broker, service
        self.frames = 0
        self.unanswered: list[str] = []
        self.revisions: set[str] = set()

    def _run(self) -> None:
        while not self._ended.is_set():
            with OffloadClient(self._service, local=_SlowModel(), broker=self._broker) as client:
                for _ in range(_FRAMES_OF_A_DEVICE):
                    result = client.infer(PICTURE)
                    self.frames += 1
                    self.revisions |= {result.revision} if result.revision else set()
                    self.unanswered += [result.failure] if result.failure else []


class _SlowModel:
    """What a device has of its own."""

    def detect(self, image: Any) -> list[Detection]:
        """Find nothing, for a long time."""
        time.sleep(0.2)
        return []
