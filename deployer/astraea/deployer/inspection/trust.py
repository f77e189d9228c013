"""Which of the names in a model's pickle stand for data and nothing else. Whatever isn't known to be so is not."""

import re
from collections.abc import Collection, Iterable

_DATA = frozenset(
    {
        *(f"builtins.{name}" for name in ("bytearray", "complex", "frozenset", "object", "range", "set", "slice")),
        "collections.OrderedDict",
        "collections.defaultdict",
        "copyreg._reconstructor",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("bit_generator", "generator", "randomstate")),
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "torch.device",
        "torch.Size",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
    }
)
_RENAMED = (("numpy.core.", "numpy._core."), ("__builtin__.", "builtins."), ("copy_reg.", "copyreg."))
_NUMBERS = re.compile(
    r"numpy\.(bool_?|(u?int|float)\d+|complex\d+|str_|bytes_|datetime64|timedelta64)"
    r"|torch\.(\w+Storage|b?float\d*|double|half|u?int\d*|long|short|bool)"
)
_CLASSES = re.compile(
    r"(sklearn|scipy\.sparse|torch\.nn\.modules|ultralytics\.nn)(\.\w+)*\.(_?[A-Z]\w*|csr_matrix|csc_matrix|newObj|"
    r"__pyx_unpickle_\w+)"
)
_NEVER = frozenset({"_build_utils", "_testing", "conftest", "externals", "tests", "utils", "datasets"})
"""Parts of those packages that no model is made of, which hold other people's code or read files."""
_UTILS = re.compile(r"sklearn\.utils\.(_bunch\.Bunch|_tags\.\w+|deprecation\.\w+)")


def untrusted(names: Iterable[str], allowed: Collection[str] = ()) -> list[str]:
    """Those that are neither data nor allowed, sorted."""
    return sorted(name for name in names if name not in allowed and not is_data(name))


def is_data(name: str) -> bool:
    """Whether looking a name up, and calling what it stands for, does nothing but make data."""
    for old, new in _RENAMED:
        name = name.replace(old, new, 1) if name.startswith(old) else name
    if name in _DATA or _NUMBERS.fullmatch(name) or _UTILS.fullmatch(name):
        return True
    return bool(_CLASSES.fullmatch(name)) and _NEVER.isdisjoint(name.split("."))
