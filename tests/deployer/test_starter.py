"""`astraea init`: what a new service starts from."""

import ast
import json
from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from astraea.deployer.errors import StarterError
from astraea.deployer.starter import start_service
from astraea.edge_server import Limits, open_service
from astraea.protocol import load_service_spec


@pytest.mark.parametrize("model", [None, "zoo:plates", "zoo:yolo-fastest-xl", "net.onnx"])
def test_a_new_service_has_a_template_of_at_most_8_lines_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.onnx").write_bytes(b"weights")
    start_service(tmp_path / "new", model)
    spec = load_service_spec(tmp_path / "new")
    assert (spec.name, spec.model, spec.handler) == ("new", model, "handler.py")
    assert len((tmp_path / "new" / "astraea.yaml").read_text().splitlines()) <= 8


@pytest.mark.parametrize("model", [None, "zoo:plates", "net.onnx"])
def test_a_new_handler_defines_what_the_server_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.onnx").write_bytes(b"weights")
    start_service(tmp_path / "new", model)
    tree = ast.parse((tmp_path / "new" / "handler.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert functions == ({"predict"} if model is None else {"load", "predict"})


def test_an_estimator_is_served_by_the_handler_that_is_written_for_it(tmp_path: Path) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    skops.io.dump(model, tmp_path / "double.skops")
    start_service(tmp_path / "new", str(tmp_path / "double.skops"))
    service = open_service(tmp_path / "new", load_service_spec(tmp_path / "new"), Limits(workers=1, queue=1))
    answer = service.answer(b"[[3.0]]")
    assert json.loads(answer.body) == {"output": [pytest.approx(6)]}


def test_a_model_file_from_elsewhere_is_copied_in(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    start_service(tmp_path / "new", str(tmp_path / "net.onnx"))
    assert (tmp_path / "new" / "net.onnx").read_bytes() == b"weights"


def test_a_model_file_that_lies_there_already_is_used(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    start_service(tmp_path, str(tmp_path / "net.onnx"), "plates")
    assert load_service_spec(tmp_path).model == "net.onnx"


@pytest.mark.parametrize(("folder", "name"), [("My Plates_2", "my-plates-2"), ("--x--", "x")])
def test_the_folders_name_is_made_fit(tmp_path: Path, folder: str, name: str) -> None:
    start_service(tmp_path / folder)
    assert load_service_spec(tmp_path / folder).name == name


def test_a_folder_whose_name_cannot_be_made_fit_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(StarterError, match="name: '42' can't be used") as refused:
        start_service(tmp_path / "42")
    assert "--name" in str(refused.value.hint)
    assert not (tmp_path / "42").exists()


@pytest.mark.parametrize("present", ["astraea.yaml", "handler.py"])
def test_nothing_is_overwritten(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_text("mine")
    with pytest.raises(StarterError, match=f"{present} exists already"):
        start_service(tmp_path, name="new")
    assert [path.name for path in tmp_path.iterdir()] == [present]


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StarterError, match=r"no file 'plates'") as refused:
        start_service(tmp_path / "new", "plates")
    assert "zoo:NAME" in str(refused.value.hint)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StarterError, match="can't be written"):
        start_service(tmp_path / "file" / "new")
