"""The Python packages of an image: resolved and unpacked on this machine for another one, by uv, without running any.

Wheels are unpacked, never built, so an arm64 image comes about on an amd64 machine without emulation.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from uv import find_uv_bin

from ..errors import BuildError

Architecture = Literal["amd64", "arm64"]
"""As Go and OCI name them."""

# Debian 12, which the default base is made of, has glibc 2.36 (https://peps.python.org/pep-0600/).
_UV_PLATFORMS: dict[Architecture, str] = {"amd64": "x86_64-manylinux_2_36", "arm64": "aarch64-manylinux_2_36"}
_SCRIPTS = "bin"
_TESTS = frozenset({"test", "tests"})
_UNUSED_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".a"})
"""What a running service never reads: type stubs, sources of what is compiled."""
_LAST_LINES = 6


def parse_platforms(text: str) -> tuple[Architecture, ...]:
    """Read `linux/amd64,linux/arm64`.

    Raises:
        BuildError: there is one that images can't be made for.
    """
    known: dict[str, Architecture] = {f"linux/{architecture}": architecture for architecture in _UV_PLATFORMS}
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise BuildError(f"--platform: images can't be made for {name!r}", hint=f"only for {', '.join(known)}")
    return tuple(dict.fromkeys(known[name] for name in names))


class Platform(NamedTuple):
    """What an image's packages are to run on."""

    architecture: Architecture
    python: str
    """Its minor version, e.g. `3.11`."""

    @property
    def options(self) -> list[str]:
        """For uv."""
        return ["--python-platform", _UV_PLATFORMS[self.architecture], "--python-version", self.python]


def lock(requirements: Sequence[str], platform: Platform, pinned: str = "") -> str:
    """Settle the version and hashes of every package that the requirements need.

    Args:
        requirements: as in a `requirements.txt`.
        platform: what they are to run on.
        pinned: an earlier lock; its versions stay where the requirements let them.

    Returns:
        A `requirements.txt` with hashes.

    Raises:
        BuildError: they can't be had together, or not for this platform.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, result = Path(folder, "requirements.in"), Path(folder, "requirements.txt")
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        result.write_text(pinned, encoding="utf-8")
        options = ["--generate-hashes", "--no-annotate", "--no-header", "--only-binary", ":all:", *platform.options]
        _uv(["pip", "compile", str(wanted), "--output-file", str(result), *options], "no set of packages does")
        return result.read_text(encoding="utf-8")


@contextmanager
def unpacked(locked: str, platform: Platform) -> Iterator[Path]:
    """A folder with the packages of a lock, as they lie in `site-packages`; uv's cache keeps what was downloaded.

    Raises:
        BuildError: one can't be downloaded, or is not what its hash says.
    """
    with tempfile.TemporaryDirectory(prefix="astraea-packages-") as folder:
        wanted, target = Path(folder, "requirements.txt"), Path(folder, "packages")
        wanted.write_text(locked, encoding="utf-8")
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target)]
        options += ["--python", sys.executable]
        _uv(["pip", "install", *options, "--requirement", str(wanted), *platform.options], "packages can't be had")
        (target / ".lock").unlink(missing_ok=True)  # uv's own
        _forget_scripts(target)
        yield target


def _forget_scripts(packages: Path) -> None:
    """Take scripts out of the records: their hashes are of this machine's interpreter, whose path they begin with."""
    for record in packages.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.unlink()  # it may be a link into uv's cache
        record.write_text("".join(line for line in lines if not line.startswith("bin/")), encoding="utf-8")


def files_of(packages: Path, unread: Collection[str] = ()) -> Iterator[Path]:
    """The files below the folder that belong into an image; `unread` are patterns of what doesn't.

    Scripts and packages' own tests don't either, as far as nothing imports these.
    """
    left_out = {packages / _SCRIPTS, *(path for pattern in unread for path in packages.glob(pattern))}
    for folder, folders, names in os.walk(packages):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if name != "__pycache__"
            and here / name not in left_out
            and (name not in _TESTS or _is_imported(here / name, packages))
        ]
        files = (here / name for name in names)
        yield from (path for path in files if path.suffix not in _UNUSED_SUFFIXES and path not in left_out)


def _is_imported(package: Path, packages: Path) -> bool:
    """Whether a package is imported whenever one that it lies in is: TensorFlow has `test` folders in its interface."""
    name, above = package.name, package.relative_to(packages).parents
    parent = ".".join(above[0].parts)
    pattern = re.compile(rf"^\s*from ({re.escape(parent)}|\.)( import .*\b{name}\b|\.?{name}\b)", re.MULTILINE)
    modules = (packages / folder / "__init__.py" for folder in above[:-1])
    return any(pattern.search(path.read_text(encoding="utf-8", errors="replace")) for path in modules if path.is_file())


def _uv(arguments: Sequence[str], failure: str) -> None:
    ended = subprocess.run(  # noqa: S603 - our own command line
        [find_uv_bin(), *arguments, "--quiet", "--no-progress"], capture_output=True, check=False, text=True
    )
    if ended.returncode != 0:
        reason = "\n".join(ended.stderr.strip().splitlines()[-_LAST_LINES:])
        raise BuildError(f"{failure}:\n{reason}", hint="the index is set by UV_DEFAULT_INDEX; `requirements.txt` pins")
