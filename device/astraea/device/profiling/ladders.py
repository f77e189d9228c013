"""Which encodings are worth measuring."""

from collections.abc import Iterable, Sequence

from ..encoding import DEFAULT_QUALITY, Encoding
from ..errors import ProfileError
from ..profile import LEAST_SIDE

DEFAULT_SIDES = (None, 480, 384, 320, 256, 192)
"""Longer sides in pixels: about the inputs of small detectors, each some two thirds of the pixels of the one before."""
DEFAULT_QUALITIES = (DEFAULT_QUALITY, 60, 35)
"""Of JPEG: each takes about two thirds of the bytes of the one before."""


def ladder(sides: Sequence[int | None], qualities: Iterable[int]) -> list[Encoding]:
    """Every resolution in every quality.

    Raises:
        ProfileError: a side is smaller than a profile can tell of.
    """
    if small := [side for side in sides if side is not None and side < LEAST_SIDE]:
        raise ProfileError(f"a side of {small[0]} pixels is too small", hint=f"from {LEAST_SIDE} pixels on")
    levels = sorted(set(qualities), reverse=True)
    return [Encoding(quality, side) for side in dict.fromkeys(sides) for quality in levels]
