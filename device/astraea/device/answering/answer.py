"""What a target said of a frame, before it becomes a result."""

from typing import Any, NamedTuple

from pydantic_core import from_json

from astraea.protocol import Detection, Detections, SentImage, ServerTiming, Tier

from ..encoding import Size
from ..errors import CorruptError
from .targets import Exchange


class Answer(NamedTuple):
    """The part of a Result that its target decides; see there for the fields."""

    tier: Tier | None
    detections: tuple[Detection, ...] | None
    output: Any = None
    sent_as: SentImage | None = None
    bytes_sent: int = 0
    encode_ms: float | None = None
    network_ms: float | None = None
    server: ServerTiming | None = None
    instance: str | None = None
    revision: str | None = None
    hedged: bool = False
    fallback: str | None = None
    doubt: str | None = None


NO_ANSWER = Answer(tier=None, detections=None)


def read_reply(exchange: Exchange, original: Size, *, encode_ms: float) -> Answer:
    """What a remote target answered: detections, or any other JSON document.

    Args:
        exchange: with its reply.
        original: the size of the frame's picture; boxes are scaled to it.
        encode_ms: what compressing it took.

    Raises:
        CorruptError: it is no JSON, or says what detections can't be.
    """
    reply, target = exchange.reply, exchange.target
    try:
        document = from_json(reply.body)
        detects = isinstance(document, dict) and "detections" in document
        detections = Detections.model_validate(document).detections if detects else None
    except ValueError as error:
        raise CorruptError(f"{target.name} sent no answer: {str(error).splitlines()[0]}") from None
    sent = exchange.encoding.size(original)
    if detections and sent != original:
        x_scale, y_scale = original.width / sent.width, original.height / sent.height
        detections = tuple(found.scaled(x_scale, y_scale) for found in detections)
    return Answer(
        tier=target.tier,
        detections=detections,
        output=None if detects else document,
        sent_as=SentImage(sent.width, sent.height, exchange.encoding.quality, exchange.encoding.video),
        bytes_sent=exchange.size_bytes,
        encode_ms=encode_ms,
        network_ms=reply.network_ms,
        server=reply.server,
        instance=reply.instance or target.name,
        revision=reply.revision,
    )
