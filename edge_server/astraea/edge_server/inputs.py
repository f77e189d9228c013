"""What a handler's `predict` takes, and how the body of a request becomes it."""

import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import BadInputError, TooLargeError, UnsupportedTypeError
from .imageheader import read_image_header
from .limits import Limits

Image = Annotated[NDArray[np.uint8], "astraea.edge_server.Image"]
"""For a handler's annotation: an RGB image, uint8 H x W x 3, turned upright if its EXIF data says how it was held."""

_MAX_MEDIA_TYPE_CHARS = 80  # of an unsupported one that is repeated in the answer
# What clients send when nobody told them a type: curl's --data-binary says the second.
_UNSPECIFIC = ("application/octet-stream", "application/x-www-form-urlencoded")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")


class Input(NamedTuple):
    """A kind of input."""

    name: str
    """As it is written in the annotation."""
    media_types: tuple[str, ...]
    """The `Content-Type`s that are taken, besides none and those that say nothing; empty for all."""
    decode: Callable[[bytes, Limits], Any]
    """From a body to the input; raises a RequestError that says what is wrong with it."""

    def check_media_type(self, content_type: str) -> None:
        """Whether a body that says it is of this type is worth reading.

        Raises:
            UnsupportedTypeError: It is not; the message says what would have been.
        """
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type and self.media_types and media_type not in self.media_types + _UNSPECIFIC:
            raise UnsupportedTypeError(
                f"this service takes {_either(self.media_types)}, not {media_type[:_MAX_MEDIA_TYPE_CHARS]!r}"
            )


def decode_image(body: bytes, limits: Limits) -> NDArray[np.uint8]:
    """A JPEG, PNG or WebP image as RGB uint8 H x W x 3; what it is, its content says.

    EXIF orientation is applied, so that pixels, and boxes drawn on them, are where a viewer shows them.
    Grey images become RGB, transparency is dropped, 16 bits become 8.

    Raises:
        UnsupportedTypeError: It is no image of these kinds.
        TooLargeError: It has more pixels than `limits.image_px`; nothing was decoded.
        BadInputError: It is damaged or incomplete.
    """
    header = read_image_header(body)
    if header is None:
        raise UnsupportedTypeError(f"the body ({len(body)} bytes) is neither a JPEG nor a PNG nor a WebP image")
    media_type, width, height = header
    if width * height > limits.image_px:
        raise TooLargeError(
            f"the image has {width} x {height} = {width * height / 1e6:.1f} Mpx; "
            f"at most {limits.image_px / 1e6:.1f} Mpx are taken"
        )
    image = _imdecode(body) if width and height else None
    if image is None:
        raise BadInputError(f"the {media_type} image ({len(body)} bytes) is damaged or incomplete")
    return image


def _imdecode(body: bytes) -> NDArray[np.uint8] | None:
    try:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # how OpenCV refuses some headers
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _decode_text(body: bytes, _limits: Limits) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"the text is not UTF-8: byte {error.start}: {error.reason}") from None


def _decode_object(body: bytes, _limits: Limits) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadInputError(f"the body must be a JSON object, not {type(document).__name__}")
    return document


def _pass_bytes(body: bytes, _limits: Limits) -> bytes:
    return body


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


INPUTS: tuple[tuple[Any, Input], ...] = (
    (Image, Input("Image", _IMAGE_TYPES, decode_image)),
    (bytes, Input("bytes", (), _pass_bytes)),
    (dict, Input("dict", ("application/json",), _decode_object)),
    (str, Input("str", ("text/plain",), _decode_text)),
)
"""Each annotation of `predict`'s second parameter, and what it stands for."""
