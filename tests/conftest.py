"""What tests of every part may need."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from selenium import webdriver

from netlab import unavailable

settings.register_profile("astraea", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("astraea")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and every process of a test would be deaf to Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


_DEBIAN_PYTHON = Path("/usr/bin/python3")  # it has GStreamer's bindings
_RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")


class RtspServer:
    """GStreamer's RTSP server on a port of its own, started anew as often as a test likes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"rtsp://127.0.0.1:{port}/live"
        self.start()

    def start(self) -> None:
        command = [str(_DEBIAN_PYTHON), str(_RTSP_SERVER), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """End it, if it runs."""
        self._process.kill()
        with self._process:
            pass


@pytest.fixture
def rtsp_server() -> Iterator[RtspServer]:
    """A real RTSP server that runs."""
    command = [_DEBIAN_PYTHON, _RTSP_SERVER]
    ready = _DEBIAN_PYTHON.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0
    need("rtsp", ready, "GStreamer's RTSP server is not there: apt install gir1.2-gst-rtsp-server-1.0, see .ci/run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RtspServer(port)
    yield server
    server.kill()
