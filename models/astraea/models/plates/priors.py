"""The geometry of the plate detector's output: its prior boxes, and how its numbers move them. Pure.

The detector is of the RetinaFace kind (Deng et al., 2019): at every cell of three grids it judges two square priors,
and says for each how far the plate's box and four corners lie from it, in units of the prior's size.
"""

import numpy as np
from numpy.typing import NDArray

# Stride of each grid and the sides of its two squares, all in pixels of the network's input.
_GRIDS = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2  # how the training scaled its targets

# The network's corner order is bottom right, bottom left, top left, top right; ours starts at the top left.
_CORNER_ORDER = (2, 3, 0, 1)


def prior_boxes(height: int, width: int) -> NDArray[np.float32]:
    """The priors for an input of this size in pixels, N x 3: centre x, centre y, side; in the network's order."""
    return np.concatenate([_grid(-(-height // stride), -(-width // stride), stride, sides) for stride, sides in _GRIDS])


def _grid(rows: int, columns: int, stride: int, sides: tuple[int, int]) -> NDArray[np.float32]:
    y, x, side = np.meshgrid(
        (np.arange(rows) + 0.5) * stride, (np.arange(columns) + 0.5) * stride, np.array(sides), indexing="ij"
    )
    return np.stack([x, y, side], axis=-1).reshape(-1, 3).astype(np.float32)


def decode_boxes(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes N x 4 (x1, y1, x2, y2) in pixels of the input, from the output `loc` N x 4 for these priors."""
    centre = priors[:, :2] + _CENTRE_VARIANCE * offsets[:, :2] * priors[:, 2:]
    half = priors[:, 2:] * np.exp(_SIZE_VARIANCE * offsets[:, 2:]) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def decode_corners(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners N x 4 x 2 (from the top left, clockwise) in pixels, from the output `landms` N x 8 for these priors."""
    ordered = offsets.reshape(-1, 4, 2)[:, _CORNER_ORDER]
    corners: NDArray[np.float32] = priors[:, None, :2] + _CENTRE_VARIANCE * ordered * priors[:, None, 2:]
    return corners
