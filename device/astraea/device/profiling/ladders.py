"""Which encodings are worth measuring."""

from collections.abc import Iterable

from ..encoding import DEFAULT_QUALITY, Encoding

DEFAULT_SIDES = (None, 480, 384, 320, 256, 192)
"""Longer sides in pixels: about the inputs of small detectors, each some two thirds of the pixels of the one before."""
DEFAULT_QUALITIES = (DEFAULT_QUALITY, 60, 35)
"""Of JPEG: each takes about two thirds of the bytes of the one before."""


def ladder(sides: Iterable[int | None], qualities: Iterable[int]) -> list[Encoding]:
    """Every resolution in every quality."""
    levels = sorted(set(qualities), reverse=True)
    return [Encoding(quality, side) for side in dict.fromkeys(sides) for quality in levels]
