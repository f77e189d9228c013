"""What carries frames to a remote target and answers back, whichever way it does."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Problem, ServerTiming

from ..codec import Payload
from ..encoding import Encoding
from ..errors import RefusedError

MAX_REPLY_BYTES = 8 * 2**20
"""A reply is outside input too; a thousand detections with corners and text take about 300 kB."""
CONNECT_TIMEOUT_S = 1.0


class Credential:
    """What authorises this device at edge servers: a bearer token, which may be renewed at any time.

    Attributes:
        token: None where servers ask for none.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token

    def __repr__(self) -> str:
        return f"Credential({'...' if self.token else None})"

    @property
    def headers(self) -> dict[str, str]:
        """As a request says it."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


class Reply(NamedTuple):
    """What a remote target answered."""

    body: bytes
    server: ServerTiming
    elapsed_ms: float
    """The whole exchange, seen from the device."""
    instance: str | None = None
    revision: str | None = None

    @property
    def network_ms(self) -> float:
        """The exchange less the server's own time."""
        return max(0.0, self.elapsed_ms - self.server.total_ms)


class Transport(Protocol):
    """A way to one remote target. Both verbs raise TransportError; how long to wait is the caller's to say."""

    async def send(
        self, payload: bytes, media_type: str, *, deadline_ms: float | None = None, traceparent: str | None = None
    ) -> Reply:
        """Have a payload answered.

        Args:
            payload: what to send.
            media_type: what it is.
            deadline_ms: when the answer will be of no use any more, counted from now; the server may refuse at once.
            traceparent: the W3C trace context that the server is to continue.
        """

    async def probe(self, payload: bytes) -> Reply:
        """Send bytes that mean nothing, to time their way."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class PictureEncoder(Protocol):
    """A transport that compresses pictures in its own way, such as frames of a video; the others are given JPEGs."""

    def encode(self, image: NDArray[np.uint8], encoding: Encoding) -> Payload:
        """What to send for a picture, RGB uint8 H x W x 3; called in any thread, for each frame that is sent."""


@runtime_checkable
class VideoTransport(PictureEncoder, Protocol):
    """A transport that can carry frames as a video too, when it is told to have a connection for one."""

    @property
    def has_video(self) -> bool:
        """Whether frames encoded as a video can go now."""

    def want_video(self, wanted: bool) -> None:
        """Have a connection for a video soon, or do without; to be said again every now and then."""


def refusal(url: str, status: int, body: bytes) -> RefusedError:
    """What to raise for an answer that is none, in the words of its problem document."""
    try:
        problem = Problem.model_validate_json(body)
        reason = problem.detail or problem.title
    except ValueError:
        reason = "no reason given"
    return RefusedError(f"{url} answered {status}: {reason}")
