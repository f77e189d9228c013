"""How much two answers differ: a number that behaves, whatever the answers are."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.outputs import encode_output
from astraea.edge_server.shadowing.comparing import disagreement
from astraea.protocol import Box, Detection

BOXES = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height),
    *(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)),
)
DETECTIONS = st.lists(
    st.builds(Detection, label=st.sampled_from(["car", "plate"]), score=st.floats(0, 1), box=BOXES), max_size=8
)
ANSWERS = DETECTIONS.map(lambda found: encode_output(found, list[Detection]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.floats(-10, 10) | st.text(max_size=3),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=2), parts, max_size=3),
    max_leaves=8,
)


def found(*boxes: Box, label: str = "car", text: str | None = None) -> bytes:
    things = [Detection(label=label, score=0.5, box=box, text=text) for box in boxes]
    return encode_output(things, list[Detection])


def answer(value: Any) -> bytes:
    return json.dumps(value).encode()


@given(ANSWERS, ANSWERS)
def test_it_is_a_share_and_the_same_from_both_sides(one: bytes, other: bytes) -> None:
    assert 0 <= disagreement(one, other) <= 1
    assert disagreement(one, other) == disagreement(other, one)


@given(DETECTIONS, st.randoms())
def test_neither_order_nor_score_of_detections_matters(things: list[Detection], chance: random.Random) -> None:
    others = [thing.model_copy(update={"score": chance.random()}) for thing in things]
    chance.shuffle(others)
    assert disagreement(encode_output(things, list[Detection]), encode_output(others, list[Detection])) == 0


@given(st.integers(1, 8), st.integers(0, 8))
def test_what_only_one_finds_counts_by_f1(both: int, more: int) -> None:
    row = [Box(20 * place, 0, 20 * place + 10, 10) for place in range(both + more)]
    assert disagreement(found(*row[:both]), found(*row)) == pytest.approx(1 - 2 * both / (2 * both + more))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (found(), found(), 0),
        (found(), found(Box(0, 0, 10, 10)), 1),
        (found(Box(0, 0, 10, 10)), found(Box(0, 0, 10, 5)), 0),  # IoU 0.5
        (found(Box(0, 0, 10, 10)), found(Box(0, 0, 10, 4)), 1),
        (found(Box(0, 0, 10, 10)), found(Box(0, 0, 10, 10), label="bus"), 1),
        (found(Box(0, 0, 10, 10), text="A1"), found(Box(0, 0, 10, 10), text="A7"), 1),
        # The first box of either suits both of the other's: all find a partner all the same.
        (found(Box(0, 0, 10, 10), Box(0, 3, 10, 13)), found(Box(0, 1, 10, 11), Box(0, -3, 10, 7)), 0),
        (found(Box(0, 0, 10, 10)), answer({"error": "none"}), 1),
        (found(Box(0, 0, 10, 10)), b"<html>", 1),
        (answer({"hello": "you"}), answer({"hello": "you"}), 0),
        (answer({"hello": "you"}), answer({"hello": "they"}), 1),
        (answer({"a": 1, "b": [2.0]}), answer({"b": [2.01], "a": 1}), 0),
        (answer({"a": 1.0}), answer({"a": 1.1}), 1),
        (answer({"a": True}), answer({"a": 1}), 1),
        (
            answer({"classes": [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}]}),
            answer({"classes": [{"label": "cat", "score": 0.4}]}),
            0,
        ),
        (
            answer({"classes": [{"label": "cat", "score": 0.9}]}),
            answer({"classes": [{"label": "dog", "score": 0.9}]}),
            1,
        ),
    ],
)
def test_answers_are_compared_by_what_they_are(one: bytes, other: bytes, expected: float) -> None:
    assert disagreement(one, other) == disagreement(other, one) == expected


@given(JSON, JSON)
def test_any_json_agrees_with_itself_and_nothing_breaks_it(one: Any, other: Any) -> None:
    assert disagreement(answer(one), json.dumps(one, indent=1).encode()) == 0
    assert disagreement(answer(one), answer(other)) in {0, 1}


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_compared(one: bytes, other: bytes) -> None:
    assert disagreement(one, one) == 0
    assert 0 <= disagreement(one, other) <= 1


def test_very_many_boxes_on_one_spot_are_compared() -> None:
    many = found(*[Box(0, 0, 10, 10)] * 1500)
    assert disagreement(many, many + b" ") == 0
