"""From what a handler returns to the JSON of the reply."""

import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import to_json

from astraea.protocol import Detection


def encode_output(output: Any, annotation: Any = None) -> bytes:
    """The body of the reply to what `predict` returned.

    A list of detections becomes `{"detections": [...]}`; a mapping, dataclass or pydantic model is taken as it is;
    anything else becomes `{"output": ...}`. Arrays become nested lists, numbers that are not finite become null.

    Args:
        output: What was returned.
        annotation: What `predict` says it returns: it tells an empty list of detections from any other empty list.

    Raises:
        ValueError: JSON can't say it. (`PydanticSerializationError` is one.)
    """
    if not isinstance(output, Mapping | BaseModel):
        output = {"detections" if _are_detections(output, annotation) else "output": output}
    return to_json(output, inf_nan_mode="null", fallback=_plain)


def _are_detections(output: Any, annotation: Any) -> bool:
    if not isinstance(output, list | tuple):
        return False
    if not output:
        return Detection in typing.get_args(annotation)
    return all(isinstance(item, Detection) for item in output)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise ValueError(f"{type(value).__name__} can't be written as JSON")
