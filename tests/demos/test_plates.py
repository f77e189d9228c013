"""The plate demo: each car once, what privacy hides, the log, the page, and a whole run on real photos."""

import csv
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from astraea.device import open_camera
from astraea.protocol import Box, Detection, Result
from demos.plates.__main__ import watch
from demos.plates.journal import FIELDS, Journal, JournalError, Recorder
from demos.plates.page import Page, PageError, serving
from demos.plates.privacy import KeyedHash, Privacy, mask, protector
from demos.plates.tracks import Sighting, Tracks
from tests.conftest import complaints

TEXTS = st.text(alphabet="京沪ABCDEFG0123456789", min_size=1, max_size=8)
SIGHTING = Sighting("A1B23", 0.75, first_s=100.0, last_s=101.5, frames=9, remote_frames=4)


def plate(x: float, text: str | None, score: float = 0.9, y: float = 100) -> Detection:
    return Detection(
        label="plate", score=0.9, box=Box(x, y, x + 100, y + 30), text=text, text_score=score if text else None
    )


def seen(*frames: Sequence[Detection], every_s: float = 0.1) -> list[Sighting]:
    tracks = Tracks()
    passed = [s for n, frame in enumerate(frames) for s in tracks.see(frame, n * every_s, remote=n % 2 == 0)]
    return passed + tracks.end()


def test_a_car_is_told_of_once_with_the_reading_that_most_frames_agree_on() -> None:
    [car] = seen([plate(0, "1B23")], [plate(40, "A1B23")], [plate(80, "A1B23")], [plate(120, "A1823", 0.7)])
    assert (car.plate, car.frames, car.remote_frames) == ("A1B23", 4, 2)
    assert car.first_s == 0
    assert car.last_s == pytest.approx(0.3)
    assert car.agreement == pytest.approx(1.8 / 3.4)


def test_two_cars_side_by_side_stay_two() -> None:
    frames = [[plate(50 * n, "A1B23"), plate(300 - 50 * n, "C9D87")] for n in range(7)]
    assert sorted(str(car.plate) for car in seen(*frames)) == ["A1B23", "C9D87"]
    assert {car.frames for car in seen(*frames)} == {7}


def test_another_car_in_the_same_place_is_another_car() -> None:
    assert [car.plate for car in seen([plate(0, "A1B23")], [plate(0, "C9D87")])] == ["A1B23", "C9D87"]


def test_a_car_that_comes_again_later_is_told_of_again() -> None:
    assert [car.plate for car in seen([plate(0, "A1B23")], [plate(0, "A1B23")], every_s=5)] == ["A1B23", "A1B23"]


def test_what_is_seen_for_a_moment_and_not_read_is_noise_and_else_an_unread_car() -> None:
    assert seen([plate(0, None)], [], [plate(0, None)], []) == []
    [car] = seen(*[[plate(0, None)]] * 3)
    assert (car.plate, car.agreement, car.frames) == (None, 0, 3)


@pytest.fixture(scope="module")
def street() -> list[tuple[Detection, ...]]:
    """The plates in twelve seconds of the painted street."""
    with open_camera("synthetic:?frames=120&seed=3") as camera:
        return [frame.truth or () for frame in camera]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_car_of_the_street_is_told_of_once_however_many_frames_are_left_out(
    street: list[tuple[Detection, ...]], every: int
) -> None:
    frames = street[::every]
    expected = {str(found.text) for frame in frames for found in frame}
    assert len(expected) > 4
    assert sorted(str(car.plate) for car in seen(*frames, every_s=every / 10)) == sorted(expected)


def test_ctrl_c_tells_of_the_cars_in_view() -> None:
    def results() -> Iterator[Result]:
        yield Result(
            seq=0, captured_at=1, tier="edge", detections=(plate(0, "A1B23"),), predicted_ms=9, actual_ms=9, age_ms=9
        )
        raise KeyboardInterrupt

    told: list[Sighting] = []
    assert watch(results(), told.append, lambda _: None) == {"edge": 1}
    assert [car.plate for car in told] == ["A1B23"]


