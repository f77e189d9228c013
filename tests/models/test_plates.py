"""Plates found, straightened and read.

What real plates say is compared outside `assert`, which would show it when it fails.
"""

import csv
import shutil
from itertools import groupby, pairwise
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from astraea.models import ModelFileError, PlateRecognizer
from astraea.models.plates.ctc import greedy_decode
from astraea.models.plates.priors import decode_boxes, decode_corners, prior_boxes
from astraea.models.plates.reader import straighten
from benchmarks.plates import confusions, measure

CHARACTERS = "0123456789ABC"


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A text, and a path that spells it: each character for some steps, blanks where equal ones meet and elsewhere."""
    text = draw(st.text(CHARACTERS, max_size=9))
    path = [0] * draw(st.integers(0, 2))
    for current, following in pairwise([*text, None]):
        path += [CHARACTERS.index(str(current)) + 1] * draw(st.integers(1, 3))
        path += [0] * draw(st.integers(int(current == following), 2))
    return text, path


@given(spellings(), st.randoms(use_true_random=False))
def test_every_path_that_spells_a_text_is_read_as_it(spelling: tuple[str, list[int]], random: Random) -> None:
    text, path = spelling
    certainties = [random.uniform(0.6, 1.0) for _ in path]
    probabilities = np.zeros((len(path), len(CHARACTERS) + 1), np.float32)
    for row, label, certainty in zip(probabilities, path, certainties, strict=True):
        row[:] = (1 - certainty) / len(CHARACTERS)
        row[label] = certainty
    reading = greedy_decode(probabilities, CHARACTERS)
    runs = [list(run) for label, run in groupby(zip(path, certainties, strict=True), lambda step: step[0]) if label]
    assert reading.text == text
    assert reading.score == pytest.approx(min((max(c for _, c in run) for run in runs), default=0), rel=1e-6)


sizes = st.integers(1, 700)


@given(sizes, sizes)
def test_priors_cover_every_cell_of_three_grids_twice(height: int, width: int) -> None:
    priors = prior_boxes(height, width)
    cells = [-(-height // stride) * -(-width // stride) for stride in (8, 16, 32)]
    assert priors.shape == (2 * sum(cells), 3)
    assert priors[:2].tolist() == [[4, 4, 24], [4, 4, 48]]
    assert priors[2 * cells[0]].tolist() == [8, 8, 96]
    last_row, last_column = -(-height // 32) - 1, -(-width // 32) - 1
    assert priors[-1].tolist() == [(last_column + 0.5) * 32, (last_row + 0.5) * 32, 768]
    assert (np.diff(priors[: 2 * cells[0], 1]) >= 0).all()  # row by row


def test_offsets_of_zero_leave_the_prior() -> None:
    priors = np.array([[100, 60, 48]], np.float32)
    assert decode_boxes(np.zeros((1, 4), np.float32), priors).tolist() == [[76, 36, 124, 84]]
    assert decode_corners(np.zeros((1, 8), np.float32), priors).tolist() == [[[100, 60]] * 4]


def test_corner_offsets_are_reordered_to_start_at_the_top_left() -> None:
    bottom_right, bottom_left, top_left, top_right = (10, 5), (-10, 5), (-10, -5), (10, -5)
    offsets = np.array([[*bottom_right, *bottom_left, *top_left, *top_right]], np.float32)
    corners = decode_corners(offsets, np.array([[100, 60, 48]], np.float32))
    assert corners[0].tolist() == [[52, 36], [148, 36], [148, 84], [52, 84]]


@given(st.floats(0.3, 8), st.floats(-0.6, 0.6), st.floats(0.8, 1.2))
def test_a_tilted_plate_is_straightened(scale: float, angle: float, taper: float) -> None:
    """A picture of quarters in two colours, seen askew, comes back upright whatever its size."""
    plate = np.zeros((32, 152, 3), np.uint8)
    plate[:16, :76] = plate[16:, 76:] = (250, 20, 20)
    square = np.array([[-76, -16], [76, -16], [76, 16], [-76, 16]], np.float32)
    square[:2, 0] *= taper
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = (square @ turn * scale + 800).astype(np.float32)
    upright = np.array([[0, 0], [152, 0], [152, 32], [0, 32]], np.float32)
    scene = cv2.warpPerspective(plate, cv2.getPerspectiveTransform(upright, corners), (1600, 1600))
    seen = straighten(np.asarray(scene, np.uint8), corners, 152)
    margin = 6  # pixels beside the edges, which a small scene blurs
    for rows, columns in ((slice(0, 16), slice(0, 76)), (slice(16, 32), slice(76, 152))):
        assert seen[rows, columns][margin:-margin, margin:-margin, 0].mean() > 200
    assert seen[:16, 76:][margin:-margin, margin:-margin, 0].mean() < 50


def test_corners_outside_the_image_are_read_from_its_edge() -> None:
    image = np.full((40, 60, 3), 128, np.uint8)
    corners = np.array([[-30, -10], [50, -12], [52, 20], [-30, 22]], np.float32)
    assert (straighten(image, corners, 152) == 128).all()
    assert straighten(image, corners + 500, 152).shape == (32, 152, 3)


@pytest.fixture(scope="module")
def recognizer(plates_model: Path) -> PlateRecognizer:
    return PlateRecognizer(plates_model, threads=1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (480, 640), (300, 40_000), (5000, 7000)], ids=str)
def test_an_image_of_any_shape_without_plates_gives_nothing(
    recognizer: PlateRecognizer, shape: tuple[int, int]
) -> None:
    assert recognizer.detect(np.full((*shape, 3), 90, np.uint8)) == []


def photo(shared_data: Path, name: str) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(shared_data / "plates" / "images" / name))
    assert bgr is not None
    return np.asarray(bgr[..., ::-1])  # RGB by a view, which must do as well as a copy


def test_corners_follow_the_plate_in_reading_order(recognizer: PlateRecognizer, shared_data: Path) -> None:
    distances = []
    with (shared_data / "plates" / "labels.csv").open(encoding="utf-8") as labels:
        for row in csv.DictReader(labels):
            if not row["corners_rb_lb_lt_rt"]:
                continue
            points = np.array([point.split(",") for point in row["corners_rb_lb_lt_rt"].split()], float)
            found = recognizer.detect(photo(shared_data, Path(row["file"]).name))[0]
            distance = np.linalg.norm(np.array(found.corners) - points[[2, 3, 0, 1]], axis=1)
            distances.append(distance.max() / np.linalg.norm(points[0] - points[1]))
    assert len(distances) > 10
    assert np.median(distances) < 0.08  # of the plate's width


def test_a_plate_in_a_giant_image_is_read_the_same(recognizer: PlateRecognizer, shared_data: Path) -> None:
    image = photo(shared_data, "ccpd_05.jpg")
    (found,) = recognizer.detect(image)
    (giant,) = recognizer.detect(np.asarray(cv2.resize(image, None, fx=8, fy=8), np.uint8))
    reads_the_same = giant.text == found.text
    assert reads_the_same
    assert giant.box.area == pytest.approx(64 * found.box.area, rel=0.1)


def test_a_text_of_which_a_character_is_doubtful_is_left_out(plates_model: Path, shared_data: Path) -> None:
    strict = PlateRecognizer(plates_model, text_confidence=1.1, threads=1)
    (found,) = strict.detect(photo(shared_data, "ccpd_05.jpg"))
    is_read = found.text is not None or found.text_score is not None
    assert not is_read


def test_plates_of_real_photos_are_found_and_read(plates_model: Path, shared_data: Path) -> None:
    figures = measure(plates_model, shared_data / "plates", threads=2)
    assert figures.chinese_plates == 21
    assert figures.chinese_found >= 20
    assert figures.chinese_read_exactly >= 19
    assert figures.foreign_found >= 8
    assert figures.false_alarms == 0
    assert figures.crops_read_exactly >= 58


@pytest.mark.parametrize(
    ("reading", "pairs"),
    [
        ("A1B23", []),
        ("A1823", ["B>8"]),
        ("A123", ["B>-"]),
        ("A1BB23", ["->B"]),
        ("", ["A>-", "1>-", "B>-", "2>-", "3>-"]),
    ],
)
def test_confusions_are_pairs_of_characters(reading: str, pairs: list[str]) -> None:
    assert list(confusions("A1B23", reading)) == pairs


def test_a_folder_without_the_models_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"detector\.onnx"):
        PlateRecognizer(tmp_path)


@pytest.fixture
def spoilt_model(plates_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plates_model, tmp_path / "model"))


def test_characters_that_are_not_the_reader_s_are_refused(spoilt_model: Path) -> None:
    (spoilt_model / "characters.txt").write_text("A\nB\n")
    with pytest.raises(ModelFileError, match=r"73 classes apart, but .* has 2 characters"):
        PlateRecognizer(spoilt_model)


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd", b"A\n" * 50_000, None], ids=["no text", "too long", "missing"])
def test_characters_that_are_no_list_are_refused(spoilt_model: Path, content: bytes | None) -> None:
    (spoilt_model / "characters.txt").unlink()
    if content is not None:
        (spoilt_model / "characters.txt").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"characters\.txt"):
        PlateRecognizer(spoilt_model)


def test_another_model_in_the_detector_s_place_is_refused(spoilt_model: Path) -> None:
    shutil.copy(spoilt_model / "reader.onnx", spoilt_model / "detector.onnx")
    with pytest.raises(ModelFileError, match="no plate detector"):
        PlateRecognizer(spoilt_model)
