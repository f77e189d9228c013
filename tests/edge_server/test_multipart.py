"""A form with one field is as good as a bare body."""

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server import BadInputError
from astraea.edge_server.api import Api
from astraea.edge_server.multipart import _only_part
from tests.edge_server.conftest import SIZE_HANDLER, MakeService

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n--x--\r\n'
)


async def test_an_image_may_come_in_a_form(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    response = await client.post("/predict", files={"anything": ("photo.jpg", jpeg, "image/jpeg")})
    assert response.json()["width"] == 64


async def test_a_form_that_is_not_one_file_is_refused(
    api: Api, client: httpx.AsyncClient, make_service: MakeService, jpeg: bytes
) -> None:
    api.service = make_service(SIZE_HANDLER)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    for response, status, detail in (
        (await client.post("/predict", files={"a": jpeg, "b": jpeg}), 400, "2 fields"),
        (await client.post("/predict", files={"a": ("a.gif", jpeg, "image/gif")}), 415, "'image/gif'"),
        (await client.post("/predict", content=b"--x--\r\n", headers=kind), 400, "0 fields"),
        (await client.post("/predict", content=(FORM % jpeg)[:-10], headers=kind), 400, "no end"),
        (await client.post("/predict", content=b"hello", headers=kind), 400, "damaged"),
        (await client.post("/predict", content=b"", headers=kind), 400, "no end"),
        (await client.post("/predict", content=b"", headers={"content-type": "multipart/form-data"}), 400, "boundary"),
    ):
        assert response.status_code == status, response.text
        assert detail in response.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"x", b"\r\n--", b"\r\n--y\r\n", bytes(range(256))])
def test_the_content_comes_out_as_it_went_in(content: bytes) -> None:
    assert _only_part(FORM % content, b"x") == (b"image/jpeg", content)


@given(st.binary(max_size=80), st.integers(0, 120))
def test_a_damaged_form_is_refused_or_read(noise: bytes, at: int) -> None:
    form = FORM % b"content"
    with contextlib.suppress(BadInputError):
        _only_part(form[:at] + noise + form[at:], b"x")
