import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from astraea.protocol import Box, Detection, Detections, Instance, Location, Problem, Result, ServerTiming, TimingError

milliseconds = st.floats(0, 1e6)
coordinates = st.floats(-1e4, 1e4)
boxes = st.builds(Box, coordinates, coordinates, coordinates, coordinates)


@given(st.builds(ServerTiming, **dict.fromkeys(ServerTiming.model_fields, milliseconds)))
def test_a_server_timing_header_reads_back_to_the_microsecond(timing: ServerTiming) -> None:
    read = ServerTiming.from_header(timing.to_header())
    for (_, before), (_, after) in zip(timing, read, strict=True):
        assert after == pytest.approx(before, abs=0.00051)


@pytest.mark.parametrize(
    "header",
    [
        'total;dur=12.5, cache;desc="hit, or miss"'.replace(", or miss", ""),
        "total; dur=12.5;desc=x,cpu;dur=1",
        "TOTAL;dur=1, total;DUR=12.5",
        ' total ;dur="12.5" ',
    ],
)
def test_metrics_and_parameters_of_others_are_passed_over(header: str) -> None:
    assert ServerTiming.from_header(header).total_ms == 12.5


@given(st.text(max_size=100))
def test_a_hostile_header_is_read_or_refused(header: str) -> None:
    try:
        timing = ServerTiming.from_header(header)
    except TimingError:
        return
    assert timing.total_ms >= 0


@pytest.mark.parametrize(
    "header", ["total;dur=soon", "total;dur=-1", "total;dur=nan", "total;dur=inf", "a b", "x" * 5000]
)
def test_a_header_that_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(TimingError):
        ServerTiming.from_header(header)


@given(
    st.lists(
        st.builds(Detection, label=st.text(max_size=10), score=st.floats(0, 1), box=boxes, text=st.none() | st.text()),
        max_size=5,
    )
)
def test_detections_read_back_as_they_were(found: list[Detection]) -> None:
    sent = Detections(detections=tuple(found))
    assert Detections.model_validate_json(sent.model_dump_json()) == sent


def test_a_box_travels_as_four_numbers() -> None:
    detection = Detection(label="car", score=1, box=Box(1, 2, 3, 4))
    assert '"box":[1.0,2.0,3.0,4.0]' in detection.model_dump_json()


@given(boxes, boxes)
def test_iou_is_a_share_and_the_same_both_ways(one: Box, other: Box) -> None:
    assert 0 <= one.iou(other) <= 1 + 1e-9
    assert one.iou(other) == pytest.approx(other.iou(one))


def test_iou_of_halves_is_a_third() -> None:
    assert Box(0, 0, 2, 2).iou(Box(1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert Box(0, 0, 2, 2).iou(Box(0, 0, 2, 2)) == 1
    assert Box(0, 0, 2, 2).iou(Box(5, 5, 6, 6)) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"},
        {"id": ""},
        {"service": "<script>"},
        {"url": "file:///etc/passwd"},
        {"url": "http://" + "x" * 3000},
        {"node": "a b"},
        {"tier": "device"},
        {"location": {"lat": 91, "lon": 0}},
        {"load": {"in_flight": -1}},
        {"surprise": 1},
    ],
)
def test_an_instance_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    good: dict[str, object] = {"id": "i", "service": "s", "revision": "1", "node": "n", "url": "http://h:1"}
    assert Instance.model_validate(good).tier == "edge"
    with pytest.raises(ValidationError):
        Instance.model_validate(good | change)


def test_an_unanswered_frame_is_not_one_in_which_nothing_was_found() -> None:
    nothing = Result(seq=0, captured_at=0, tier="edge", detections=(), predicted_ms=1, actual_ms=1, age_ms=1)
    outage = Result(seq=0, captured_at=0, tier=None, predicted_ms=1, actual_ms=1, age_ms=1, failure="gone")
    assert nothing.answered
    assert not outage.answered
    assert outage.detections is None


def test_a_problem_keeps_what_others_add_to_it() -> None:
    problem = Problem.model_validate_json('{"title": "Too large", "status": 413, "limit_bytes": 5}')
    assert problem.model_dump()["limit_bytes"] == 5


def test_a_place_is_on_earth() -> None:
    with pytest.raises(ValidationError):
        Location(lat=0, lon=181)
