"""Makes docs/images/viewer.webp: the viewer over a real fleet, while the uplink is throttled and restored.

`python -m demos.viewer_screenshot docs/images/viewer.webp`; it takes chromium and its driver, and about a minute.
"""

import re
import shutil
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from astraea.device import Camera, OffloadClient, open_camera
from astraea.device.viewer import Board, Gallery, ViewerServer, Watched
from astraea.models import load_detector

from .quickstart.experiment import GOOD, SlowedDetector
from .quickstart.fleet import DEVICE_LOCATION, Fleet
from .quickstart.uplink import Condition, Uplink

_SIZE = (1200, 1185)
_FPS = 8
_ACTS = ((GOOD, 22.0), (Condition("throttled to 0.4 Mbit/s", 0.4, 25), 14.0), (GOOD, 16.0))
"""The link, and for how many seconds."""
_WHOLE_PLATE = r"found: \w{7,8}$"
_PLATE_S = 20.0
"""There is a car to be seen within this time."""


def main(
    output: Annotated[Path, typer.Argument(help="The picture to write, .webp or .png.")],
    dark: Annotated[bool, typer.Option("--dark", help="As who prefers dark pages sees it.")] = False,
) -> None:
    """Run the loop, change its link, and take a picture of the page."""
    board, gallery = Board(), Gallery()
    watched = Watched("synthetic:", board, gallery)
    with Fleet("plates", Console(stderr=True)) as fleet, Uplink(GOOD) as uplink:
        client = OffloadClient(
            fleet.service,
            local=SlowedDetector(load_detector("plates"), 6),
            broker=fleet.broker_url,
            location=DEVICE_LOCATION,
            transport=uplink.transport,
            on_event=watched.hear,
        )
        camera = open_camera("synthetic:", fps=_FPS)
        with client, ViewerServer(board, gallery) as server:
            _start(watched, camera, client)
            picture = _photograph(server.url, uplink, dark=dark)
    Image.open(BytesIO(picture)).convert("RGB").save(output, quality=82, method=6)


def _start(watched: Watched, camera: Camera, client: OffloadClient) -> None:
    def run() -> None:
        for _ in watched.run(camera, client):
            pass

    threading.Thread(target=run, daemon=True).start()


def _photograph(url: str, uplink: Uplink, *, dark: bool) -> bytes:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={_SIZE[0]},{_SIZE[1]}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get(url)
        picture = browser.find_element(By.ID, "picture")
        for condition, seconds in _ACTS:
            uplink.become(condition)
            time.sleep(seconds)
        WebDriverWait(browser, _PLATE_S, 0.05).until(
            lambda _: re.search(_WHOLE_PLATE, picture.get_attribute("aria-label") or "")
        )
        return browser.get_screenshot_as_png()
    finally:
        browser.quit()


if __name__ == "__main__":
    typer.run(main)
