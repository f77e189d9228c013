"""What an app on a device imports: every camera frame answered, on the device or at the edge."""

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location, Result

from .camera import Frame
from .candidates import BrokerClient, FixedCandidates
from .decision import Policy
from .encoding import DEFAULT_QUALITY, Encoding
from .engine import LocalEngine
from .events import Events, Listener
from .offload import Offloader
from .snapshot import Snapshot
from .targets import Targets
from .transports import HttpTransport, Transport

if TYPE_CHECKING:
    from astraea.models import Detector

_T = TypeVar("_T")

DEFAULT_BROKER = "http://127.0.0.1:8600"


class OffloadClient:
    """Answers frames of one service wherever that is sooner, decided frame by frame.

    Use it as a context manager, from any number of threads. Measuring goes on between frames, on its own thread.

    Args:
        service: the service's name, as the broker knows it.
        local: answers on the device: the name of a zoo model (`"plates"`), a model file, or any object with
            `detect(image)`. None for a device that can't; then an outage leaves frames unanswered, and they say so.
        broker: the broker's address; by default `ASTRAEA_BROKER` of the environment, else this machine.
        edges: addresses of edge servers, to do without a broker.
        location: (latitude, longitude) of the device in degrees, so that the broker can prefer what is near.
        quality: JPEG quality of frames sent, 1 to 100.
        transport: opens the way to an edge server's address.
        on_event: hears of every frame, switch and outage, on the client's own thread.

    Raises:
        ModelError: the local model is unknown or can't be read.
    """

    def __init__(
        self,
        service: str,
        *,
        local: "Detector | str | Path | None" = None,
        broker: str | None = None,
        edges: Sequence[str] = (),
        location: tuple[float, float] | None = None,
        quality: int = DEFAULT_QUALITY,
        transport: Callable[[str], Transport] = HttpTransport,
        on_event: Listener | None = None,
    ) -> None:
        self._service = service
        self._engine = LocalEngine(local) if local is not None else None
        events = Events(on_event)
        policy = Policy(local=self._engine is not None)
        source = FixedCandidates(*edges) if edges else _broker(broker, service, location)
        self._targets = Targets(source, policy, transport, events)
        self._offloader = Offloader(policy, self._targets, self._engine, encoding=Encoding(quality), events=events)
        self._in_flight = 0
        self._frames = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="astraea-client", daemon=True)

    def __enter__(self) -> Self:
        """Find the edge, and measure what can be measured before the first frame."""
        self._thread.start()
        self._run(self._offloader.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up what is under way and let go of connections and threads."""
        self._run(self._offloader.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._engine is not None:
            self._engine.close()

    def infer(self, frame: Frame | NDArray[np.uint8]) -> Result:
        """Answer one frame, or one RGB uint8 H x W x 3 image.

        Raises:
            DeviceError: the image has another shape or type. An outage raises nothing: see `Result.failure`.
        """
        if isinstance(frame, np.ndarray):
            frame = Frame(image=frame, seq=next(self._frames), captured_at=monotonic())
        return self._run(self._answer(frame))

    def snapshot(self) -> Snapshot:
        """What the client believes now of its targets, and what it has done so far."""
        return self._run(self._snapshot())

    def stream(self, frames: Iterable[Frame]) -> Iterator[Result]:
        """Answer a camera's frames one after the other, for as long as it delivers."""
        return map(self.infer, frames)

    async def _answer(self, frame: Frame) -> Result:
        self._in_flight += 1
        try:
            return await self._offloader.answer(frame)
        finally:
            self._in_flight -= 1

    async def _snapshot(self) -> Snapshot:
        return Snapshot(
            service=self._service,
            targets=self._offloader.target_states(),
            in_flight=self._in_flight,
            answered=self._offloader.answered,
            unanswered=self._offloader.unanswered,
            dropped=0,
            broker_failure=self._targets.broker_failure,
        )

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _broker(url: str | None, service: str, location: tuple[float, float] | None) -> BrokerClient:
    place = Location(lat=location[0], lon=location[1]) if location else None
    return BrokerClient(url or os.environ.get("ASTRAEA_BROKER", DEFAULT_BROKER), service, place)
