"""Darknet's `.weights` files: a header, then float32 little-endian numbers, convolution after convolution.

The header is three int32 (major, minor, revision) and the number of images seen in training, which takes 8 bytes from
version 0.2 on and 4 before. A convolution has its biases, with batch normalisation then the scales, means and
variances, and last the kernel [filters, channels / groups, size, size]. Nothing says which layer a number is of: only
the sum of sizes shows that a file is not of a cfg.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DarknetWeightsError
from .network import Convolution

_VERSION = struct.Struct("<3i")
_EPSILON = 1e-6  # what Darknet adds to a variance


class Kernel(NamedTuple):
    """The numbers of one convolution, batch normalisation folded in."""

    weight: NDArray[np.float32]
    """filters x channels / groups x size x size."""
    bias: NDArray[np.float32]
    """filters."""


def read_weights(path: Path, convolutions: Sequence[Convolution]) -> Iterator[Kernel]:
    """The kernels of a network's convolutions, in order, each read when it is asked for.

    Raises:
        DarknetWeightsError: the file cannot be read, its size is not what the convolutions ask for (at once), or a
            convolution's numbers are not finite (when it is reached).
    """
    try:
        with path.open("rb") as file:
            header_bytes = _header_bytes(file.read(_VERSION.size), path)
        found_bytes = path.stat().st_size
        expected_bytes = header_bytes + 4 * sum(layer.number_count for layer in convolutions)
        if found_bytes != expected_bytes:
            raise DarknetWeightsError(
                f"{path.name} does not fit the cfg: expected {expected_bytes} bytes, found {found_bytes}",
                hint="fetch the file again, or look whether it belongs to this cfg",
            )
        values = np.memmap(path, np.uint8, mode="r")[header_bytes:].view("<f4")
    except OSError as error:
        raise DarknetWeightsError(f"cannot read {path}: {error.strerror}") from error
    return _kernels(values, convolutions, path)


def _header_bytes(version: bytes, path: Path) -> int:
    if len(version) < _VERSION.size:
        raise DarknetWeightsError(f"{path.name} has {len(version)} bytes, not even a header of {_VERSION.size + 4}")
    major, minor, _revision = _VERSION.unpack(version)
    if not (0 <= major <= 1000 and 0 <= minor <= 1000):
        raise DarknetWeightsError(f"{path.name} has version {major}.{minor}: no Darknet weights, or transposed ones")
    return _VERSION.size + (8 if major * 10 + minor >= 2 else 4)


def _kernels(values: NDArray[np.float32], convolutions: Sequence[Convolution], path: Path) -> Iterator[Kernel]:
    start = 0
    for layer in convolutions:
        end = start + layer.number_count
        kernel = _fold(values[start:end], layer)
        if not all(np.isfinite(part).all() for part in kernel):
            raise DarknetWeightsError(f"{path.name} has no usable numbers for the convolution at {layer.where}")
        yield kernel
        start = end


def _fold(values: NDArray[np.float32], layer: Convolution) -> Kernel:
    """Fold y = scale * (conv(x) - mean) / sqrt(variance + epsilon) + bias into a convolution with a bias."""
    shape = layer.kernel_shape
    filters = shape[0]
    if not layer.batch_normalize:
        return Kernel(values[filters:].reshape(shape), values[:filters])
    bias, scale, mean, variance = values[: 4 * filters].astype(np.float64).reshape(4, filters)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # what comes of it is looked at afterwards
        factor = scale / np.sqrt(variance + _EPSILON)
        weight = values[4 * filters :].reshape(shape) * factor.reshape(-1, 1, 1, 1).astype(np.float32)
        return Kernel(weight, (bias - mean * factor).astype(np.float32))
