"""Estimators that `pickle` or `joblib` wrote.

A pickle is a program: it imports any function it names and calls it. Here only such names are followed as scikit-learn,
numpy and scipy need for data, all others end the loading before anything is called
(https://docs.python.org/3/library/pickle.html#restricting-globals). That keeps foreign code out, but a forged pickle
may still crash the process, by indices in a tree that point elsewhere for instance. Take models in skops' format from
those whom you don't trust.
"""

import bz2
import gzip
import importlib
import lzma
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from joblib.compressor import BinaryZlibFile
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

from ..errors import ModelLoadError, UntrustedModelError
from .estimators import model_of, versions_checked
from .model import Model

_OPENERS = ((b"\x1f\x8b", gzip.open), (b"x", BinaryZlibFile), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))

_MAKERS = {
    *(("builtins", name) for name in ("bytearray", "complex", "frozenset", "object", "range", "set", "slice")),
    *(("collections", name) for name in ("OrderedDict", "defaultdict")),
    ("copyreg", "_reconstructor"),
    *(("numpy._core.multiarray", name) for name in ("_reconstruct", "scalar")),
    ("numpy._core.numeric", "_frombuffer"),
    *(("numpy.random._pickle", f"__{kind}_ctor") for kind in ("bit_generator", "generator", "randomstate")),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
}
"""Functions and classes that make data and do nothing else, whatever they are called with."""
_RENAMED = (("numpy.core.", "numpy._core."), ("__builtin__", "builtins"), ("copy_reg", "copyreg"))
_PACKAGES = ("sklearn.", "scipy.sparse.", "numpy.random.")
"""Where modules are whose own classes are data, but for parts of scikit-learn that nothing trained is made of:"""
_NOT_MODELS = frozenset({"__main__", "_build_utils", "_testing", "conftest", "externals", "tests"})


def open_model(path: Path) -> Model:
    """The estimator.

    Raises:
        UntrustedModelError: The pickle names what no estimator of scikit-learn needs; nothing of that was called.
    """
    with path.open("rb") as file, versions_checked(path):
        estimator = _JoblibUnpickler(path, _decompressed(file)).load()
    return model_of(estimator, path, "sklearn_pickle")


def _decompressed(file: BinaryIO) -> Any:
    head = file.read(8)
    file.seek(0)
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            return opener(file)
    return file


class _Unpickler(pickle.Unpickler):
    """Follows trusted names only."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        return find_trusted(self._path, module, name)


class _JoblibUnpickler(NumpyUnpickler):  # type: ignore[misc] # joblib has no annotations
    """The same for joblib's files, which have arrays between a pickle's opcodes, and for plain pickles."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(str(path), file, ensure_native_byte_order=True)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _ArrayWrapper
        return find_trusted(Path(self.filename), module, name)


class _ArrayWrapper(NumpyArrayWrapper):  # type: ignore[misc] # likewise
    """What stands for an array in joblib's files; one of objects is a pickle of its own, which some joblibs trust."""

    def read_array(self, unpickler: Any, *options: Any) -> Any:
        if self.dtype.hasobject:
            return _Unpickler(Path(unpickler.filename), unpickler.file_handle).load()
        return super().read_array(unpickler, *options)


def find_trusted(path: Path, module: str, name: str) -> Any:
    """What a name in a pickle stands for.

    Raises:
        UntrustedModelError: It isn't one of those that are followed; nothing was called.
        ModelLoadError: It would be, but isn't in the version that is installed.
    """
    for old, new in _RENAMED:
        module = module.replace(old, new, 1) if module.startswith(old) else module
    try:
        if (module, name) in _MAKERS or _is_data(module, name):
            return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ModelLoadError(
            f"the pickle {path} names {module}.{name}, which isn't in the versions that are installed here",
            hint="install those that it was saved by",
        ) from None
    raise UntrustedModelError(
        f"the pickle {path} names {module}.{name}, which no model of scikit-learn needs; nothing of it was called",
        hint="if you trust the file, open it in the handler's `load` with `joblib.load(model)`",
    )


def _is_data(module: str, name: str) -> bool:
    """Whether a name is that of a class or ufunc which only holds data or computes."""
    if "." in name or not _NOT_MODELS.isdisjoint(module.split(".")):  # a dotted name leads to what a module imports
        return False
    if module == "numpy":
        value = getattr(np, name, None)
        # Not all classes of numpy: calling memmap makes a file.
        return value in (np.ndarray, np.dtype) or isinstance(value, np.ufunc) or _is_class(value, np.generic)
    if not module.startswith(_PACKAGES):
        return False
    value = getattr(importlib.import_module(module), name, None)
    if name == "newObj" or name.startswith("__pyx_unpickle_"):  # how Cython's classes are made anew
        return module.startswith("sklearn.")
    return isinstance(value, type) and value.__module__.startswith(_PACKAGES)


def _is_class(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)
