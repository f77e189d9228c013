"""Tensors as bytes behind the JSON: little-endian, row-major, without gaps; BYTES each behind its length in 4 bytes."""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .datatypes import BYTES, dtype_of

_LENGTH = struct.Struct("<I")


def array_from_bytes(data: memoryview, datatype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array from its elements; a copy, which is aligned and may be written to.

    Raises:
        BadInputError: There are more or fewer than the shape says.
    """
    dtype = dtype_of(datatype)
    if datatype == BYTES:
        return _texts(data, math.prod(shape)).reshape(shape)
    needed = math.prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise BadInputError(f"it has {len(data)} bytes of data; {list(shape)} of {datatype} are {needed}")
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _texts(data: memoryview, count: int) -> NDArray[Any]:
    texts, at = [], 0
    while at < len(data):
        if len(data) - at < _LENGTH.size:
            raise BadInputError("its data breaks off in the length of an element")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        if at > len(data):
            raise BadInputError(f"its data breaks off in an element of {length} bytes")
        texts.append(bytes(data[at - length : at]))
    if len(texts) != count:
        raise BadInputError(f"its data has {len(texts)} elements, and its shape {count}")
    array = np.empty(count, np.object_)  # numpy would make a type of fixed length of a list of bytes
    array[:] = texts
    return array


def array_to_bytes(array: NDArray[Any]) -> bytes:
    """The elements of an array of a type that the protocol has; texts as UTF-8."""
    if array.dtype.kind not in "OSU":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel().tolist()]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
