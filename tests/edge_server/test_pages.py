"""The pages for people, in this process and in a real browser without a network."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from astraea.edge_server.api import Api
from tests.conftest import complaints
from tests.edge_server.conftest import StartServer, WriteService, encode, wait_until
from tests.edge_server.test_openapi import DETECTIONS, ORDERS


async def test_a_browser_gets_a_page_and_a_program_json(client: httpx.AsyncClient) -> None:
    response = await client.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["vary"] == "accept"
    assert (await client.get("/")).json()["service"] == "sizes"
    assert (await client.get("/docs")).status_code == 200


async def test_pages_refer_to_what_is_here_only(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/pages/try.html", "/pages/try.js", "/pages/docs.js", "/pages/page.css"):
        response = await client.get(path)
        assert response.status_code == 200
        assert "//" not in response.text.replace("// ", "")
        assert "default-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["", "nothing.js", "__init__.py", "..%2fapp.py"])
async def test_nothing_else_is_handed_out(api: Api, client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/pages/{name}")).status_code == 404


def pixel(browser: webdriver.Chrome, x: int, y: int) -> list[int]:
    script = (
        "return Array.from(document.querySelector('canvas').getContext('2d').getImageData(...arguments, 1, 1).data)"
    )
    return list(browser.execute_script(script, x, y))


def shown(browser: webdriver.Chrome, id_: str) -> Any:
    return browser.find_element(By.ID, id_)


def test_an_image_is_answered_with_boxes_drawn(
    write_service: WriteService, start_server: StartServer, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    image = tmp_path / "grey.png"
    image.write_bytes(encode(np.full((120, 160, 3), 128, np.uint8), ".png"))
    with start_server(write_service(DETECTIONS)).client() as client:
        browser.get(str(client.base_url))
        wait_until(lambda: shown(browser, "drop").is_displayed())
        assert browser.title == "sizes"
        shown(browser, "file").send_keys(str(image))
        wait_until(lambda: shown(browser, "canvas").is_displayed())
        assert pixel(browser, 80, 60) == [128, 128, 128, 255]
        assert pixel(browser, 0, 60) == [255, 77, 77, 255]
        assert shown(browser, "canvas").get_attribute("aria-label") == "1 detected: all"
        assert "inference" in shown(browser, "status").text
        assert '"score": 1' in shown(browser, "reply").text
        assert complaints(browser) == []
        other = tmp_path / "no-image.png"
        other.write_bytes(b"no image")
        shown(browser, "file").send_keys(str(other))
        wait_until(lambda: "415" in shown(browser, "status").text)
        assert "415" in complaints(browser)[0]["message"]


def test_the_page_is_used_without_a_mouse(
    write_service: WriteService, start_server: StartServer, browser: webdriver.Chrome
) -> None:
    with start_server(write_service(ORDERS)).client() as client:
        browser.get(str(client.base_url))
        wait_until(lambda: shown(browser, "body").is_displayed())
        for _ in range(4):  # past the links
            browser.switch_to.active_element.send_keys(Keys.TAB)
        browser.switch_to.active_element.send_keys(Keys.TAB)
        browser.switch_to.active_element.send_keys('{"plates": ["A1"]}', Keys.TAB)
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait_until(lambda: '"A1": 3' in shown(browser, "reply").text)


def test_the_api_is_shown(write_service: WriteService, start_server: StartServer, browser: webdriver.Chrome) -> None:
    with start_server(write_service(ORDERS)).client() as client:
        browser.get(f"{client.base_url}/docs".replace("//docs", "/docs"))
        wait_until(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "#operations summary")))
        assert "/predict" in shown(browser, "operations").text
        wait_until(lambda: "Order" in shown(browser, "schemas").text)
        assert complaints(browser) == []
