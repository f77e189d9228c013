"""A service without a handler: the tensors that its model takes and makes."""

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from .errors import BadInputError
from .handler import Handler
from .inputs import Input, explain
from .jsonbounds import check_json
from .limits import Limits
from .oip.datatypes import dtype_of
from .oip.json import array_from_json
from .runtimes import Model, Tensors, TensorSpec, datatype_of
from .tensor_batch import Arrays, run_together

_logger = logging.getLogger(__name__)

_Lists = TypeAdapter(dict[str, Any])
_MAX_SHOWN_NAMES = 8
_INPUT_ERRORS = frozenset({"Fail", "InvalidArgument", "InvalidArgumentError"})
"""What onnxruntime and TensorFlow raise on tensors that fit the model's declaration, but not each other or its insides;
the other frameworks raise Python's own."""


def tensor_handler(path: Path, model: Model, *, together: bool) -> Handler:
    """What stands for the handler: `POST /predict` takes a JSON object that has nested lists for each input's name.

    Args:
        path: The model's.
        model: It, opened.
        together: Whether several requests may be computed in one call; `computes_together` finds out.
    """

    def decode(body: bytes, limits: Limits) -> Arrays:
        check_json(body, limits)
        try:
            lists = _Lists.validate_json(body)
        except ValidationError as error:
            raise BadInputError(explain(error)) from None
        check_names(model.inputs, lists)
        return check_tensors(model.inputs, {spec.name: _array(spec, lists[spec.name]) for spec in model.inputs})

    def predict(_native: Any, arrays: Tensors) -> Arrays:
        try:
            return model.run(arrays)
        except Exception as error:
            if not isinstance(error, ValueError | TypeError) and type(error).__name__ not in _INPUT_ERRORS:
                raise
            _logger.warning("%s can't compute with the tensors of a request", path, exc_info=True)
            raise BadInputError("the model can't compute with these tensors; the server's log has the reason") from None

    def predict_batch(native: Any, requests: list[Arrays]) -> list[Arrays]:
        return run_together(partial(predict, native), requests)

    input_ = Input("tensors", ("application/json",), decode)
    return Handler(path, predict, None, input_, None, predict_batch if together else None, tensors=model)


def example_of(model: Model) -> Arrays | None:
    """Tensors of zeros to warm a model up with, one in a batch; None where its declaration doesn't tell their shape."""
    if any(-1 in spec.shape[1:] or spec.shape == (-1,) for spec in model.inputs):
        return None
    return {spec.name: _zeros(spec) for spec in model.inputs}


def check_names(specs: Iterable[TensorSpec], tensors: Iterable[str]) -> None:
    """Whether each input is there, and nothing else.

    Raises:
        BadInputError: It isn't so; the message has both lists.
    """
    wanted, found = {spec.name for spec in specs}, set(tensors)
    if wanted != found:
        raise BadInputError(f"the inputs must be {_listed(wanted)}, and are {_listed(found)}")


def check_tensors(specs: Iterable[TensorSpec], tensors: Arrays) -> Arrays:
    """The tensors, if they are what a model takes.

    A shape of (-1,) is that of a model which doesn't tell: it fits all.

    Raises:
        BadInputError: One is missing, or has another datatype or shape; the message names it.
    """
    specs = tuple(specs)
    check_names(specs, tensors)
    for spec in specs:
        array = tensors[spec.name]
        datatype = datatype_of(array.dtype)
        if datatype != spec.datatype:
            raise BadInputError(f"input {spec.name!r} is {datatype}; the model takes {spec.datatype}")
        if spec.shape != (-1,) and not _fits(array.shape, spec.shape):
            raise BadInputError(
                f"input {spec.name!r} has the shape {list(array.shape)}; the model takes {list(spec.shape)}"
            )
    return tensors


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(b in {-1, a} for a, b in zip(shape, wanted, strict=True))


def _array(spec: TensorSpec, lists: Any) -> NDArray[Any]:
    try:
        return array_from_json(lists, spec.datatype)
    except BadInputError as error:
        raise BadInputError(f"input {spec.name!r}: {error}") from None


def _zeros(spec: TensorSpec) -> NDArray[Any]:
    dtype = dtype_of(spec.datatype)
    return np.full([1 if length == -1 else length for length in spec.shape], b"" if dtype.kind == "O" else 0, dtype)


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name[:40]) for name in sorted(names)]
    return ", ".join(shown[:_MAX_SHOWN_NAMES] + ["..."][: len(shown) > _MAX_SHOWN_NAMES]) or "none"
