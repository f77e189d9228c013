"""What is told of a service's folder, and that nothing in it is executed to find out."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from astraea.deployer.errors import InspectionError, UntrustedPickleError
from astraea.deployer.inspection.folder import inspect_service
from astraea.deployer.inspection.models import inspect_model
from astraea.deployer.inspection.pickles import read_pickle
from astraea.deployer.inspection.trust import is_data

from .conftest import Cli, WriteService


class Planted:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self._command,)


@pytest.fixture
def estimator() -> Any:
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    return make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(rows, [f"kind {n % 2}" for n in range(20)])


def _compressed(pack: Callable[[bytes], bytes]) -> Callable[[Any, Path], object]:
    return lambda value, path: path.write_bytes(pack(pickle.dumps(value)))


def _pickled(protocol: int) -> Callable[[Any, Path], object]:
    return lambda value, path: path.write_bytes(pickle.dumps(value, protocol))


WRITERS: dict[str, Callable[[Any, Path], object]] = {
    **{f"pickle protocol {number}": _pickled(number) for number in (3, 4, 5)},
    "joblib": joblib.dump,
    "joblib, zlib": lambda value, path: joblib.dump(value, path, compress=("zlib", 3)),
    "joblib, gzip": lambda value, path: joblib.dump(value, path, compress=("gzip", 3)),
    "gzip": _compressed(gzip.compress),
    "bz2": _compressed(bz2.compress),
    "xz": _compressed(lzma.compress),
    "zlib": _compressed(zlib.compress),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_an_estimator_is_accepted_however_it_was_written(
    write: Callable[[Any, Path], object], estimator: Any, tmp_path: Path
) -> None:
    write(estimator, tmp_path / "model")
    view = inspect_model(tmp_path / "model")
    assert view.framework == "scikit-learn"
    assert "sklearn.preprocessing._data.StandardScaler" in view.pickled_names
    assert view.framework_version is not None


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_pickle_that_would_run_a_command_is_refused_and_never_executed(
    write: Callable[[Any, Path], object], estimator: Any, tmp_path: Path
) -> None:
    proof = tmp_path / "executed"
    hidden = [
        estimator,
        np.arange(1000),
        np.array([Planted(f"touch {proof}")], object),
        {"deep": Planted(f"touch {proof}")},
    ]
    write(hidden, tmp_path / "model")
    with pytest.raises(UntrustedPickleError, match=r"would call (posix|nt)\.system"):
        inspect_model(tmp_path / "model")
    assert not proof.exists()


def test_inspect_build_and_deploy_refuse_it_and_say_how_to_allow_it(
    cli: Cli, write_service: WriteService, tmp_path: Path
) -> None:
    proof = tmp_path / "executed"
    folder = write_service(keys="model: model.pkl\n")
    (folder / "model.pkl").write_bytes(pickle.dumps(Planted(f"touch {proof}")))
    for verb in ("inspect", "build", "deploy"):
        said = cli(verb, folder, status=1).stderr
        assert "would call posix.system; nothing of it was executed" in said
        assert "--allow posix.system" in said
    assert "posix.system" in cli("inspect", folder, "--json", "--allow", "posix.system").stdout
    cli("build", folder, "--allow", "posix.system")
    assert not proof.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.",  # STACK_GLOBAL
        b"\x80\x02cposix\nsystem\n.",  # GLOBAL
        b"\x80\x02(S'x'\niposix\nsystem\n.",  # INST
        b"\x80\x04\x8c\x06system\x94\x8c\x05posix\x94h\x01h\x00\x93.",  # the name put together from the memo
        b"\x80\x02cbuiltins\ngetattr\n(cos\npath\nS'x'\ntR.",
    ],
)
def test_names_are_found_whatever_opcode_brings_them(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(content)
    with pytest.raises(UntrustedPickleError):
        inspect_model(tmp_path / "model.pkl")


def test_names_by_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02\x82\x01.")
    with pytest.raises(InspectionError, match="by the number 1"):
        inspect_model(tmp_path / "model.pkl")


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.pkl"
    path.write_bytes(b"\x80\x04" + content)
    with contextlib.suppress(InspectionError):
        read_pickle(path)


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "posix.system", "builtins.eval", "builtins.getattr", "subprocess.Popen", "numpy.load",
        "numpy.memmap",         "sklearn.externals._packaging.Version", "sklearn.utils.os.system", "sklearn.tests.Evil",
        "__main__.Net",
        "torch.hub.load", "torch.load", "sklearnx.Evil", "sklearn.datasets.Evil",
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_data_is_not_trusted(name: str) -> None:
    assert not is_data(name)


def test_an_onnx_model_tells_its_inputs_and_outputs(tmp_path: Path) -> None:
    frame = helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["N", 3, 4])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["N", 3, 4])
    graph = helper.make_graph([helper.make_node("Relu", ["frame"], ["answer"])], "g", [frame], [answer])
    onnx.save(helper.make_model(graph, producer_name="tests", producer_version="1"), str(tmp_path / "model.onnx"))
    view = inspect_model(tmp_path / "model.onnx")
    assert (view.framework, view.framework_version) == ("onnx", "tests 1")
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in view.inputs] == [("frame", "FLOAT", ("N", 3, 4))]
    assert [tensor.name for tensor in view.outputs] == ["answer"]


def test_a_folder_is_told_with_the_packages_that_its_handler_imports(write_service: WriteService, cli: Cli) -> None:
    folder = write_service(handler="import PIL.Image\nraise SystemExit('executed')\n")
    view = inspect_service(folder)
    assert any(text.startswith("pillow") for text in view.requirements)
    shown = cli("inspect", folder).stdout
    assert "hello 1.0.0" in shown
    assert json.loads(cli("inspect", folder, "--json").stdout)["model"] is None
