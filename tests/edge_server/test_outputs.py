"""What a handler may return, and what the reply says then."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from astraea.edge_server.outputs import encode_output
from astraea.protocol import Box, Detection, Detections

CAR = Detection(label="car", score=0.5, box=Box(1, 2, 3, 4))


@dataclass
class Point:
    x: int


def test_a_list_of_detections_is_read_back_as_such() -> None:
    assert Detections.model_validate_json(encode_output([CAR])).detections == (CAR,)


@pytest.mark.parametrize(("annotation", "expected"), [(list[Detection], {"detections": []}), (None, {"output": []})])
def test_an_empty_list_is_what_the_handler_says_it_returns(annotation: Any, expected: Any) -> None:
    assert json.loads(encode_output([], annotation)) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        (CAR, {"label": "car", "score": 0.5, "box": [1, 2, 3, 4], "corners": None, "text": None, "text_score": None}),
        (3, {"output": 3}),
        (None, {"output": None}),
        ("x", {"output": "x"}),
        ([CAR, 1], {"output": [json.loads(CAR.model_dump_json()), 1]}),
        (np.float32(0.5), {"output": 0.5}),
        (np.array([[1, 2]]), {"output": [[1, 2]]}),
        ({"p": np.array([0.5])}, {"p": [0.5]}),
        (float("nan"), {"output": None}),
        (Point(1), {"output": {"x": 1}}),
    ],
)
def test_anything_json_can_say_is_an_answer(output: Any, expected: Any) -> None:
    assert json.loads(encode_output(output)) == expected


def test_what_json_cannot_say_is_named() -> None:
    with pytest.raises(ValueError, match="object"):
        encode_output({"odd": object()})
