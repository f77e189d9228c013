"""A handler's tensors come from JSON or .npy bodies, and never take more memory than the body does."""

import contextlib
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from astraea.edge_server import BadInputError, Limits
from astraea.edge_server.tensors import decode_tensor

LIMITS = Limits(workers=1, queue=1)
NUMBERS = st.sampled_from(["bool", "uint8", "int64", "float16", "float32", ">f8", ">i4"])


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claim(shape: str, descr: str = "<f4") -> bytes:
    """An .npy file that has nothing behind its header."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4)), st.booleans())
def test_an_npy_file_comes_out_as_it_was(array: np.ndarray[Any, Any], fortran: bool) -> None:
    decoded = decode_tensor(npy(np.asfortranarray(array) if fortran else array), LIMITS)
    assert decoded.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(decoded, array)
    decoded[...] = 0  # it may be written to


@given(hnp.arrays(st.sampled_from(["bool", "int64", "float64"]), hnp.array_shapes(min_side=1)))
def test_nested_lists_come_out_as_the_array_that_they_are(array: np.ndarray[Any, Any]) -> None:
    decoded = decode_tensor(json.dumps(array.tolist()).encode(), LIMITS)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "neither JSON nor an .npy file"),
        (b"[1, 2", "neither JSON nor"),
        (b"[" * 100_000, "neither JSON nor"),
        (b"[" * 40 + b"]" * 40, "at most 32 dimensions"),
        (b"[[1], [1, 2]]", "depth 1 are not all of the same length"),
        (b"[[1], 2]", "depth 1 are not all of the same length"),
        (b"[1, [2]]", "lists beside elements"),
        (b'["1"]', "must be numbers"),
        (b"[null]", "must be numbers"),
        (b"[true, 1]", "must be numbers"),
        (b"{}", "must be numbers"),
        (b"[1e3, 1%s]" % (b"0" * 400), "doesn't fit"),
        (b"[1%s]" % (b"0" * 30), "doesn't fit"),
        (claim("(1000000, 1000000)"), "0 bytes of data, and its shape [1000000, 1000000] needs 4000000000000"),
        (claim("(-1,)"), "needs -4"),
        (claim("(0, 9999999999999999999999)"), "can't have the shape"),
        (claim("(1,)", "|O"), "elements of type object"),
        (claim("(1,)", "<U9"), "elements of type <U9"),
        (claim("__import__('os')"), "header of the .npy file is damaged"),
        (claim("(" * 300), "header of the .npy file is damaged"),
        (b"\x93NUMPY\x09\x00", "version other than"),
    ],
)
def test_what_is_no_tensor_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        decode_tensor(body, LIMITS)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200


@given(hnp.arrays("float32", (2, 3)), st.data())
def test_a_damaged_npy_file_decodes_or_is_refused(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    body = npy(array)
    at = data.draw(st.integers(0, len(body) - 1))
    with contextlib.suppress(BadInputError):
        decoded = decode_tensor(body[:at] + data.draw(st.binary(max_size=20)) + body[at + 3 :], LIMITS)
        assert math.prod(decoded.shape) * decoded.itemsize <= len(body) + 20
