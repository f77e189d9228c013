"""The dashboard: in this process, and in a real browser without a network."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from astraea.broker import Broker, create_app, open_store
from astraea.broker.access import Principal
from astraea.broker.dashboard.worldmap import on_map
from astraea.broker.selection import abort, promote
from astraea.protocol import PROBLEM_MEDIA_TYPE, Instance, Location
from astraea.protocol.broker_api import Role, Sharing
from tests.browsers import headless_browser

MakeInstance = Callable[..., Instance]
StartBroker = Callable[..., tuple[subprocess.Popen[str], httpx.Client]]
HOSTILE = '<script>alert("x")</script>\'; DROP TABLE records; --'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with closing(open_store(tmp_path / "broker.db")) as store:
        yield Broker(store, lease_s=10)


def _client(broker: Broker, *, closed: bool = False) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(broker, closed=closed)), base_url="http://broker")


ORIGIN = {"origin": "http://broker"}


async def test_an_empty_fleet_has_a_page(broker: Broker) -> None:
    async with _client(broker) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert "Nothing runs yet" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_pages_refer_to_what_is_here_only(broker: Broker, make_instance: MakeInstance) -> None:
    await broker.register(make_instance(location=Location(lat=30, lon=120)))
    async with _client(broker) as client:
        for path in ("/", "/login", "/dashboard/dashboard.css", "/dashboard/dashboard.js"):
            text = (await client.get(path)).text
            assert not re.findall(r"""(?:src|href|url|fetch|import)\W{1,2}(?:https?:)?//""", text)
        assert (await client.get("/dashboard/routes.py")).status_code == 404
        assert (await client.get("/dashboard/..%2fcore.py")).status_code == 404


async def test_hostile_strings_are_shown_as_they_are(broker: Broker) -> None:
    await broker.share_out("plates", Sharing())
    broker.events.tell("service-changed", HOSTILE, HOSTILE)
    async with _client(broker) as client:
        page = await client.get("/")
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text
        for query in (f"service={quote(HOSTILE)}", f"service=a&device={quote(HOSTILE)}", "lat=x", "service=none"):
            answer = await client.get(f"/?{query}")
            assert answer.status_code in (200, 422)
            assert "<script>alert" not in answer.text or answer.headers["content-type"] == PROBLEM_MEDIA_TYPE


async def test_other_sites_forms_change_nothing(broker: Broker, make_instance: MakeInstance) -> None:
    await broker.register(make_instance(revision="1"))
    form = {"revision": "1"}
    async with _client(broker) as client:
        for headers in ({}, {"origin": "http://evil.example"}, {"origin": "null"}):
            answer = await client.post("/dashboard/services/plates/promote", data=form, headers=headers)
            assert answer.status_code == 403
        assert broker.sharings.items == {}
        await client.post("/dashboard/services/plates/promote", data=form, headers=ORIGIN)
    assert broker.sharings.items["plates"].weights == {"1": 100}


async def test_a_closed_broker_asks_for_an_operators_key(broker: Broker) -> None:
    admin = Principal("test", Role.ADMIN)
    viewer, node = [(await broker.access.make_key(admin, "x", role)).secret for role in (Role.VIEWER, Role.NODE)]
    async with _client(broker, closed=True) as client:
        assert (await client.get("/")).headers["location"] == "/login"
        for wrong in (node, "nonsense", viewer + "x"):
            assert (await client.post("/login", data={"key": wrong})).status_code == 401
        welcome = await client.post("/login", data={"key": viewer})
        assert welcome.status_code == 303
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get("/")).status_code == 200
        forbidden = await client.post("/dashboard/services/plates/promote", data={"revision": "1"}, headers=ORIGIN)
        assert forbidden.status_code == 403
        assert (await client.put("/v1/nodes/n/draining", headers=ORIGIN)).status_code == 403
        await client.post("/logout")
        assert (await client.get("/")).status_code == 303
        guesses = [(await client.post("/login", data={"key": f"k0.{n}"})).status_code for n in range(12)]
        assert guesses[-1] == 429


async def test_weights_are_set_by_a_form(broker: Broker, make_instance: MakeInstance) -> None:
    await broker.register(make_instance(revision="1"))
    async with _client(broker) as client:
        address = "/dashboard/services/plates/weights"
        assert (await client.post(address, data={"2": "5", "1": "95"}, headers=ORIGIN)).status_code == 303
        assert broker.sharings.items["plates"].weights == {"2": 5, "1": 95}
        for wrong in ({"1": "x"}, {"1": "-1"}, {"1": "nan"}, {"1": "0"}, {"a b": "1"}):
            assert (await client.post(address, data=wrong, headers=ORIGIN)).status_code == 422
    assert broker.sharings.items["plates"].weights == {"2": 5, "1": 95}


