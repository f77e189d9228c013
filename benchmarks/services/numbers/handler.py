"""Reads the number that `benchmarks.pairing.numbered` draws on a picture; null when it can't be read."""

from typing import Any

from astraea.edge_server import Image


def predict(model: None, image: Image) -> dict[str, Any]:  # noqa: ARG001 - there is no model to it
    """Read both rows of 14 blocks of 16 x 16 pixels: the second must say the opposite of the first."""
    inside = [image[row * 16 + 4 : row * 16 + 12, :224].reshape(8, 14, 16, 3)[:, :, 4:12] for row in range(2)]
    bits, opposite = (blocks.mean(axis=(0, 2, 3)) > 128 for blocks in inside)
    readable = bool((bits != opposite).all())
    return {"number": int("".join(str(int(bit)) for bit in bits), 2) if readable else None}
