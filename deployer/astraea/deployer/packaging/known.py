"""Layers that were made before, known by what they are made of: finding one again takes no packing."""

import hashlib
from collections.abc import Callable

from ..files import cache_folder, write_atomically
from ..layers import Layer
from ..oci import ImageLayout


def digest_of(*parts: str) -> str:
    """One word for all of these."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def known_layer(layout: ImageLayout, key: str, make: Callable[[], Layer]) -> Layer:
    """The layer of this key, made if the layout has it no more. Needs `writing`.

    Args:
        layout: has it, or gets it.
        key: all that the layer depends on.
        make: makes it.
    """
    known = cache_folder() / "layers" / key
    diff_id, _, size = (known.read_text(encoding="utf-8") if known.is_file() else "").partition(" ")
    descriptor = layout.layer_of(diff_id) if diff_id else None
    if descriptor is not None:
        return Layer(descriptor, diff_id, int(size), written=False)
    layer = make()
    write_atomically(known, f"{layer.diff_id} {layer.unpacked_bytes}")
    return layer
