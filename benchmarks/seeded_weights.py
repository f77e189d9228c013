"""Weights that a seed makes for any Darknet network, for tests and benchmarks."""

from pathlib import Path

import numpy as np

from astraea.models.darknet.network import Convolution, Network, Shortcut, Yolo

# Most layers keep the variance. What shortcuts add up is small, and so is what the heads take the exponential of.
_GAINS: dict[type, float] = {Shortcut: 0.1, Yolo: 0.5}


def write_weights(path: Path, network: Network, *, seed: int = 0) -> None:
    """Write random weights under which activations neither die out nor explode, however deep the network is."""
    random = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(np.array([0, 2, 5], "<i4").tobytes() + np.array([32_013], "<i8").tobytes())
        for layer, after in zip(network.layers, [*network.layers[1:], None], strict=True):
            if isinstance(layer, Convolution):
                file.write(_numbers(layer, _GAINS.get(type(after), 1.3), random).astype("<f4").tobytes())


def _numbers(
    layer: Convolution, gain: float, random: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    filters, *window = layer.kernel_shape
    vectors = [random.normal(0, 0.2, filters)]
    if layer.batch_normalize:
        vectors += [
            random.uniform(0.8, 1.2, filters),
            random.normal(0, 0.2, filters),
            random.uniform(0.5, 1.5, filters),
        ]
    kernel = random.standard_normal(filters * np.prod(window), np.float32) * np.float32(gain / np.sqrt(np.prod(window)))
    return np.concatenate([*vectors, kernel], dtype=np.float32)
