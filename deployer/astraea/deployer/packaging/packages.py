"""The layer of an image's Python packages: made once for a lock, then known by it."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ..files import write_atomically
from ..layers import Layer
from ..oci import ImageLayout
from .bytecode import Compiler, write_compiled_layer
from .dependencies import Platform, files_of, lock, unpacked
from .folder import LOCK_FILE
from .known import digest_of, known_layer

HOME = "opt/astraea"
"""Where packages lie in the image. Not in the base's site-packages: every base has those elsewhere."""
_RECIPE = 4  # raise it when the same lock is made into another layer


def locked(directory: Path, requirements: Sequence[str], platform: Platform) -> str:
    """The packages that requirements come to: those of the folder's lock, which is written when they have changed.

    Raises:
        BuildError: no set of packages meets them.
    """
    path = directory / LOCK_FILE
    header = f"# of {digest_of(*requirements, platform.python)}\n"
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if before.startswith(header):
        return before
    text = header + lock(requirements, platform, before)
    write_atomically(path, text)
    return text


def packages_layer(
    layout: ImageLayout, text: str, platform: Platform, unread: Collection[str] = (), compiler: Compiler | None = None
) -> Layer:
    """The layer of a lock's packages for a platform; unpacked only if the layout has it no more. Needs `writing`.

    Args:
        layout: has it, or gets it.
        text: the lock.
        platform: what the packages run on.
        unread: parts of theirs that the service does without.
        compiler: makes their bytecode; None for none.

    Raises:
        BuildError: a package can't be had.
    """

    def make() -> Layer:
        with unpacked(text, platform) as packages:
            files = {f"{HOME}/{path.relative_to(packages)}": path for path in files_of(packages, unread)}
            return write_compiled_layer(layout, files, compiler)

    return known_layer(layout, digest_of(text, *platform, *sorted(unread), str(compiler), str(_RECIPE)), make)
