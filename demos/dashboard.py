"""The broker's dashboard with a made-up fleet behind it: `python -m demos.dashboard`, until Ctrl-C.

`--picture PATH` takes a picture of the page, with Debian's chromium and chromium-driver, and ends.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from astraea.protocol import Instance
from benchmarks.cities import CITIES

_SERVICES = {"plates": ("1.1.0", "1.0.0"), "objects": ("2.3.1",), "smoke": ("0.9.0",)}
_BEAT_S = 2.0


def fleet(chance: random.Random) -> list[Instance]:
    """An instance of every service in half of the cities."""
    return [
        Instance.model_validate(
            {
                "id": f"{service}-{city.name.lower().replace(' ', '-')}",
                "service": service,
                "revision": chance.choice(revisions),
                "url": "http://127.0.0.1:1",
                "node": f"edge-{city.name.lower().replace(' ', '-')}",
                "region": city.region.lower(),
                "location": {"lat": city.lat, "lon": city.lon},
                "price": {"per_hour": round(chance.uniform(0.05, 0.4), 2)},
                "load": {"capacity": 8},
            }
        )
        for city in CITIES[::2]
        for service, revisions in _SERVICES.items()
    ]


def beat(client: httpx.Client, instances: Sequence[Instance], chance: random.Random) -> None:
    """Everybody's heartbeat, with a load by chance."""
    for instance in instances:
        load = {"capacity": 8, "in_flight": min(8, int(chance.gammavariate(3, 1))), "service_ms": chance.gauss(60, 6)}
        body = instance.model_dump(mode="json") | {"load": load}
        client.put(f"/v1/instances/{instance.id}", json=body).raise_for_status()


@contextmanager
def broker() -> Iterator[str]:
    """A broker with a store of its own; its address."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "astraea.deployer", "broker", "--port", "0", "--store", f"{folder}/broker.db"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout  # noqa: S101 - it was asked for
                found = re.search(r"http://\S+", process.stdout.readline())
                if found is None:
                    sys.exit("the broker did not start")
                yield found[0]
            finally:
                process.terminate()


def take_picture(url: str, path: Path) -> None:
    """The page as a browser shows it, with what a device in Hangzhou would get."""
    from selenium import webdriver  # noqa: PLC0415 - only when a picture is asked for
    from selenium.webdriver.common.by import By  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--window-size=1100,1500"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(f"{url}/?service=plates&lat=30.27&lon=120.16&device=camera-7")
        driver.find_element(By.ID, "told")
        path.write_bytes(driver.get_screenshot_as_png())
    finally:
        driver.quit()


def main(arguments: Sequence[str] | None = None) -> None:
    """Show it."""
    parser = argparse.ArgumentParser(prog="python -m demos.dashboard", description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, metavar="PATH", help="take a picture of the page (PNG), and end")
    given = parser.parse_args(arguments)
    chance = random.Random(5)  # noqa: S311 - a made-up fleet
    instances = fleet(chance)
    with broker() as url, httpx.Client(base_url=url) as client, suppress(KeyboardInterrupt):
        client.put("/v1/services/plates/sharing", json={"weights": {"1.1.0": 10, "1.0.0": 90}}).raise_for_status()
        for _ in range(8 if given.picture else 1):
            beat(client, instances, chance)
            time.sleep(_BEAT_S if given.picture else 0)
        if given.picture:
            take_picture(url, given.picture)
            return
        sys.stdout.write(f"{url}\n")
        while True:
            time.sleep(_BEAT_S)
            beat(client, instances, chance)


if __name__ == "__main__":
    main()
