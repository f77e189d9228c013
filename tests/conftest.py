"""What tests of every part may need."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from selenium import webdriver

from netlab import unavailable

settings.register_profile("astraea", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("astraea")

_REQUIRED = frozenset(filter(None, os.environ.get("ASTRAEA_TEST_REQUIRE", "").split(",")))


def need(part: str, present: bool, reason: str) -> None:
    """Skip a test that needs a real part which is not there, or fail it when `ASTRAEA_TEST_REQUIRE` names the part."""
    if present:
        return
    if part in _REQUIRED:
        pytest.fail(f"{reason} (ASTRAEA_TEST_REQUIRE names {part!r})")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of photos, weights and traces that lies beside the project in its CI, not in the project."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    need("shared", path.is_dir(), f"the test data are not in {path}")
    return path


@pytest.fixture(scope="session")
def netns() -> None:
    """For tests that build networks of namespaces and links (see `netlab`)."""
    reason = unavailable()
    need("netns", not reason, reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """A real browser without a window; what it finds wrong with a page is in `complaints`."""
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    need("chromium", bool(chromium and driver_path), "there is no browser: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
    try:
        yield driver
    finally:
        driver.quit()


def complaints(browser: webdriver.Chrome) -> list[Any]:
    """What the browser found wrong since it was last asked."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call] # selenium's
    return [entry for entry in log if entry["level"] == "SEVERE"]