@given(TEXTS)
def test_a_mask_keeps_the_length_and_three_characters_at_most(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert masked.count("*") >= min(len(text), max(1, len(text) - 3))
    assert all(shown in ("*", character) for shown, character in zip(masked, text, strict=True))


def test_a_mask_is_as_the_help_says() -> None:
    assert (mask("A1B23"), mask("A1B"), mask("")) == ("A**23", "***", "")


@given(TEXTS, TEXTS)
def test_a_hash_tells_texts_apart_and_depends_on_its_key(one: str, other: str) -> None:
    hashed = KeyedHash(b"key")
    assert (hashed(one) == hashed(other)) == (one == other)
    assert hashed(one) != KeyedHash(b"another")(one)
    assert protector(Privacy.HASH)(one) != protector(Privacy.HASH)(one)


@pytest.mark.parametrize("privacy", list(Privacy))
def test_the_log_has_what_may_be_told(tmp_path: Path, privacy: Privacy) -> None:
    record = Recorder(protector(privacy), now_s=1_700_000_000.5, clock_s=100.0).record(SIGHTING)
    for name in ("cars.csv", "cars.jsonl"):
        for _ in range(2):
            with Journal(tmp_path / name) as journal:
                journal.write(record)
    with (tmp_path / "cars.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "cars.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [record, record]
    assert rows == [{key: str(value) for key, value in record.items()}] * 2
    assert tuple(record) == FIELDS
    assert (record["plate"] == "A1B23") == (privacy is Privacy.SHOW)
    assert (record["seconds"], record["frames"], record["remote_frames"]) == (1.5, 9, 4)


def test_a_log_that_cannot_be_written_says_which_and_why(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"no/cars\.csv can't be written: No such file"):
        Journal(tmp_path / "no" / "cars.csv")


def test_the_page_lists_the_newest_car_first_and_only_by_its_own_name() -> None:
    page = Page("Cars")
    with serving(page, 0) as address, httpx.Client(base_url=address, trust_env=False) as client:
        for number in range(2):
            page.add({"plate": f"A{number}"})
        page.count({"edge": 7})
        document = client.get("/cars.json").json()
        assert [car["plate"] for car in document["cars"]] == ["A1", "A0"]
        assert document["frames"] == {"edge": 7}
        assert 'src="cars.js"' in client.get("/").text
        assert client.get("/cars.js").is_success
        assert client.get("/cars.json", headers={"Host": "elsewhere.example"}).status_code == 400
        with pytest.raises(PageError, match="can't be served on port"), serving(page, int(address.split(":")[-1][:-1])):
            pass
    assert "plates-page" not in [thread.name for thread in threading.enumerate()]


def test_a_browser_shows_the_cars_as_they_come(browser: webdriver.Chrome) -> None:
    page = Page("Cars, plates masked")
    record = Recorder(protector(Privacy.MASK), now_s=1_700_000_000.5, clock_s=100.0).record
    with serving(page, 0) as address:
        browser.get(address)
        page.add(record(SIGHTING))
        page.add(record(SIGHTING._replace(plate=None, agreement=0.0)))
        page.count({"edge": 7, "device": 2})
        wait = WebDriverWait(browser, 20)
        wait.until(lambda page: len(page.find_elements(By.CSS_SELECTOR, "tbody tr")) == 2)
        rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
        assert "unread" in rows[0]
        assert "A**23 75 % 1.5 s 9 44 %" in rows[1]
        wait.until(lambda page: page.find_element(By.ID, "frames").text == "Frames: 7 edge, 2 device")
        assert browser.title == "Cars, plates masked"
        assert complaints(browser) == []
    wait.until(lambda page: page.find_element(By.ID, "frames").text == "The demo has ended.")
    browser.get("about:blank")  # it asks no more, and that nobody answered is not held against the next page
    complaints(browser)


def test_a_run_on_real_photos_logs_their_plates_hashed(shared_data: Path, tmp_path: Path) -> None:
    log = tmp_path / "cars.jsonl"
    options = [str(shared_data / "plates" / "images"), "--privacy", "hash", "--log", str(log), "--slowdown", "8"]
    done = subprocess.run(
        [sys.executable, "-m", "demos.plates", *options], capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cars = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    with (shared_data / "plates" / "labels.csv").open(encoding="utf-8", newline="") as file:
        chinese = sum(row["kind"].startswith(("blue", "green")) for row in csv.DictReader(file))
    assert len([car for car in cars if car["plate"]]) >= chinese - 4
    assert all(len(car["plate"]) == 16 for car in cars if car["plate"])
    assert "frames answered: " in done.stdout
