"""What a handler's `predict` takes, and how the body of a request becomes it."""

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError

from .errors import BadInputError, TooLargeError, UnsupportedTypeError
from .imageheader import read_image_header
from .jsonbounds import check_json
from .limits import Limits
from .tensors import Tensor, decode_tensor

Image = Annotated[NDArray[np.uint8], "astraea.edge_server.Image"]
"""For a handler's annotation: an RGB image, uint8 H x W x 3, turned upright if its EXIF data says how it was held."""

_MAX_SHOWN_CHARS = 80  # of what is wrong in a request and repeated in the answer
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
    json_type: Any = None
    """The annotation, if the body is JSON that pydantic validates by it."""

    def check_media_type(self, content_type: str) -> None:
        """Whether a body that says it is of this type is worth reading.

        Raises:
            UnsupportedTypeError: It is not; the message says what would have been.
        """
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type and self.media_types and media_type not in self.media_types + _UNSPECIFIC:
            raise UnsupportedTypeError(
                f"this service takes {_either(self.media_types)}, not {media_type[:_MAX_SHOWN_CHARS]!r}"
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


def _pass_bytes(body: bytes, _limits: Limits) -> bytes:
    return body


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


INPUTS = (
    (Image, Input("Image", _IMAGE_TYPES, decode_image)),
    (Tensor, Input("Tensor", ("application/json",), decode_tensor)),
    (bytes, Input("bytes", (), _pass_bytes)),
    (str, Input("str", ("text/plain",), _decode_text)),
)
"""The annotations of `predict`'s second parameter that stand for themselves; the others are JSON."""


def input_of(annotation: Any) -> Input | None:
    """What an annotation of `predict`'s second parameter stands for; None if nothing here decodes it."""
    for known, input_ in INPUTS:
        if annotation == known:
            return input_
    is_dict = annotation is dict or typing.get_origin(annotation) is dict
    is_model = inspect.isclass(annotation) and issubclass(annotation, BaseModel)
    return _json_input(annotation, "dict" if is_dict else annotation.__name__) if is_dict or is_model else None


def _json_input(annotation: Any, name: str) -> Input:
    adapter = TypeAdapter[Any](annotation)

    def decode(body: bytes, limits: Limits) -> Any:
        check_json(body, limits)
        try:
            # Strict, as the described schema is: no `true` for a 1. Refuses what is nested deeper than 200 levels.
            return adapter.validate_json(body, strict=True)
        except ValidationError as error:
            raise BadInputError(explain(error)) from None

    return Input(name, ("application/json",), decode, annotation)


def explain(error: ValidationError) -> str:
    """The first thing that is wrong with a JSON body, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['msg']}"
    at = ".".join(map(str, first["loc"]))[:_MAX_SHOWN_CHARS]
    return f"the JSON body is not as it must be: {at + ': ' if at else ''}{first['msg']}"
