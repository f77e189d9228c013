"""The protocol's types of elements, and numpy's: always little-endian."""

import numpy as np

from ..errors import BadInputError

BYTES = "BYTES"
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    BYTES: np.dtype(np.object_),
}
DATATYPES = tuple(_DTYPES)


def dtype_of(datatype: str) -> np.dtype:
    """The type of an array's elements; those of BYTES are `bytes` objects.

    Raises:
        BadInputError: There is none.
    """
    if datatype not in _DTYPES:
        raise BadInputError(f"there is no datatype {datatype[:20]!r} here; there are {', '.join(DATATYPES)}")
    return _DTYPES[datatype]
