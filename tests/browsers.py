"""A real browser without a network, for tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver

from tests.conftest import need

_BROWSER = shutil.which("chromium")
_DRIVER = shutil.which("chromedriver")


@contextmanager
def headless_browser(*arguments: str) -> Iterator[webdriver.Chrome]:
    """Chromium, with what it complains of in its log."""
    need("chromium", bool(_BROWSER and _DRIVER), "there is no browser: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(_BROWSER)
    usual = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server")
    for argument in (*usual, *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(_DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
