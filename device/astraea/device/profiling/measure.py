"""Sending images to an edge in every encoding, and answering them on the device: what it takes, what it is worth."""

from collections.abc import Callable, Sequence
from statistics import fmean, median
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from astraea.models.accuracy import mean_average_precision
from astraea.models.photos import Photo
from astraea.protocol import Box, Detection, Detections

from ..codec import JPEG_MEDIA_TYPE, encode
from ..encoding import Encoding, Size
from ..engine import LocalEngine
from ..errors import ProfileError
from ..profile import Profile, Rung
from ..transports import Transport

_PNG_MEDIA_TYPE = "image/png"
_WARM_UPS = 3
_PROBES = 9


class Measured(NamedTuple):
    """What came out."""

    profile: Profile
    against_labels: bool
    """Whether accuracy is mAP@0.5 against labels; otherwise it is that against the answers to lossless images."""


class _Exchange(NamedTuple):
    found: list[Detection]
    size_bytes: int
    encode_ms: float
    server_ms: float


class Profiler:
    """Measures one service on one edge, and one device.

    Args:
        transport: the way to the edge.
        engine: the device's own model, if it has one.
        on_progress: told after each image in each encoding.
    """

    def __init__(
        self, transport: Transport, engine: LocalEngine | None, *, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        self._transport = transport
        self._engine = engine
        self._on_progress = on_progress

    async def measure(self, photos: Sequence[Photo], encodings: Sequence[Encoding]) -> Measured:
        """Measure them all.

        Args:
            photos: at least one; all with labels or none.
            encodings: at least one.

        Raises:
            ProfileError: the service's answers are no detections.
            TransportError: the edge does not answer.
        """
        labelled = photos[0].truth is not None
        for _ in range(_WARM_UPS):
            await self._ask(photos[0].image, encodings[0])
        truth = [photo.truth or () if labelled else await self._lossless(photo.image) for photo in photos]
        rungs = [await self._rung(photos, truth, encoding) for encoding in encodings]
        full = max(rungs, key=lambda rung: rung.bytes)
        size = _median_size(photos)
        profile = Profile(
            edge_ms=full.edge_ms,
            encode_ms=full.encode_ms,
            frame_bytes=full.bytes,
            rtt_ms=await self._rtt_ms(),
            width=size.width,
            height=size.height,
            rungs=tuple(rungs),
        )
        if self._engine is not None:
            profile = profile.model_copy(update=await self._local(self._engine, photos, truth))
        return Measured(profile, labelled)

    async def _rung(self, photos: Sequence[Photo], truth: Sequence[Sequence[Detection]], encoding: Encoding) -> Rung:
        exchanges, local_ms = [], []
        for photo in photos:
            exchanges.append(await self._ask(photo.image, encoding))
            if self._engine is not None:
                local_ms.append((await self._engine.infer(_scaled(photo.image, encoding)))[1])
            self._on_progress()
        return Rung(
            max_side=encoding.max_side,
            quality=encoding.quality,
            bytes=round(fmean(exchange.size_bytes for exchange in exchanges)),
            encode_ms=_rounded(median(exchange.encode_ms for exchange in exchanges)),
            edge_ms=_rounded(median(exchange.server_ms for exchange in exchanges)),
            local_ms=_rounded(median(local_ms)) if local_ms else None,
            accuracy=round(mean_average_precision(truth, [exchange.found for exchange in exchanges]), 4),
        )

    async def _local(
        self, engine: LocalEngine, photos: Sequence[Photo], truth: Sequence[Sequence[Detection]]
    ) -> dict[str, float]:
        answers = [await engine.infer(photo.image) for photo in photos]
        return {
            "local_ms": _rounded(median(ms for _, ms in answers)),
            "local_accuracy": round(mean_average_precision(truth, [found for found, _ in answers]), 4),
        }

    async def _ask(self, image: NDArray[np.uint8], encoding: Encoding) -> _Exchange:
        start = perf_counter()
        payload = encode(image, encoding)
        encode_ms = (perf_counter() - start) * 1000
        reply = await self._transport.send(payload, JPEG_MEDIA_TYPE)
        original = Size(*image.shape[1::-1])
        found = [_enlarged(one, original, encoding.size(original)) for one in _detections(reply.body)]
        return _Exchange(found, len(payload), encode_ms, reply.server.total_ms)

    async def _lossless(self, image: NDArray[np.uint8]) -> Sequence[Detection]:
        _, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return _detections((await self._transport.send(png.tobytes(), _PNG_MEDIA_TYPE)).body)

    async def _rtt_ms(self) -> float:
        return _rounded(median([(await self._transport.probe(b"")).network_ms for _ in range(_PROBES)]))


def _detections(body: bytes) -> tuple[Detection, ...]:
    try:
        return Detections.model_validate_json(body).detections
    except ValueError as error:
        raise ProfileError(
            f"the service's answer is no list of detections: {str(error).splitlines()[0]}",
            hint="only the accuracy of detections can be measured",
        ) from None


def _scaled(image: NDArray[np.uint8], encoding: Encoding) -> NDArray[np.uint8]:
    size = encoding.size(Size(*image.shape[1::-1]))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(thing: Detection, original: Size, sent: Size) -> Detection:
    """Where a thing is in the original image."""
    across, down = original.width / sent.width, original.height / sent.height
    x1, y1, x2, y2 = thing.box
    return thing.model_copy(update={"box": Box(x1 * across, y1 * down, x2 * across, y2 * down), "corners": None})


def _rounded(ms: float) -> float:
    return round(ms, 3)


def _median_size(photos: Sequence[Photo]) -> Size:
    """Of the images."""
    ordered = sorted((Size(*photo.image.shape[1::-1]) for photo in photos), key=lambda size: size.pixels)
    return ordered[len(ordered) // 2]
