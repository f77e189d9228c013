"""What an app on a device imports: every camera frame answered, on the device or at the edge."""

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Location, Result

from .answering import Offloader, Targets
from .camera import Frame
from .candidates import CandidateSource, FixedCandidates
from .codec import check_picture
from .decision import ConfidenceGate, MotionGate, Objective, Policy
from .engine import LocalEngine
from .errors import DeviceError
from .events import Events, FrameDropped, Listener
from .loopthread import LoopThread
from .profile import Profile, read_profile
from .snapshot import Snapshot
from .streaming import Late, Outcome, Pipeline, Stream
from .tracking import Tracker
from .transports import Credential, Transport, TransportName, transport_named

if TYPE_CHECKING:
    from astraea.models import Detector

_log = logging.getLogger(__name__)

DEFAULT_BROKER = "http://127.0.0.1:8600"
DEFAULT_IN_FLIGHT = 4
"""Keeps a link full whose round trip is three times as long as what it carries a frame in."""
_MOST_IN_FLIGHT = 64

Picture = Frame | NDArray[np.uint8]
"""A camera's frame, or an RGB uint8 H x W x 3 image taken just now."""


class OffloadClient:
    """Answers frames of one service wherever that is sooner, decided frame by frame.

    Use it as a context manager, `with` or `async with`, from any number of threads and event loops: it has a thread of
    its own, on which measuring goes on between frames.

    Args:
        service: the service's name, as the broker knows it.
        local: answers on the device: the name of a zoo model (`"plates"`), a model file, or any object with
            `detect(image)`. It may be a smaller model than the service's. None for a device that can't; then an outage
            leaves frames unanswered, and they say so.
        broker: the broker's address; by default `ASTRAEA_BROKER` of the environment, else this machine.
        edges: addresses of edge servers, to do without a broker.
        clouds: the same of servers that results and decisions are to count as cloud.
        token: what edge servers are told to let the device in, where the broker gives it no token for that.
        location: (latitude, longitude) of the device in degrees, so that the broker can prefer what is near.
        objective: what decisions serve: the soonest answer, or within a deadline the most accurate, the least energy,
            the least money.
        profile: what was measured with `astraea profile`, or its file: the encodings that a frame may be sent in, with
            what each takes and how accurate the answers are. Without one, frames are sent as they are, at quality 85.
        motion: answers a frame in which nothing has moved with the last answer; None looks at every frame.
        confidence: has the device answer every frame, and a remote target look again at those that it finds hard, when
            that can be in time. It needs a deadline, and a profile that says how accurate the device's model is.
        in_flight: how many frames `stream` and `submit` have under way at once, 1 to 64.
        late: what becomes of an answer that a newer one has overtaken: `"wait"` keeps all in order, `"drop"` leaves
            it out, `"stale"` gives it as it comes and marks it.
        transport: what carries frames: `"websocket"`; `"http"`; `"webrtc"`, which sends them as one video while that
            can be; `"auto"` for the first where the server offers it, else the second, and the third for as long as a
            narrow link makes it the sooner one; or what opens the way to an edge server's address.
        on_event: hears of every frame, switch and outage, on the client's own thread.

    Raises:
        ModelError: the local model is unknown or can't be read.
        DeviceError: an option is out of its range, or the profile can't be read.
        MissingExtraError: WebRTC is asked for, and what it needs isn't installed.
    """

    def __init__(
        self,
        service: str,
        *,
        local: "Detector | str | Path | None" = None,
        broker: str | None = None,
        edges: Sequence[str] = (),
        clouds: Sequence[str] = (),
        token: str | None = None,
        location: tuple[float, float] | None = None,
        objective: Objective | None = None,
        profile: Profile | Path | str | None = None,
        motion: MotionGate | None = None,
        confidence: ConfidenceGate | None = None,
        in_flight: int = DEFAULT_IN_FLIGHT,
        late: Late = "wait",
        transport: TransportName | Callable[[str], Transport] = "auto",
        on_event: Listener | None = None,
    ) -> None:
        if not 1 <= in_flight <= _MOST_IN_FLIGHT:
            raise DeviceError(f"in_flight must be 1 to {_MOST_IN_FLIGHT}, not {in_flight}")
        self._service = service
        self._engine = LocalEngine(local) if local is not None else None
        self._events = Events(*filter(None, [on_event]))
        measured = profile if isinstance(profile, Profile | None) else read_profile(Path(profile))
        policy = Policy(local=self._engine is not None, objective=objective, profile=measured)
        credential = Credential(token)
        source = FixedCandidates(edges, clouds) if edges or clouds else _broker(broker, service, location, credential)
        connect = transport_named(transport, credential) if isinstance(transport, str) else transport
        self._targets = Targets(source, policy, connect, self._events)
        self._offloader = Offloader(
            policy, self._targets, self._engine, self._events, motion=motion, confidence=confidence
        )
        self._in_flight = in_flight
        self._late = late
        self._submitted = Pipeline(self._offloader.answer, in_flight=in_flight, late=late, on_drop=self._drop)
        self._streams = WeakSet[Stream]()
        self._dropped = 0
        self._frames = itertools.count()
        self._thread = LoopThread("astraea-client")

    def __enter__(self) -> Self:
        """Find the edge, and measure what can be measured before the first frame.

        Raises:
            LocalModelError: the local model fails of any picture.
        """
        self._thread.start()
        try:
            self._thread.run(self._offloader.start()).result()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up what is under way, end the streams, and let go of connections and threads."""
        for stream in list(self._streams):
            stream.close()
        self._thread.run(self._offloader.close()).result()
        self._thread.stop()
        if self._engine is not None:
            self._engine.close()

    async def __aenter__(self) -> Self:
        """As `with`, without holding up the event loop."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `with`, without holding up the event loop."""
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def infer(self, picture: Picture) -> Result:
        """Answer one frame.

        Raises:
            DeviceError: it is no picture, or the client is not open. An outage raises nothing: see `Result.failure`.
        """
        return self._thread.run(self._offloader.answer(self._frame(picture))).result()

    async def infer_async(self, picture: Picture) -> Result:
        """As `infer`, on any event loop."""
        return await asyncio.wrap_future(self._thread.run(self._offloader.answer(self._frame(picture))))

    def submit(self, picture: Picture, on_result: Callable[[Result], None]) -> None:
        """Hand over a frame and go on; for sources that call an app with frames.

        `on_result` is called on the client's own thread, so it should be quick. It is not called for a frame that
        still waits for its turn when the next one is handed over, nor for a late answer with `late="drop"`.

        Raises:
            DeviceError: it is no picture, or the client is not open.
        """
        frame = self._frame(picture)
        check_picture(frame.image)
        self._thread.call(self._submitted.offer, frame, partial(_hand_over, on_result))

    def stream(self, frames: Iterable[Frame], *, track: bool = False) -> Stream:
        """Answer a camera's frames for as long as it delivers: `for` or `async for` over what this returns.

        Several frames are under way at once, and results come in the order that `late` asks for. Of a live camera,
        frames that there is no time for are left out; of a video file or a folder, none.

        Args:
            frames: a camera, or anything that gives frames.
            track: carry what was found to the newest frame read by the time that a result is given, by optical flow:
                `Result.carried_to` is its number, `Stream.frame` the frame to draw it on.
        """
        stream = Stream(
            frames,
            self._offloader.answer,
            self._thread,
            in_flight=self._in_flight,
            late=self._late,
            tracker=Tracker() if track else None,
        )
        self._streams.add(stream)
        return stream

    def move(self, latitude: float, longitude: float) -> None:
        """Tell where the device is now, in degrees; other instances may be nearer there.

        Raises:
            DeviceError: there is no such place, or the client is not open.
        """
        self._thread.run(self._targets.move(_place(latitude, longitude))).result()

    def listen(self, listener: Listener) -> None:
        """Have another one hear of every event, on the client's own thread."""
        self._events.add(listener)

    def snapshot(self) -> Snapshot:
        """What the client believes now of its targets, and what it has done so far."""
        return self._thread.run(self._snapshot()).result()

    def _frame(self, picture: Picture) -> Frame:
        if isinstance(picture, Frame):
            return picture
        return Frame(image=picture, seq=next(self._frames), captured_at=monotonic())

    def _drop(self, frame: Frame) -> None:
        self._dropped += 1
        self._events.emit(FrameDropped(frame.seq, frame.trace_id))

    async def _snapshot(self) -> Snapshot:
        return Snapshot(
            service=self._service,
            targets=self._offloader.target_states(),
            in_flight=self._offloader.in_flight,
            answered=self._offloader.answered,
            unanswered=self._offloader.unanswered,
            dropped=self._dropped,
            broker_failure=self._targets.broker_failure,
        )


def _hand_over(on_result: Callable[[Result], None], outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        _log.error("a frame that was submitted has no result", exc_info=outcome)
        return
    try:
        on_result(outcome)
    except Exception:  # noqa: BLE001 - whatever an app does must not cost it frames
        _log.exception("a callback failed of the result of frame %d", outcome.seq)


def _broker(
    url: str | None, service: str, location: tuple[float, float] | None, credential: Credential
) -> CandidateSource:
    # Their HTTP takes a quarter of the time of all imports.
    from .candidates.broker import BrokerClient  # noqa: PLC0415
    from .candidates.enrolment import stored_key  # noqa: PLC0415

    url = url or os.environ.get("ASTRAEA_BROKER", DEFAULT_BROKER)
    place = _place(*location) if location else None
    return BrokerClient(url, service, place, credential, stored_key(url))


def _place(latitude: float, longitude: float) -> Location:
    try:
        return Location(lat=latitude, lon=longitude)
    except ValueError:
        raise DeviceError(
            f"({latitude}, {longitude}) is no place: latitude is -90 to 90 degrees, longitude -180 to 180"
        ) from None
