"""Every example of docs/device.md runs, in the order of the page, with a real edge server and the zoo's model."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from astraea.models import ModelError, pull
from tests.conftest import need
from tests.edge_server.conftest import started, wait_until

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "device.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ADDRESS = "http://edge.example:8000"


@pytest.fixture(scope="module")
def edge_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        pull("plates")
    except ModelError as error:
        need("registry", present=False, reason=f"the plate model can't be had: {error}")
    log = tmp_path_factory.mktemp("edge") / "server.log"
    with started(log, ROOT / "demos" / "services" / "plates", "--port", 0) as server:
        wait_until(lambda: " answers at " in server.log, seconds=120)
        with server.client() as client:
            yield str(client.base_url)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the examples have defined so far."""
    return {}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, edge_url: str, page: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = EXAMPLES[number].replace(ADDRESS, edge_url)
    exec(compile(code, f"docs/device.md, example {number + 1}", "exec"), page)
    assert ("print(" in code) <= bool(capsys.readouterr().out)


def test_the_page_names_every_field_of_a_result() -> None:
    from astraea.protocol import Result

    fields = {*Result.model_fields, *Result.model_computed_fields}
    assert {field for field in fields if f"`{field}`" not in PAGE} == set()
