"""The API in this process: what each endpoint answers, and every error as a problem document."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import numpy as np
import pytest

from astraea.edge_server.api import Api
from astraea.protocol import PROBLEM_MEDIA_TYPE, Problem, ServerTiming
from tests.edge_server.conftest import SIZE_HANDLER, MakeService, encode, settle


def problem(response: httpx.Response, status: int) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    document = Problem.model_validate_json(response.content)
    assert document.status == status
    return document


async def test_an_image_gets_its_answer(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    response = await client.post("/predict", content=jpeg, headers={"content-type": "image/jpeg"})
    assert response.status_code == 200
    assert response.json() == {"height": 48, "width": 64, "mean": pytest.approx([200, 100, 30], abs=3)}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["astraea-instance"] == "here-1"
    assert response.headers["astraea-revision"] == "1.2.3-a"


async def test_the_stages_lie_within_the_total(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    response = await client.post("/predict", content=jpeg)
    timing = ServerTiming.from_header(response.headers["server-timing"])
    stages = (timing.decode_ms, timing.queue_ms, timing.infer_ms, timing.post_ms)
    assert min(stages) > 0
    assert sum(stages) <= timing.total_ms + 0.01


async def test_a_body_that_comes_in_parts_is_one(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service("def predict(model, body: bytes): return len(body)")

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 1000

    assert (await client.post("/predict", content=parts())).json() == {"output": 9000}


async def test_what_is_wrong_with_a_body_is_a_problem(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    big = encode(np.zeros((700, 700, 3), np.uint8), ".png")
    for content, content_type, status, detail in (
        (jpeg[:300], "image/jpeg", 400, "damaged"),
        (b"hello", "", 415, "neither"),
        (b"{}", "application/json", 415, "image/jpeg"),
        (big, "image/png", 413, "Mpx"),
        (b"x" * 10_001, "image/jpeg", 413, "at most 10000"),
    ):
        response = await client.post("/predict", content=content, headers={"content-type": content_type})
        assert detail in str(problem(response, status).detail)
    assert 'astraea_requests_total{status="413"} 2.0' in (await client.get("/metrics")).text


async def test_an_unannounced_body_is_cut_off_at_the_limit(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service("def predict(model, body: bytes): return len(body)")
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield b"x" * 1000

    for path in ("/predict", "/probe"):
        sent = 0
        problem(await client.post(path, content=parts()), 413)
        assert sent <= 11_000


async def test_a_handler_that_fails_tells_the_log_only(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, caplog: pytest.LogCaptureFixture
) -> None:
    api.service = make_service("def predict(model, text: str): raise OSError('the secret path')")
    response = await client.post("/predict", content=b"x")
    document = problem(response, 500)
    assert "secret" not in response.text
    assert document.instance
    assert document.instance in caplog.text
    assert "the secret path" in caplog.text


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "raise StopIteration", "return object()", "return b'\\xff'"])
async def test_whatever_a_handler_does_is_answered(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, code: str
) -> None:
    api.service = make_service(f"def predict(model, text: str): {code}")
    problem(await client.post("/predict", content=b"x"), 500)
    assert api.pool.in_flight == 0


async def test_before_it_is_loaded_it_is_alive_and_not_ready(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    assert (await client.get("/livez")).status_code == 200
    for response in (await client.get("/readyz"), await client.post("/predict", content=b"x")):
        assert "loaded" in str(problem(response, 503).detail)
        assert response.headers["retry-after"] == "1"
    api.service = make_service(SIZE_HANDLER)
    assert (await client.get("/readyz")).status_code == 200


async def test_while_it_drains_it_is_not_ready_and_answers(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    api.draining = True
    assert "end" in str(problem(await client.get("/readyz"), 503).detail)
    assert (await client.post("/predict", content=jpeg)).status_code == 200


async def test_beyond_its_bounds_a_request_is_refused_at_once(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service(
        "def predict(go, text: str): return go.wait(20)\ndef load(model):\n  import threading; return threading.Event()"
    )
    go = api.service._model
    taken = [asyncio.ensure_future(client.post("/predict", content=b"x")) for _ in range(2)]
    await settle(lambda: api.pool.in_flight == 2)
    async with asyncio.timeout(5):
        refused = await client.post("/predict", content=b"x")
    assert "2 requests" in str(problem(refused, 429).detail)
    assert refused.headers["retry-after"] == "1"
    assert api.instance().load.in_flight == 2
    assert "astraea_in_flight 2.0\n" in (metrics := (await client.get("/metrics")).text)
    assert "astraea_queued 1.0\n" in metrics
    go.set()
    assert [response.json() for response in await asyncio.gather(*taken)] == [{"output": True}] * 2
    assert (await client.post("/predict", content=b"x")).status_code == 200


async def test_the_load_has_the_median_of_recent_answers(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    assert api.instance().load.service_ms is None
    api.service = make_service("def predict(model, text: str): return text")
    await client.post("/predict", content=b"x")
    load = api.instance().load
    assert load.service_ms is not None
    assert load.service_ms > 0
    assert (load.in_flight, load.capacity) == (0, 1)


async def test_a_probe_is_taken_and_timed_even_while_loading(client: httpx.AsyncClient) -> None:
    response = await client.post("/probe", content=b"x" * 10_000)
    assert (response.status_code, response.content) == (204, b"")
    assert ServerTiming.from_header(response.headers["server-timing"]).total_ms < 100


async def test_the_root_describes_the_service(api: Api, client: httpx.AsyncClient, make_service: MakeService) -> None:
    api.service = make_service(SIZE_HANDLER)
    described = (await client.get("/")).json()
    assert described["service"] == "sizes"
    assert described["instance"] == "here-1"
    assert described["input"] == "Image"


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404)
    response = await client.get("/predict")
    problem(response, 405)
    assert response.headers["allow"] == "POST"


async def test_a_length_that_is_no_number_is_a_problem(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service(SIZE_HANDLER)
    response = await client.post("/predict", content=b"x", headers={"content-length": "-1"})
    assert "Content-Length" in str(problem(response, 400).detail)


async def test_bodies_have_so_much_room_in_all(api: Api, client: httpx.AsyncClient, make_service: MakeService) -> None:
    api.service = make_service("def predict(model, body: bytes): return len(body)")
    api.held_bytes = api.limits.held_bytes - 10
    refused = await client.post("/predict", content=b"x" * 11)
    assert "are held" in str(problem(refused, 429).detail)
    assert refused.headers["retry-after"] == "1"
    assert (await client.post("/predict", content=b"x" * 10)).status_code == 200
    for content in (b"x" * 10_001, b"x"):
        await client.post("/predict", content=content, headers={"astraea-deadline-ms": "?"})
    assert api.held_bytes == api.limits.held_bytes - 10
    assert 'astraea_refusals_total{reason="capacity"} 1.0' in (await client.get("/metrics")).text


async def test_a_body_that_does_not_come_times_out(
    api: Api, client: httpx.AsyncClient, make_service: MakeService
) -> None:
    api.service = make_service("def predict(model, body: bytes): return len(body)")
    api.limits = replace(api.limits, body_s=0.05)

    async def parts() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(20)

    problem(await client.post("/predict", content=parts()), 408)
    assert api.held_bytes == 0


@pytest.mark.parametrize(
    ("trace", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("x\ty", False),
    ],
)
async def test_a_trace_context_comes_back_if_it_is_one(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, trace: str, *, kept: bool
) -> None:
    api.service = make_service("def predict(model, text: str): return 1 / len(text)")
    for content in (b"x", b""):
        response = await client.post("/predict", content=content, headers={"traceparent": trace})
        assert response.headers.get("traceparent") == (trace if kept else None)
