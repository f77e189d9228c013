"""A handler's `Tensor`: an array from JSON's nested lists or from an .npy file.

The .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import io
import math
from typing import Annotated, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError

from .errors import BadInputError
from .jsonbounds import check_json
from .limits import Limits

Tensor = Annotated[NDArray[Any], "astraea.edge_server.Tensor"]
"""For a handler's annotation: an array of booleans or numbers, of any shape; JSON's are bool, int64 or float64."""

_Nested = TypeAdapter(JsonValue)
_NPY_MAGIC = b"\x93NUMPY"
_NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_KINDS = "biuf"
_MAX_DIMENSIONS = 32


def decode_tensor(body: bytes, limits: Limits) -> NDArray[Any]:
    """An array from the content of an .npy file, or from JSON; what it is, its content says.

    Raises:
        BadInputError: It is neither, or its elements are no numbers.
        TooLargeError: It is JSON with too many of them.
    """
    if body.startswith(_NPY_MAGIC):
        return _from_npy(body)
    check_json(body, limits)
    return _from_json(body)


def _from_npy(body: bytes) -> NDArray[Any]:
    """Unlike `numpy.load`, never more memory than the body has, whatever shape its header claims."""
    file = io.BytesIO(body)
    try:
        shape, fortran_order, dtype = _NPY_HEADERS[npy.read_magic(file)](file)
    except Exception as error:  # numpy evaluates the header as a Python literal, which raises anything
        raise BadInputError("the header of the .npy file is damaged, or of a version other than 1.0 or 2.0") from error
    if dtype.kind not in _KINDS:
        raise BadInputError(f"the .npy file has elements of type {str(dtype)[:40]}; booleans and numbers are taken")
    found, needed = len(body) - file.tell(), math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or found != needed:
        raise BadInputError(f"the .npy file has {found} bytes of data, and its shape {_shown(shape)} needs {needed}")
    flat = np.frombuffer(body, dtype, offset=file.tell()).astype(dtype.newbyteorder("="))  # a copy: may be written to
    return _reshaped(flat, shape, "F" if fortran_order else "C")


def _from_json(body: bytes) -> NDArray[Any]:
    try:
        document = _Nested.validate_json(body)
    except ValidationError as error:
        raise BadInputError(f"the body is neither JSON nor an .npy file: {error.errors()[0]['msg']}") from None
    flat, shape = flatten(document)
    kinds = set(map(type, flat))
    if not (kinds <= {int, float} or kinds == {bool}):
        raise BadInputError("the elements of a tensor must be numbers, or all of them booleans")
    try:
        array = np.array(flat, np.int64 if kinds == {int} else bool if kinds == {bool} else np.float64)
    except OverflowError:
        raise BadInputError("a number in the tensor doesn't fit 64 bits") from None
    return _reshaped(array, shape, "C")


def flatten(document: Any) -> tuple[list[Any], tuple[int, ...]]:
    """The elements of nested lists in row-major order, and their shape; what is no list has the shape ().

    Memory grows with the elements only, where numpy's own conversion of texts and of ragged lists has no bound.

    Raises:
        BadInputError: Lists of one level differ in length, or lie beside something else.
    """
    level, shape = [document], list[int]()
    while level and isinstance(level[0], list):
        length = len(level[0])
        if len(shape) == _MAX_DIMENSIONS:
            raise BadInputError(f"a tensor has at most {_MAX_DIMENSIONS} dimensions")
        if any(not isinstance(item, list) or len(item) != length for item in level):
            raise BadInputError(f"the tensor's lists at depth {len(shape)} are not all of the same length")
        shape.append(length)
        level = [element for item in level for element in item]
    if any(isinstance(item, list) for item in level):
        raise BadInputError(f"the tensor has lists beside elements at depth {len(shape)}")
    return level, tuple(shape)


def _reshaped(flat: NDArray[Any], shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    try:
        return flat.reshape(shape, order=order)
    except ValueError as error:  # of no elements, but of lengths that numpy can't count
        raise BadInputError(f"a tensor can't have the shape {_shown(shape)}: {error}") from None


def _shown(shape: tuple[int, ...]) -> str:
    return str(list(shape[:8])) if len(shape) <= 8 else f"of {len(shape)} dimensions"
