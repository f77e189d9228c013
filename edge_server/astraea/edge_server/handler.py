"""A service's `handler.py`: `load(model)` opens the model, `predict(model, input)` answers a request.

Instead of `predict`, or beside it, `predict_batch(model, inputs)` answers several at once. All may be `async`.

| `input` is annotated as | and is, of a request's body (or of the one field of a form) |
| --- | --- |
| `Image` | a JPEG, PNG or WebP file, as RGB uint8 H x W x 3 |
| `Tensor` | nested lists in JSON, or an .npy file, as an array |
| a pydantic model, `dict`, `dict[str, int]`, ... | JSON, validated strictly, at most 200 levels deep |
| `str` | UTF-8 text |
| `bytes` | itself |
"""

import contextlib
import functools
import importlib.util
import inspect
import logging
import sys
import traceback
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from astraea.protocol import AstraeaError

from .coroutines import blocking
from .errors import HandlerError
from .inputs import INPUTS, Input, input_of
from .runtimes import Model

_logger = logging.getLogger(__name__)

_MODULE_PREFIX = "astraea_handler_"
_EXAMPLE = "def predict(model, image: Image): ..."


@dataclass(frozen=True)
class Handler:
    """The functions of a handler, and what their annotations say."""

    path: Path
    predict: Callable[[Any, Any], Any]
    """Called by several threads at once when the service has several workers."""
    load: Callable[[Path | None], Any] | None
    """None when the script has no `load`."""
    input: Input
    output: Any
    """The annotation of what `predict` returns; None when there is none."""
    predict_batch: Callable[[Any, list[Any]], Sequence[Any]] | None = None
    """Answers several inputs in one call, as many outputs in the same order; None when the script has none.

    Raises a ValueError if what the script returned is anything else."""
    tensors: Model | None = None
    """The model whose tensors go in and out, when this only stands for a script that isn't there."""


def import_handler(path: Path) -> Handler:
    """Run a handler's script and find its functions.

    Raises:
        HandlerError: The script raises an exception, has neither a `predict` nor a `predict_batch` that can be called
            as they must be, or annotates their input as something that no decoder makes.
    """
    with reported(path, "can't be imported"), _importable(path.parent), _anew(path.parent):
        module = _execute(path)
    load = _function(path, module, "load", "model")
    predict = _function(path, module, "predict", "model", "input")
    batch = _function(path, module, "predict_batch", "model", "inputs")
    many = batch and _counted(batch)
    if predict is not None:
        return Handler(path, predict, load, *_annotations(path, predict), many)
    if many is None:
        raise HandlerError(f"{path} has no function `predict`", hint=f"it answers a request: `{_EXAMPLE}`")
    return Handler(path, lambda model, value: many(model, [value])[0], load, *_annotations(path, many, _one_of), many)


def _counted(batch: Callable[[Any, list[Any]], Any]) -> Callable[[Any, list[Any]], Sequence[Any]]:
    """A `predict_batch` that is sure to return as many outputs as it was given inputs."""

    @functools.wraps(batch)
    def call(model: Any, inputs: list[Any]) -> Sequence[Any]:
        outputs = list(batch(model, inputs))
        if len(outputs) != len(inputs):
            raise ValueError(f"`predict_batch` returned {len(outputs)} outputs for {len(inputs)} inputs")
        return outputs

    return call


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
    spec = importlib.util.spec_from_file_location(f"{_MODULE_PREFIX}{abs(hash(path)):x}", path)
    assert spec is not None  # noqa: S101 - the template's check wants `.py`, for which there is a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pydantic look their module up
    spec.loader.exec_module(module)
    return module


def forget_modules(folder: Path) -> dict[str, ModuleType]:
    """Have what lies beside a handler, and itself, imported anew the next time; what was forgotten, by name.

    Their compiled code goes too: it is taken for good while a source's size and the second of its change stay.
    """
    forgotten = {name: module for name, module in sys.modules.items() if _is_beside(folder, name, module)}
    for name, module in forgotten.items():
        del sys.modules[name]
        if module.__spec__ is not None and module.__spec__.cached is not None:
            with contextlib.suppress(OSError):
                Path(module.__spec__.cached).unlink(missing_ok=True)
    importlib.invalidate_caches()
    return forgotten


def _is_beside(folder: Path, name: str, module: ModuleType) -> bool:
    """Whether a module was found in this folder itself: not in an environment, say, that lies in it."""
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_relative_to(folder):
        return False
    first = Path(file).relative_to(folder).parts[0]
    return name.startswith(_MODULE_PREFIX) or first.removesuffix(".py") == name.partition(".")[0]


@contextlib.contextmanager
def _anew(folder: Path) -> Iterator[None]:
    """Import what lies beside a handler anew; when that fails, all is as it was."""
    forgotten = forget_modules(folder)
    try:
        yield
    except BaseException:
        sys.modules.update(forgotten)
        raise


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a handler import modules that lie beside it; behind all others, so that none of them is hidden."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _function(path: Path, module: ModuleType, name: str, *parameters: str) -> Callable[..., Any] | None:
    """A function of the script that can be called with these, whether it is a coroutine function or not."""
    function = getattr(module, name, None)
    if function is None:
        return None
    wanted = f"{name}({', '.join(parameters)})"
    if not callable(function):
        raise HandlerError(f"{path}: `{name}` is no function", hint=f"it must be callable as `{wanted}`")
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError as error:
        raise HandlerError(f"{path}: `{name}` can't be called as `{wanted}`: {error}") from None
    return blocking(function) if inspect.iscoroutinefunction(function) else function


def _annotations(
    path: Path, function: Callable[..., Any], of: Callable[[Any], Any] = lambda annotation: annotation
) -> tuple[Input, Any]:
    """What a function's annotations of its second parameter and of its result stand for.

    Args:
        path: The script.
        function: One of its.
        of: From an annotation to that of a single input or output.
    """
    name = function.__name__
    with reported(path, f"an annotation of `{name}` can't be resolved"):
        hints = typing.get_type_hints(function, include_extras=True)
    parameter = list(inspect.signature(function).parameters)[1]
    annotation = of(hints.get(parameter))
    if annotation is None:
        raise HandlerError(
            f"{path}: `{name}` doesn't say what `{parameter}` is",
            hint=f"annotate it, as in `{_EXAMPLE}`; the choice is {_choice()}",
        )
    input_ = input_of(annotation)
    if input_ is None:
        shown = inspect.formatannotation(hints[parameter])
        raise HandlerError(
            f"{path}: `{name}` takes `{parameter}: {shown}`, which nothing here decodes",
            hint=f"the choice is {_choice()}",
        )
    return input_, of(hints.get("return"))


def _one_of(annotation: Any) -> Any:
    """X of `list[X]`; what isn't a list of something says nothing of it."""
    arguments = typing.get_args(annotation)
    return arguments[0] if typing.get_origin(annotation) in {list, Sequence} and arguments else None


def _choice() -> str:
    return ", ".join([*(input_.name for _, input_ in INPUTS), "dict", "a pydantic model"])


def _where(path: Path, error: BaseException) -> str:
    """The innermost line of the handler's own that led to an exception, as `handler.py:12`."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{frames[-1].lineno}" if frames else str(path)
