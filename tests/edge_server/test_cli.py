"""What `astraea serve` refuses before it starts anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from astraea.edge_server import OptionError
from astraea.edge_server.cli import app
from astraea.protocol import ListenError, ServiceSpecError
from tests.edge_server.conftest import WriteService


def refusal(*arguments: str) -> BaseException | None:
    return CliRunner().invoke(app, ["serve", "--port=0", *arguments]).exception


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--lat=1",), "--lon: .*found none"),
        (("--lat=99", "--lon=0"), "--lat: .*found 99"),
        (("--node=a b",), "--node: .*found 'a b'"),
        (("--instance=/",), "--instance: "),
        (("--advertise=edge-1:80",), "--advertise: "),
        (("--broker=localhost:1",), "--broker: .*found 'localhost:1'"),
    ],
)
def test_an_option_that_cannot_be_is_named(write_service: WriteService, options: tuple[str, ...], reason: str) -> None:
    error = refusal(str(write_service()), *options)
    assert isinstance(error, OptionError)
    with pytest.raises(OptionError, match=reason):
        raise error


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--host=0.0.0.0",), "requests are not authenticated"),
        (("--host=nowhere.invalid",), "requests are not authenticated"),
        (("--host=nowhere.invalid", "--insecure"), "can't listen on nowhere.invalid"),
        (("--host=192.0.2.1", "--insecure"), "can't listen on 192.0.2.1 port 0"),
        (("--host=0.0.0.0", "--insecure", "--broker=http://broker"), "0.0.0.0 is no address at which devices reach"),
    ],
)
def test_an_address_that_cannot_be_is_told(write_service: WriteService, options: tuple[str, ...], reason: str) -> None:
    error = refusal(str(write_service()), *options)
    assert isinstance(error, ListenError)
    assert reason in str(error)
    assert error.hint


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = refusal(str(tmp_path / "nowhere"))
    assert isinstance(error, ServiceSpecError)
    assert "there is no astraea.yaml" in str(error)


@pytest.mark.parametrize("service", ["plates", "objects"])
def test_the_examples_are_short_and_well_formed(service: str) -> None:
    folder = Path(__file__).parents[2] / "demos/services" / service
    assert len((folder / "astraea.yaml").read_text().splitlines()) <= 8
    assert isinstance(refusal(str(folder), "--host=0.0.0.0"), ListenError), "the template is read before that"
