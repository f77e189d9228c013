"""A service's `handler.py`: `load(model)` opens the model, `predict(model, input)` answers a request."""

import contextlib
import importlib.util
import inspect
import logging
import sys
import traceback
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from astraea.protocol import AstraeaError

from .errors import HandlerError
from .inputs import INPUTS, Input

_logger = logging.getLogger(__name__)

_EXAMPLE = "def predict(model, image: Image): ..."


@dataclass(frozen=True)
class Handler:
    """The functions of a handler, and what the annotations of `predict` say."""

    path: Path
    predict: Callable[[Any, Any], Any]
    """Called by several threads at once when the service has several workers."""
    load: Callable[[Path | None], Any] | None
    """None when the script has no `load`."""
    input: Input
    output: Any
    """The annotation of what `predict` returns; None when there is none."""


def import_handler(path: Path) -> Handler:
    """Run a handler's script and find its functions.

    Raises:
        HandlerError: The script raises an exception, has no `predict` that can be called as it must be, or annotates
            its input as something that no decoder makes.
    """
    with reported(path, "can't be imported"), _importable(path.parent):
        module = _execute(path)
    predict = getattr(module, "predict", None)
    if predict is None:
        raise HandlerError(f"{path} has no function `predict`", hint=f"it answers a request: `{_EXAMPLE}`")
    _check_function(path, "predict", predict, "model", "input")
    load = getattr(module, "load", None)
    if load is not None:
        _check_function(path, "load", load, "model")
    input_, output = _annotations(path, predict)
    return Handler(path, predict, load, input_, output)


def load_model(handler: Handler, model: Path | None) -> Any:
    """What the handler's own `load` makes of a model's file or folder.

    Raises:
        HandlerError: `load` raised an exception.
        AstraeaError: One that `load` raised; it says what is wrong as well as we could.
    """
    assert handler.load is not None  # noqa: S101 - the caller has looked
    with reported(handler.path, "load failed"), _importable(handler.path.parent):
        return handler.load(model)


@contextlib.contextmanager
def reported(path: Path, what: str) -> Iterator[None]:
    """Turn any exception of the user's code into a HandlerError with its line; the traceback goes to the debug log."""
    try:
        yield
    except AstraeaError:
        raise
    except (Exception, SystemExit) as error:  # a script that exits is as useless as one that raises
        _logger.debug("%s %s", path, what, exc_info=True)
        summary = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        raise HandlerError(
            f"{_where(path, error)}: {what}: {summary}", hint="`--log-level debug` shows the whole traceback"
        ) from error


def _execute(path: Path) -> ModuleType:
    # A name of its own, so that a `handler` installed elsewhere neither hides it nor is hidden by it.
    spec = importlib.util.spec_from_file_location(f"astraea_handler_{abs(hash(path)):x}", path)
    assert spec is not None  # noqa: S101 - the template's check wants `.py`, for which there is a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pydantic look their module up
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a handler import modules that lie beside it; behind all others, so that none of them is hidden."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _check_function(path: Path, name: str, function: Any, *parameters: str) -> None:
    wanted = f"{name}({', '.join(parameters)})"
    if not callable(function):
        raise HandlerError(f"{path}: `{name}` is no function", hint=f"it must be callable as `{wanted}`")
    if inspect.iscoroutinefunction(function):
        raise HandlerError(f"{path}: `{name}` is async", hint="write `def`: it runs in a thread of its own")
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError as error:
        raise HandlerError(f"{path}: `{name}` can't be called as `{wanted}`: {error}") from None


def _annotations(path: Path, predict: Callable[..., Any]) -> tuple[Input, Any]:
    with reported(path, "an annotation of `predict` can't be resolved"):
        hints = typing.get_type_hints(predict, include_extras=True)
    parameter = list(inspect.signature(predict).parameters)[1]
    annotation = hints.get(parameter)
    if annotation is None:
        raise HandlerError(
            f"{path}: `predict` doesn't say what `{parameter}` is",
            hint=f"annotate it, as in `{_EXAMPLE}`; the choice is {_choice()}",
        )
    origin = typing.get_origin(annotation)
    for known, input_ in INPUTS:
        if annotation == known or (known is dict and origin is dict):
            return input_, hints.get("return")
    raise HandlerError(
        f"{path}: `predict` takes `{parameter}: {inspect.formatannotation(annotation)}`, which nothing here decodes",
        hint=f"the choice is {_choice()}",
    )


def _choice() -> str:
    return ", ".join(input_.name for _, input_ in INPUTS)


def _where(path: Path, error: BaseException) -> str:
    """The innermost line of the handler's own that led to an exception, as `handler.py:12`."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{frames[-1].lineno}" if frames else str(path)
