"""Bytecode of an image's modules, made here so that no start of an instance compiles them: its files are read-only."""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from uv import find_uv_bin

from ..errors import BuildError
from ..layers import Layer, write_layer
from ..oci import ImageLayout

_SCRIPT = Path(__file__).with_name("compile_modules.py")
_ALONE = ("-s", "-S", "-W", "ignore", "-c")
"""Not -I, which would have it pass over PYTHONHASHSEED."""
_DESCRIBE = "import platform, sys; print(sys.implementation.cache_tag, platform.python_version())"


class Compiler(NamedTuple):
    """An interpreter of this machine."""

    executable: str
    tag: str
    """Of its bytecode's file names, e.g. `cpython-311`."""
    version: str

    def __str__(self) -> str:
        return self.version


def find_compiler(python: str) -> Compiler | None:
    """An interpreter of this minor version, such as `3.11`; None if this machine has none.

    Whether there is one, and which patch release it is, makes a difference to the image's digest.
    """
    if python == f"{sys.version_info.major}.{sys.version_info.minor}" and sys.implementation.cache_tag:
        return Compiler(sys.executable, sys.implementation.cache_tag, platform.python_version())
    executable = _output(
        [find_uv_bin(), "python", "find", "--no-project", "--no-config", "--offline", f"cpython@{python}"]
    )
    tag, _, version = _output([executable, *_ALONE, _DESCRIBE]).partition(" ") if executable else ("", "", "")
    return Compiler(executable, tag, version) if version.startswith(f"{python}.") else None


def compiled(files: Mapping[str, Path], compiler: Compiler, into: Path) -> dict[str, Path]:
    """Compile the modules among an image's files.

    Args:
        files: by their path in the image.
        compiler: of the image's version of Python.
        into: a folder for the bytecode.

    Returns:
        The bytecode's files by their path in the image, without those of modules that don't compile.

    Raises:
        BuildError: the interpreter fails.
    """
    modules = sorted(name for name in files if name.endswith(".py"))
    made = {name: (_cached(name, compiler.tag), into / f"{number}.pyc") for number, name in enumerate(modules)}
    lines = "".join(
        f"{json.dumps([str(files[name].absolute()), f'/{name}', str(target)])}\n" for name, (_, target) in made.items()
    )
    ended = subprocess.run(  # noqa: S603 - our own script
        [compiler.executable, *_ALONE, _SCRIPT.read_text(encoding="utf-8")],
        input=lines,
        capture_output=True,
        check=False,
        text=True,
        cwd="/",
        env={"PYTHONHASHSEED": "0"},  # sets in constants are written in their order
    )
    if ended.returncode != 0:
        raise BuildError(f"{compiler.executable} can't compile modules: {ended.stderr.strip().splitlines()[-1:]}")
    return {cached: target for cached, target in made.values() if target.is_file()}


def write_compiled_layer(layout: ImageLayout, files: Mapping[str, Path], compiler: Compiler | None) -> Layer:
    """A layer of files and of their modules' bytecode, if there is what makes it. Needs `writing`.

    Raises:
        BuildError: a file can't be packed, or the interpreter fails.
    """
    if compiler is None:
        return write_layer(layout, files)
    with tempfile.TemporaryDirectory(prefix="astraea-bytecode-") as folder:
        return write_layer(layout, {**files, **compiled(files, compiler, Path(folder))})


def _cached(name: str, tag: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc")


def _output(command: list[str]) -> str:
    """What a command prints; nothing if it fails."""
    ended = subprocess.run(command, capture_output=True, check=False, text=True, cwd="/")  # noqa: S603 - ours
    return ended.stdout.strip() if ended.returncode == 0 else ""
