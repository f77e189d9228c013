"""What a target said of a frame, before it becomes a result."""

from typing import Any, NamedTuple

from pydantic_core import from_json

from astraea.protocol import Detection, Detections, ServerTiming, Tier

from .candidates import RemoteTarget
from .errors import CorruptError
from .transports import Reply


class Answer(NamedTuple):
    """The part of a Result that its target decides; see there for the fields."""

    tier: Tier | None
    detections: tuple[Detection, ...] | None
    output: Any = None
    bytes_sent: int = 0
    encode_ms: float | None = None
    network_ms: float | None = None
    server: ServerTiming | None = None
    instance: str | None = None
    revision: str | None = None
    hedged: bool = False
    fallback: str | None = None


NO_ANSWER = Answer(tier=None, detections=None)


def read_reply(reply: Reply, target: RemoteTarget, *, bytes_sent: int, encode_ms: float) -> Answer:
    """What a remote target answered: detections, or any other JSON document.

    Raises:
        CorruptError: it is no JSON, or says what detections can't be.
    """
    try:
        document = from_json(reply.body)
        detects = isinstance(document, dict) and "detections" in document
        detections = Detections.model_validate(document).detections if detects else None
    except ValueError as error:
        raise CorruptError(f"{target.name} sent no answer: {str(error).splitlines()[0]}") from None
    return Answer(
        tier=target.tier,
        detections=detections,
        output=None if detects else document,
        bytes_sent=bytes_sent,
        encode_ms=encode_ms,
        network_ms=reply.network_ms,
        server=reply.server,
        instance=reply.instance or target.name,
        revision=reply.revision,
    )
