"""Requests to a model without a handler, computed together: their tensors one behind the other, along the first axis.

A model that takes any number of rows needn't compute each by itself: one may normalise over all of them. So it is tried
before it is trusted: some rows must come out of one call as they come out of several.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .oip.datatypes import BYTES, dtype_of
from .runtimes import Model, Tensors, TensorSpec

_logger = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]
_TRIED_ROWS = (1, 2)
_TOLERANCE = 1e-2
"""Of the largest number of an output: FP16 and other orders of summation make less of a difference, other rows more."""


def computes_together(model: Model) -> bool:
    """Whether several requests may be one call: all tensors say so, and rows that were tried don't influence others."""
    if not all(_is_row(spec) for spec in model.inputs) or any(spec.shape[:1] != (-1,) for spec in model.outputs):
        return False
    random = np.random.default_rng(0)
    requests = [{spec.name: _rows(spec, count, random) for spec in model.inputs} for count in _TRIED_ROWS]
    try:
        alone = [model.run(request) for request in requests]
        together = run_together(model.run, requests)
    except Exception:
        _logger.debug("a batch of made-up tensors could not be computed", exc_info=True)
        return False
    return all(
        _alike(one[spec.name], other[spec.name])
        for one, other in zip(alone, together, strict=True)
        for spec in model.outputs
    )


def run_together(run: Callable[[Tensors], Arrays], requests: list[Arrays]) -> list[Arrays]:
    """The outputs for each request, computed in one call.

    Raises:
        ValueError: The inputs of one differ in their rows, or the outputs haven't as many: they can't be told apart.
    """
    counts = [_rows_of(request.values()) for request in requests]
    outputs = run({name: np.concatenate([request[name] for request in requests]) for name in requests[0]})
    if _rows_of(outputs.values()) != sum(counts):
        raise ValueError("the model's outputs haven't as many rows as its inputs")
    ends = np.cumsum(counts)
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for count, end in zip(counts, ends, strict=True)
    ]


def _is_row(spec: TensorSpec) -> bool:
    """Whether it has any number of rows, and each is of one known shape."""
    first, *others = spec.shape or (0,)
    return first == -1 and bool(others) and -1 not in others and spec.datatype != BYTES


def _rows(spec: TensorSpec, count: int, random: np.random.Generator) -> NDArray[Any]:
    """Numbers from 0 to 1; whole ones are 0 or 1, which most indices may be."""
    numbers = random.random((count, *spec.shape[1:]))
    dtype = dtype_of(spec.datatype)
    return (numbers if dtype.kind == "f" else numbers > 0.5).astype(dtype)


def _rows_of(arrays: Iterable[NDArray[Any]]) -> int:
    counts = {array.shape[0] if array.ndim else -1 for array in arrays}
    if len(counts) != 1:
        raise ValueError(f"the tensors have {sorted(counts)} rows")
    return counts.pop()


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    scale = np.nanmax(np.abs(one), initial=0.0)
    return bool(np.allclose(one, other, rtol=0, atol=_TOLERANCE * float(scale), equal_nan=True))
