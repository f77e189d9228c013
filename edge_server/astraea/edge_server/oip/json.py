"""Tensors whose elements are in the JSON itself, as one list or as lists in lists."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..tensors import flatten
from .datatypes import BYTES, dtype_of

_TYPES: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}, "O": {str}}
"""What elements may be in JSON, by the kind of the array's."""


def array_from_json(data: Any, datatype: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """An array from its elements, in row-major order: one flat list, or lists nested as the shape says.

    Texts become UTF-8 bytes. Numbers that a floating-point type can't hold become infinite.

    Args:
        data: What stands for the elements in the JSON.
        datatype: The protocol's word for their type.
        shape: What they must fit; without, that of the nested lists.

    Raises:
        BadInputError: It doesn't fit the type or the shape.
    """
    dtype = dtype_of(datatype)
    flat, found = flatten(data)
    if shape is not None and found not in {shape, (math.prod(shape),)}:
        raise BadInputError(f"its data is of the shape {list(found)}, and says {list(shape)}")
    if not set(map(type, flat)) <= _TYPES[dtype.kind]:
        raise BadInputError(f"its data has elements that are not {datatype}")
    if datatype == BYTES:
        flat = [text.encode() for text in flat]
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype)
    except OverflowError:
        raise BadInputError(f"its data has elements that don't fit {datatype}") from None
    return array.reshape(found if shape is None else shape)


def array_to_json(array: NDArray[Any]) -> list[Any]:
    """The elements in one flat list, row-major.

    Raises:
        UnicodeDecodeError: It has BYTES that are no UTF-8 text.
    """
    flat: list[Any] = array.ravel().tolist()
    return [item.decode() if isinstance(item, bytes) else item for item in flat] if array.dtype.kind in "OS" else flat
