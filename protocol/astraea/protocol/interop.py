"""What has been found, as other libraries want it. They are imported when they are asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from .detection import Detection
from .errors import MissingExtraError

if TYPE_CHECKING:
    import supervision


def to_supervision(found: Sequence[Detection]) -> "supervision.Detections":
    """As `supervision.Detections`: https://supervision.roboflow.com/latest/detection/core/.

    `data` has `class_name`, and where anything has them `text` and the corners as oriented boxes (`xyxyxyxy`). The
    `class_id` is made of the label, so that a class keeps its colour from frame to frame.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        import supervision as sv  # noqa: PLC0415 - heavy, and few apps have it
        from supervision.config import CLASS_NAME_DATA_FIELD, ORIENTED_BOX_COORDINATES  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs the package {error.name!r}, which is not installed", hint="pip install 'astraea[supervision]'"
        ) from None
    import numpy as np  # noqa: PLC0415 - supervision has it

    data = {CLASS_NAME_DATA_FIELD: np.array([one.label for one in found], dtype=np.str_)}
    if any(one.text is not None for one in found):
        data["text"] = np.array([one.text or "" for one in found], dtype=np.str_)
    if any(one.corners is not None for one in found):
        data[ORIENTED_BOX_COORDINATES] = np.array([one.corners or _upright(one) for one in found], np.float32)
    return sv.Detections(
        xyxy=np.array([one.box for one in found], np.float32).reshape(-1, 4),
        confidence=np.array([one.score for one in found], np.float32),
        class_id=np.array([crc32(one.label.encode()) & 0x7FFF for one in found], np.int64),
        data=data,
    )


def _upright(one: Detection) -> tuple[tuple[float, float], ...]:
    x1, y1, x2, y2 = one.box
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)
