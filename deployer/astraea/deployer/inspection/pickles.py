"""Reads pickles without executing them: the opcodes work on names that stand for nothing.

A pickle is a program for a small stack machine, which imports what it names and calls it. This is that machine with an
`import` that gives an inert stand-in: calling it, or setting its state, gives another. So the names come out as the
machine would have resolved them, through its memo and strings put together, where a search for patterns can be misled.
"""

import lzma
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

from ..errors import InspectionError
from .plain import MAX_BYTES, plain_pickles

_MAX_NESTING = 20
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_ITEM = re.compile(r"[|<>=]?([?bhilqpBHILQPefdgFDGSUVMmacuiO])(\d*)")
_WORD = re.compile(r"[\w<>.]+")
_CHARACTER_BYTES = 4  # of numpy's `U`


class PickleContent(NamedTuple):
    """What a pickle would import, and what it tells of its origin."""

    names: frozenset[str]
    """`module.name` of everything that loading it would look up, and mostly call."""
    versions: frozenset[str]
    """Of scikit-learn, which writes its own into estimators."""


def read_pickle(path: Path) -> PickleContent:
    """Read a pickle, a joblib file, compressed or not, or the pickles in a PyTorch archive.

    Raises:
        InspectionError: it breaks off, or does what no pickle of a model does.
    """
    names: set[str] = set()
    versions: set[str] = set()
    try:
        for file in plain_pickles(path):
            _Reader(file, names, versions).read_all()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InspectionError(f"the model {path} can't be read: {error or 'it breaks off'}") from None
    except Exception as error:  # noqa: BLE001 - made by whoever made the file, it can be any
        raise InspectionError(
            f"the model {path} is no pickle that can be followed: {error}", hint="save the model again"
        ) from None
    return PickleContent(frozenset(names), frozenset(versions))


class _Inert:
    """Stands for whatever a pickle names, and for what calling that would give."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name, self.arguments = name, arguments
        self.state: Any = None

    def __call__(self, *arguments: Any, **_options: Any) -> "_Inert":
        return _Inert(self.name, arguments)


_Machine: Any = pickle._Unpickler  # noqa: SLF001 - Python's own, on which joblib builds, too


class _Reader(_Machine):  # type: ignore[misc] # its base is Any
    """The stack machine, of which nothing leads outside."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Machine.dispatch)

    def __init__(self, file: IO[bytes], names: set[str], versions: set[str], depth: int = 0) -> None:
        super().__init__(file)
        self._file, self._names, self._versions, self._depth = file, names, versions, depth

    def read_all(self) -> None:
        """Follow the pickle to its end; what comes after it isn't loaded by anyone."""
        if self._depth > _MAX_NESTING:
            raise ValueError("pickles within pickles without end")
        self.load()

    def find_class(self, module: str, name: str) -> _Inert:
        """Note the name, and give what stands for it."""
        full = f"{module}.{name}"
        self._names.add(full if _WORD.fullmatch(full) else repr(full))
        return _Inert(full)

    def persistent_load(self, pid: Any) -> _Inert:
        """What lies beside the pickle: in PyTorch's archives the numbers."""
        return _Inert("beside", (pid,))

    def get_extension(self, code: int) -> None:
        """Names by number, from a table of the machine that loads it."""
        raise ValueError(f"it names something by the number {code}, which can't be looked up")

    def load_reduce(self) -> None:
        """Stand-ins are not called but by our own hand; anything else on the stack is not either."""
        arguments = self.stack.pop()
        called = self.stack[-1]
        self.stack[-1] = _Inert(getattr(called, "name", "?"), tuple(arguments) if isinstance(arguments, tuple) else ())

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        """As above."""
        self.load_reduce()

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_newobj_ex(self) -> None:
        """As above, with arguments by name."""
        self.stack.pop()
        self.load_reduce()

    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex

    def _instantiate(self, klass: Any, _arguments: Any) -> None:
        self.append(_Inert(getattr(klass, "name", "?")))

    def load_build(self) -> None:
        """A state is kept; behind that of an array of joblib's lie the array's numbers."""
        state = self.stack.pop()
        built = self.stack[-1]
        if not isinstance(built, _Inert):
            raise ValueError("it sets the state of what has none")  # noqa: TRY004 - of the file's making
        built.state = state
        if isinstance(state, dict):
            if isinstance(version := state.get("_sklearn_version"), str):
                self._versions.add(version[:20])
            if built.name == _WRAPPER:
                self._skip_array(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_appends(self) -> None:
        """Items go into stand-ins as into nothing."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_append(self) -> None:
        """As above."""
        item = self.stack.pop()
        if isinstance(self.stack[-1], list):
            self.stack[-1].append(item)

    dispatch[pickle.APPEND[0]] = load_append

    def load_setitems(self) -> None:
        """As above."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_setitem(self) -> None:
        """As above."""
        value, key = self.stack.pop(), self.stack.pop()
        if isinstance(self.stack[-1], dict):
            self.stack[-1][key] = value

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_additems(self) -> None:
        """As above."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], set):
            self.stack[-1].update(items)

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Step over an array: https://github.com/joblib/joblib/blob/1.5.0/joblib/numpy_pickle.py, `read_array`."""
        kind, item_bytes = _item(state["dtype"])
        if kind == "O":
            _Reader(self._file, self._names, self._versions, self._depth + 1).read_all()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._file.seek(self._file.read(1)[0], 1)
        count = 1
        for side in state["shape"]:
            count *= int(side)
        end = self._file.tell() + count * item_bytes
        if not 0 <= count * item_bytes <= MAX_BYTES or end > _size(self._file):
            raise ValueError("an array breaks off")
        self._file.seek(end)


def _item(dtype: _Inert) -> tuple[str, int]:
    """The kind and the bytes of a dtype's items."""
    match = _ITEM.fullmatch(str(dtype.arguments[0])) if dtype.name == "numpy.dtype" and dtype.arguments else None
    if match is None:
        raise ValueError("an array of items that are not known")
    size = int(match[2] or 1) * (_CHARACTER_BYTES if match[1] == "U" else 1)
    if match[1] == "V" and isinstance(dtype.state, tuple) and len(dtype.state) > 5 and dtype.state[5]:  # records
        size = int(dtype.state[5])
    return match[1], size


def _size(file: IO[bytes]) -> int:
    here = file.tell()
    end = file.seek(0, 2)
    file.seek(here)
    return end
