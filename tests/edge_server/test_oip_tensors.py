"""Tensors of the Open Inference Protocol, in JSON and as bytes, come out as they went in or are refused."""

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from astraea.edge_server import BadInputError, Limits, RequestError, TensorSpec
from astraea.edge_server.oip.binary import array_from_bytes, array_to_bytes
from astraea.edge_server.oip.datatypes import DATATYPES, dtype_of
from astraea.edge_server.oip.inference import Inference, ModelId
from astraea.edge_server.oip.json import array_from_json, array_to_json
from astraea.edge_server.oip.signature import Signature
from astraea.edge_server.runtimes import datatype_of
from astraea.edge_server.tensor_model import check_tensors


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    dtype = dtype_of(draw(st.sampled_from(DATATYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    if dtype.kind != "O":
        return draw(hnp.arrays(dtype, shape))
    texts = np.empty(int(np.prod(shape)), np.object_)
    texts[:] = draw(st.lists(st.text().map(str.encode), min_size=texts.size, max_size=texts.size))
    return texts.reshape(shape)


@given(arrays())
def test_bytes_come_out_as_they_went_in(array: NDArray[Any]) -> None:
    data = array_to_bytes(array)
    again = array_from_bytes(memoryview(data), datatype_of(array.dtype), array.shape)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)
    if again.size:
        again[...] = again  # it may be written to


@given(arrays(), st.booleans())
def test_json_comes_out_as_it_went_in(array: NDArray[Any], nested: bool) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        array = np.nan_to_num(array)
    flat = json.loads(json.dumps(array_to_json(array)))
    data = np.array(flat, object).reshape(array.shape).tolist() if nested else flat
    again = array_from_json(data, datatype_of(array.dtype), array.shape)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "reason"),
    [
        ([1, 2], "FP32", (3,), "shape [2], and says [3]"),
        ([[1, 2]], "FP32", (2, 1), "shape [1, 2], and says [2, 1]"),
        ([[1], [1, 2]], "FP32", (3,), "not all of the same length"),
        ([1.5], "INT32", (1,), "not INT32"),
        (["1"], "FP32", (1,), "not FP32"),
        ([None], "FP32", (1,), "not FP32"),
        ([True], "UINT8", (1,), "not UINT8"),
        ([1], "BOOL", (1,), "not BOOL"),
        ([1], "BYTES", (1,), "not BYTES"),
        ([256], "UINT8", (1,), "don't fit UINT8"),
        ([-1], "UINT64", (1,), "don't fit UINT64"),
        ([10**400], "FP64", (1,), "don't fit FP64"),
        ([1], "BF16", (1,), "no datatype 'BF16'"),
    ],
)
def test_elements_that_do_not_fit_are_refused(data: Any, datatype: str, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        array_from_json(data, datatype, shape)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "reason"),
    [
        (bytes(7), "FP32", (2,), "it has 7 bytes of data; [2] of FP32 are 8"),
        (b"", "FP64", (2**31 - 1,) * 20, "0 bytes of data"),
        (b"", "BYTES", (2**31 - 1,) * 20, "has 0 elements"),
        (b"\1\0\0", "BYTES", (1,), "breaks off in the length"),
        (b"\2\0\0\0x", "BYTES", (1,), "breaks off in an element of 2 bytes"),
        (struct.pack("<I", 2**32 - 1), "BYTES", (1,), "breaks off in an element of 4294967295"),
        (bytes(8), "BYTES", (1,), "has 2 elements, and its shape 1"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(data: bytes, datatype: str, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        array_from_bytes(memoryview(data), datatype, shape)
    assert reason in str(caught.value)


@given(st.binary(max_size=64), st.integers(0, 9))
def test_any_bytes_are_texts_or_refused(data: bytes, count: int) -> None:
    with contextlib.suppress(BadInputError):
        assert array_to_bytes(array_from_bytes(memoryview(data), "BYTES", (count,))) == data


LIMITS = Limits(workers=1, queue=1)
SPECS = (TensorSpec("a", "FP32", (-1, 3)), TensorSpec("name", "BYTES", (-1,)))
ECHO = Signature("test", SPECS, SPECS, lambda arrays: check_tensors(SPECS, arrays), dict)


@given(st.data())
def test_a_damaged_request_is_answered_or_refused(data: st.DataObject) -> None:
    inputs = [
        {"name": "a", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}},
        {"name": "name", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 7}},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": data.draw(st.booleans())}}).encode()
    body = head + bytes(24) + b"\3\0\0\0abc"
    at = data.draw(st.integers(0, len(body)))
    length = data.draw(st.sampled_from([len(head), 0, len(body), len(body) + 9]))
    inference = Inference(ECHO, ModelId("m", "1"), {b"inference-header-content-length": b"%d" % length}, LIMITS)
    with contextlib.suppress(RequestError):
        arrays = inference.decode(
            body[:at] + data.draw(st.binary(max_size=9)) + body[at + data.draw(st.integers(0, 9)) :]
        )
        assert sum(array.size for array in arrays.values()) <= len(body)
        assert inference.encode(arrays)