def test_promoting_and_aborting() -> None:
    running = Sharing(weights={"2": 10, "1": 90})
    assert promote(running, "2").weights == {"2": 100, "1": 0}
    assert abort(running, "2", {"1"}).weights == {"2": 0, "1": 90}
    assert abort(Sharing(weights={"2": 100, "1": 0}), "2", {"1"}).weights == {"2": 0, "1": 100}
    assert abort(Sharing(), "2", {"1"}).weights == {"2": 0, "1": 100}
    assert abort(Sharing(), "2", set()) == Sharing()


def test_places_are_where_they_belong_on_the_map() -> None:
    assert on_map(Location(lat=0, lon=0)) == (360, 160)
    assert on_map(Location(lat=80, lon=-180)) == (0, 0)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with headless_browser("--window-size=1200,1600") as driver:
        yield driver


def _split(browser: webdriver.Chrome) -> dict[str, str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "#service-plates tbody tr")
    return {
        row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CSS_SELECTOR, ".split").text.strip()
        for row in rows
    }


def _eventually(browser: webdriver.Chrome, condition: Callable[[], Any]) -> None:
    WebDriverWait(browser, 15, ignored_exceptions=[Exception]).until(lambda _: condition())


def _complaints(browser: webdriver.Chrome) -> list[Any]:
    log = browser.get_log("browser")  # type: ignore[no-untyped-call] # selenium's
    return [entry for entry in log if entry["level"] == "SEVERE"]


def _put(client: httpx.Client, instance: Instance) -> None:
    client.put(f"/v1/instances/{instance.id}", json=instance.model_dump(mode="json")).raise_for_status()


def test_a_canary_is_promoted_in_a_browser(
    start_broker: StartBroker, browser: webdriver.Chrome, make_instance: MakeInstance
) -> None:
    _, client = start_broker("--auth", "--lease-s", "600")
    key = next(Path(client.headers["x-state"]).rglob("admin.key")).read_text().strip()
    client.headers["authorization"] = f"Bearer {key}"
    hangzhou, tokyo = Location(lat=30.27, lon=120.16), Location(lat=35.68, lon=139.69)
    load = {"in_flight": 2, "capacity": 8, "service_ms": 40}
    _put(client, make_instance("old-1", revision="1", location=hangzhou, region="east", node="n-1", load=load))
    _put(client, make_instance("new-1", revision="2", location=tokyo, region="japan", node="n-2", load=load))
    client.put("/v1/services/plates/sharing", json={"weights": {"2": 10, "1": 90}}).raise_for_status()

    browser.get(str(client.base_url))
    assert browser.current_url.endswith("/login")
    browser.switch_to.active_element.send_keys(key, Keys.ENTER)  # the only thing to type is in focus
    _eventually(browser, lambda: _split(browser) == {"2": "10 %", "1": "90 %"})
    assert len(browser.find_elements(By.CSS_SELECTOR, "circle.node")) == 2
    browser.execute_script("window.stayed = true")
    promote_2 = browser.find_element(By.CSS_SELECTOR, "#service-plates button[value='2']")
    browser.execute_script("arguments[0].focus()", promote_2)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    _eventually(browser, lambda: _split(browser) == {"2": "100 %", "1": "0 %"})
    told = client.get("/v1/services/plates/candidates", params={"device": "d"}).json()["candidates"]
    assert {candidate["instance"]["revision"] for candidate in told} == {"2"}
    trail = client.get("/v1/audit").json()
    assert trail[0]["actor"].startswith("first admin")

    client.put("/v1/services/plates/sharing", json={"weights": {"2": 0, "1": 1}}).raise_for_status()
    _eventually(browser, lambda: _split(browser) == {"2": "0 %", "1": "100 %"})  # by itself
    assert browser.execute_script("return window.stayed")
    _eventually(browser, lambda: "service changed" in browser.find_element(By.ID, "events").text)

    for name, value in (("service", "plates"), ("lat", "35"), ("lon", "139")):
        browser.find_element(By.CSS_SELECTOR, f".ask [name={name}]").send_keys(value)
    browser.find_element(By.CSS_SELECTOR, ".ask button").click()
    _eventually(browser, lambda: "old-1" in browser.find_element(By.ID, "told").text)
    assert "by distance" in browser.find_element(By.ID, "told").text
    assert _complaints(browser) == []
