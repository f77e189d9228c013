"""Checkpoints of ultralytics (.pt), exported to ONNX on the first load, by ultralytics itself.

A checkpoint is a pickle in a zip archive, and ultralytics unpickles it: whatever it names is imported and called. So it
is unpickled before with inert stand-ins for all that a network is made of, and anything else that it wants ends it.
"""

import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ModelLoadError, UntrustedModelError
from .converted import converted
from .darknet import open_detector
from .model import Model

_CLASS = re.compile(
    r"ultralytics\.nn\.(tasks\.\w+Model|modules\.\w+\.[A-Z]\w*)|torch\.nn\.modules\.\w+\.[A-Z]\w*|torch\.\w+Storage"
    r"|ultralytics\.utils\.IterableSimpleNamespace"
)
"""Classes whose objects a network consists of."""


def _nothing(*_: Any) -> None: ...


_CALLABLE: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _nothing,
    "torch._utils._rebuild_parameter": _nothing,
    "torch.Size": _nothing,
    "collections.OrderedDict": OrderedDict,
    "__builtin__.set": set,
    "builtins.set": set,
}
"""What is called to make it, and a stand-in."""

_EXPORT = "import sys; from ultralytics import YOLO; YOLO(sys.argv[1]).export(format='onnx', simplify=False)"
_EXPORT_S = 600


def open_model(path: Path) -> Model:
    """A `YoloDetector`, for a checkpoint of the task `detect`.

    Raises:
        UntrustedModelError: The checkpoint names code that isn't a network's; nothing was called.
    """
    _check(path)
    try:
        recipe = f"ultralytics-{version('ultralytics')}"
    except PackageNotFoundError:
        raise ModuleNotFoundError(name="ultralytics") from None
    return open_detector(converted([path], recipe, lambda made: _export(path, made)))


def _check(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        # A second one could be what torch reads after this has looked at the first.
        (member,) = (name for name in archive.namelist() if name.lower().endswith("data.pkl"))
        pickled = archive.read(member)
    try:
        _DryRun(io.BytesIO(pickled)).load()
    except _UnknownNameError as error:
        raise UntrustedModelError(
            f"the checkpoint {path} wants {error}, which no network needs; nothing of it was called",
            hint="if you trust it, export it with `yolo export model=FILE format=onnx`, and serve that",
        ) from None


class _UnknownNameError(Exception):
    """A pickle names, or calls, what isn't followed."""


class _DryRun(pickle.Unpickler):
    """Unpickles into stand-ins: nothing is imported."""

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name in _CALLABLE:
            return _CALLABLE[full_name]
        if _CLASS.fullmatch(full_name) and "." not in name:
            return _StandIn(name, (), {})
        raise _UnknownNameError(full_name)

    def persistent_load(self, _: Any) -> None:
        """Where the numbers of a tensor are: not of interest."""


class _StandIn(type):
    """A class that has objects, made as pickles make them, and whose constructor may not be called.

    Constructors do more than restore: that of a network evaluates Python code in its configuration.
    """

    def __call__(cls, *_: Any) -> NoReturn:
        raise _UnknownNameError(f"to call {cls.__name__}")


def _export(path: Path, made: Path) -> None:
    """Let ultralytics write the ONNX file in a process of its own, which torch and its memory go away with."""
    copy = made.with_suffix(".pt")
    shutil.copyfile(path, copy)
    environment = os.environ | {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", _EXPORT, copy.name],
        cwd=made.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_EXPORT_S,
        check=False,
    )
    if not made.is_file():
        reason = next(iter(reversed(done.stderr.strip().splitlines())), f"it ended with {done.returncode}")
        raise ModelLoadError(f"ultralytics doesn't export {path} to ONNX: {reason}")
