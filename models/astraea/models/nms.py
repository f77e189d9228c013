"""Of boxes that show the same thing, keeping the best."""

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_CANDIDATES = 3000  # suppression takes quadratic time; more than this only noise reaches


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.intp], *, iou: float
) -> NDArray[np.intp]:
    """Non-maximum suppression within each class: boxes of different classes never suppress one another.

    Args:
        boxes: N x 4: x1, y1, x2, y2.
        scores: N.
        classes: N.
        iou: Intersection over union with a better box of its class above which a box goes, 0 to 1.

    Returns:
        The indices of what stays, best first.
    """
    best = np.argsort(-scores, kind="stable")[:_MAX_CANDIDATES]
    sides = boxes[best].astype(np.float64)
    sides[:, 2:] -= sides[:, :2]  # OpenCV's rectangles have width and height
    # Nothing is below a score threshold of -1: what is too weak is not even offered here.
    kept = cv2.dnn.NMSBoxesBatched(sides.tolist(), scores[best].tolist(), classes[best].tolist(), -1.0, iou)
    return best[np.sort(np.asarray(kept, np.intp))]
