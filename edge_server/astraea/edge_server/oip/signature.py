"""The tensors of a service: what goes in and comes out of it, in the protocol's terms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError, TooLargeError
from ..inputs import decode_image
from ..limits import Limits
from ..runtimes import TensorSpec, datatype_of
from ..service import Service
from ..tensor_batch import Arrays
from ..tensor_model import check_names, check_tensors
from ..tensors import Tensor, decode_tensor
from .datatypes import BYTES

_ONE = TensorSpec("input", BYTES, (1,))
_ANY = TensorSpec("input", "FP64", (-1,))
_IMAGE = TensorSpec("image", "UINT8", (-1, -1, 3))
_IMAGE_FILE = TensorSpec("image", BYTES, (1,))
_PLATFORM = "astraea_handler"


@dataclass(frozen=True)
class Signature:
    """What a service looks like from outside, and how to get in and out."""

    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    take: Callable[[Arrays], Any]
    """From the tensors of a request to what `predict` takes; raises a RequestError if they don't fit."""
    give: Callable[[Any], Arrays]
    """From what `predict` returned to tensors."""


def signature_of(service: Service) -> Signature:
    """The tensors of a service."""
    model = service.tensors
    if model is not None:
        specs = model.inputs
        return Signature(model.platform, specs, model.outputs, lambda arrays: check_tensors(specs, arrays), dict)
    spec, take = _ways_in(service)
    outputs, give = _ways_out(service)
    return Signature(_PLATFORM, (spec,), (outputs,), take, give)


def _ways_in(service: Service) -> tuple[TensorSpec, Callable[[Arrays], Any]]:
    if service.input.decode is decode_image:
        return _IMAGE, lambda arrays: _image(arrays, service.limits)
    if service.input.decode is decode_tensor:
        return _ANY, _numbers
    return _ONE, lambda arrays: service.form.decode(_only(arrays, _ONE))


def _ways_out(service: Service) -> tuple[TensorSpec, Callable[[Any], Arrays]]:
    if service.output == Tensor:
        return TensorSpec("output", "FP64", (-1,)), lambda output: {"output": np.asarray(output)}
    return TensorSpec("output", BYTES, (1,)), lambda output: {"output": _element(service.form.encode(output))}


def _element(content: bytes) -> NDArray[Any]:
    array = np.empty(1, np.object_)
    array[0] = content
    return array


def _image(arrays: Arrays, limits: Limits) -> NDArray[np.uint8]:
    array = _named(arrays, _IMAGE)
    if datatype_of(array.dtype) == BYTES:
        return decode_image(_only(arrays, _IMAGE_FILE), limits)
    check_tensors([_IMAGE], arrays)
    height, width, _ = array.shape
    if not height or not width:
        raise BadInputError(f"input 'image' has no pixels: it has the shape {list(array.shape)}")
    if height * width > limits.image_px:
        raise TooLargeError(f"input 'image' has {height * width / 1e6:.1f} Mpx; {limits.image_px / 1e6:.1f} are taken")
    return array


def _numbers(arrays: Arrays) -> NDArray[Any]:
    array = _named(arrays, _ANY)
    if array.dtype.kind not in "biuf":
        raise BadInputError("input 'input' is BYTES; booleans and numbers are taken")
    return array


def _only(arrays: Arrays, spec: TensorSpec) -> bytes:
    check_tensors([spec], arrays)
    element = arrays[spec.name].item()
    assert isinstance(element, bytes)  # noqa: S101 - what BYTES are in a request
    return element


def _named(arrays: Arrays, spec: TensorSpec) -> NDArray[Any]:
    check_names([spec], arrays)
    return arrays[spec.name]
