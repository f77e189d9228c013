"""The layer of an image's Python packages: made once for a lock, then known by it."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from ..files import cache_folder, write_atomically
from ..layers import Layer, write_layer
from ..oci import ImageLayout
from .dependencies import Platform, files_of, lock, unpacked
from .folder import LOCK_FILE

HOME = "opt/astraea"
"""Where packages lie in the image. Not in the base's site-packages: every base has those elsewhere."""
_RECIPE = 2  # raise it when the same lock is made into another layer


def locked(directory: Path, requirements: Sequence[str], platform: Platform) -> str:
    """The packages that requirements come to: those of the folder's lock, which is written when they have changed.

    Raises:
        BuildError: no set of packages meets them.
    """
    path = directory / LOCK_FILE
    header = f"# of {_digest(*requirements, platform.python)}\n"
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if before.startswith(header):
        return before
    text = header + lock(requirements, platform, before)
    write_atomically(path, text)
    return text


def packages_layer(layout: ImageLayout, text: str, platform: Platform, unread: Collection[str] = ()) -> Layer:
    """The layer of a lock's packages for a platform; unpacked only if the layout has it no more. Needs `writing`.

    Args:
        layout: has it, or gets it.
        text: the lock.
        platform: what the packages run on.
        unread: folders of theirs that the service does without.

    Raises:
        BuildError: a package can't be had.
    """
    known = cache_folder() / "packages" / _digest(text, *platform, *sorted(unread), str(_RECIPE))
    diff_id, _, size = (known.read_text(encoding="utf-8") if known.is_file() else "").partition(" ")
    descriptor = layout.layer_of(diff_id) if diff_id else None
    if descriptor is not None:
        return Layer(descriptor, diff_id, int(size), written=False)
    with unpacked(text, platform) as packages:
        files = {f"{HOME}/{path.relative_to(packages)}": path for path in files_of(packages, unread)}
        layer = write_layer(layout, files)
    write_atomically(known, f"{layer.diff_id} {layer.unpacked_bytes}")
    return layer


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
