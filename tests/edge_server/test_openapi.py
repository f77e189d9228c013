"""The API is as its OpenAPI document says, whatever is sent."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from astraea.edge_server import Service
from astraea.edge_server.api import Api
from astraea.edge_server.app import create_app
from astraea.edge_server.openapi import describe_api
from astraea.protocol import Detection
from tests.edge_server.conftest import SIZE_HANDLER, MakeService, StartServer, WriteService
from tests.edge_server.test_oip import two_by_three

ROOT = Path(__file__).resolve().parents[2]
ORDERS = """
    from pydantic import BaseModel
    class Order(BaseModel):
        plates: list[str]
        limit: int = 3
    def predict(model, order: Order) -> dict[str, int]: return dict.fromkeys(order.plates, order.limit)
"""
DETECTIONS = """
    from astraea.edge_server import Image
    from astraea.protocol import Box, Detection
    def predict(model, image: Image) -> list[Detection]:
        return [Detection(label="all", score=1, box=Box(x1=0, y1=0, x2=image.shape[1], y2=image.shape[0]))]
"""


async def described(api: Api, client: httpx.AsyncClient, service: Service) -> tuple[dict[str, object], object]:
    """What a service's document says that `POST /predict` takes, by content type, and replies."""
    api.service = service
    predict = (await client.get("/openapi.json")).json()["paths"]["/predict"]["post"]
    reply = predict["responses"]["200"]["content"]["application/json"]["schema"]
    return {kind: body["schema"] for kind, body in predict["requestBody"]["content"].items()}, reply


async def test_annotations_are_described(api: Api, client: httpx.AsyncClient, make_service: MakeService) -> None:
    bodies, reply = await described(api, client, make_service(ORDERS))
    assert bodies["application/json"] == {"$ref": "#/components/schemas/Order"}
    assert reply == {"type": "object", "additionalProperties": {"type": "integer"}}
    bodies, reply = await described(api, client, make_service(DETECTIONS, name="detections"))
    assert set(bodies) >= {"image/jpeg", "image/png", "multipart/form-data"}
    assert isinstance(reply, dict)
    assert reply["properties"]["detections"]["items"] == {"$ref": f"#/components/schemas/{Detection.__name__}"}


@pytest.mark.parametrize(
    ("annotation", "reply"),
    [
        ("int", {"output": {"type": "integer"}}),
        ("list[float]", {"output": {"type": "array", "items": {"type": "number"}}}),
        ("Tensor", {"output": {}}),
        ("list", None),
        ("object", None),
        ("threading.Event", None),
    ],
)
async def test_what_is_returned_is_described_as_far_as_it_is_known(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, annotation: str, reply: object
) -> None:
    code = (
        f"import threading\nfrom astraea.edge_server import Tensor\ndef predict(model, text: str) -> {annotation}: ..."
    )
    _, schema = await described(api, client, make_service(code))
    assert isinstance(schema, dict)
    assert schema.get("properties") == reply


def test_every_path_that_is_served_is_described(make_service: MakeService, api: Api) -> None:
    described = describe_api(make_service(SIZE_HANDLER), api.instance())["paths"]
    pages = {"/", "/docs", "/openapi.json", "/publish", "/watch", "/pages/{name}", "/v2{rest:path}"}
    served = {route.path for route in create_app(api).routes if isinstance(route, Route)}
    assert served - pages <= described.keys()


def test_the_document_is_of_this_service(make_service: MakeService, api: Api) -> None:
    document = describe_api(make_service(SIZE_HANDLER), api.instance())
    assert document["info"]["title"] == "sizes"
    assert "/v2/models/sizes/versions/1.2.3-a/infer" in document["paths"]


@pytest.mark.parametrize(
    ("handler", "paths"),
    [(ORDERS, ""), (DETECTIONS, "predict"), (None, "(predict|sizes/infer)")],
    ids=["orders", "detections", "tensors"],
)
def test_schemathesis_finds_no_failure_and_nothing_undescribed(
    write_service: WriteService, start_server: StartServer, tmp_path: Path, handler: str | None, paths: str
) -> None:
    folder = write_service(handler, **({} if handler else {"model": "model.onnx"}))
    (folder / "model.onnx").write_bytes(two_by_three())
    schemathesis = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert schemathesis
    with start_server(folder).client() as client:
        command = [
            *(schemathesis, "run", f"{client.base_url}/openapi.json".replace("//open", "/open")),
            *("--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "1"),
            *("--include-path-regex", paths),
            # A schema can't say which bytes are an image, or that a tensor's data fit its shape.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--suppress-health-check", "all"),  # they are about the speed of this machine
        ]
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "tests.edge_server.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout
        assert client.get("/readyz").status_code == 200
