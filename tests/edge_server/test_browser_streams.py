"""A browser publishes its camera by WHIP, and another page follows: real Chromium with a camera made of a file."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.conftest import complaints, need

from .conftest import StartServer, WriteService, wait_until
from .publisher import NUMBER_HANDLER, numbered
from .test_pages import shown

_BROWSER, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_WIDTH, _HEIGHT, _FPS, _FRAMES = 640, 480, 15, 60

LABELLED_HANDLER = (
    NUMBER_HANDLER
    + """
from astraea.protocol import Box, Detection
read = predict
def predict(model, image: Image) -> list[Detection]:
    return [Detection(label=str(read(model, image)["number"]), score=1, box=Box(20, 100, 300, 300))]
"""
)
"""Finds one thing, whose name is the number that is drawn."""


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with their number drawn, as YUV4MPEG2, which Chromium's fake camera plays in a loop."""
    path = tmp_path_factory.mktemp("camera") / "numbers.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (_WIDTH, _HEIGHT, _FPS))
        for number in range(_FRAMES):
            luma = numbered(number, _HEIGHT, _WIDTH)[..., 0]
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (_WIDTH * _HEIGHT // 2))
    return path


@pytest.fixture(scope="module")
def browser(camera_file: Path) -> Iterator[webdriver.Chrome]:
    need("chromium", bool(_BROWSER and _DRIVER), "there is no browser: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(_BROWSER)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "no-proxy-server"):
        options.add_argument(f"--{argument}")
    for argument in ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--use-file-for-fake-video-capture={camera_file}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(_DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


READ_NUMBER = """
const context = document.getElementById("canvas").getContext("2d");
const bit = (column, row) => context.getImageData(column * 16 + 8, row * 16 + 8, 1, 1).data[0] > 128 ? 1 : 0;
let number = 0;
for (let column = 0; column < 14; column++) {
  if (bit(column, 0) === bit(column, 1)) return null;
  number = number * 2 + bit(column, 0);
}
return [number, document.getElementById("canvas").getAttribute("aria-label")];
"""


def test_a_camera_is_published_and_followed_with_the_boxes_on_the_right_picture(
    write_service: WriteService, start_server: StartServer, browser: webdriver.Chrome
) -> None:
    with start_server(write_service(LABELLED_HANDLER)).client() as client:
        base = str(client.base_url).rstrip("/")
        browser.get(f"{base}/publish")
        shown(browser, "start").click()
        wait_until(lambda: shown(browser, "canvas").is_displayed(), 30)

        drawn: set[int] = set()

        def enough() -> bool:
            read = browser.execute_script(READ_NUMBER)
            if read is not None:
                number, label = read
                assert label == f"1 detected: {number}"
                drawn.add(number)
            return len(drawn) >= 10

        wait_until(enough, 30)
        assert "answers/s" in shown(browser, "status").text
        watch = shown(browser, "watch").get_attribute("href")
        assert watch
        publishing = browser.current_window_handle

        browser.switch_to.new_window("tab")
        browser.get(watch)
        wait_until(lambda: shown(browser, "canvas").is_displayed(), 30)
        wait_until(lambda: bool(re.match(r"\d+ results", shown(browser, "status").text)))
        assert '"detections"' in shown(browser, "reply").text
        colour = browser.execute_script(
            "return Array.from(document.getElementById('canvas').getContext('2d').getImageData(20, 200, 1, 1).data)"
        )
        assert colour[0] > colour[1] + 60  # the red of a box, through JPEG
        following = browser.current_window_handle

        browser.switch_to.window(publishing)
        shown(browser, "stop").click()
        browser.switch_to.window(following)
        wait_until(lambda: "ended" in shown(browser, "status").text)
        assert complaints(browser) == []
        browser.close()
        browser.switch_to.window(publishing)


PAIR = """
const done = arguments[arguments.length - 1];
import("/pages/pairing.js").then(({ Pairing }) => {
  const pairing = new Pairing(40);
  const first = 2 ** 32 - 90 * 500;  // wraps after half a second
  const found = [];
  for (let frame = 0; frame < 60; frame++) {
    const at = 1e12 + frame * 33.3 + (frame * 7 % 5);  // jitters by up to 4 ms
    const rtp = Math.round(first + (at - 1e12) * 90) % 2 ** 32;
    pairing.filmed(at, { frame, close() {} });
    pairing.encoded(rtp, at + 3 + (frame * 3 % 20));
    if (frame < 10) continue;
    const asked = Math.round(first + (frame - 5) * 33.3 * 90 + 100) % 2 ** 32;
    found.push(pairing.pictureOf(asked)?.frame === frame - 5);
  }
  done([found.length, found.filter(Boolean).length, pairing.pictureOf(first) === undefined]);
});
"""


def test_a_result_is_paired_to_the_nearest_picture_within_half_a_frame(
    write_service: WriteService, start_server: StartServer, browser: webdriver.Chrome
) -> None:
    with start_server(write_service()).client() as client:
        browser.get(f"{str(client.base_url).rstrip('/')}/publish")
        asked, right, old_is_gone = browser.execute_async_script(PAIR)
    assert (right, old_is_gone) == (asked, True)
    assert asked > 40
