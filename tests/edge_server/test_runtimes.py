"""Each framework's model files, made and opened by the framework itself."""

import json
import logging
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
import sklearn
import skops.io
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from astraea.edge_server import MissingExtraError, ModelFormatError, ModelLoadError, TensorSpec, open_model
from astraea.edge_server.runtimes import datatype_of
from astraea.models import ModelFileError, YoloDetector
from tests.conftest import need
from tests.edge_server.test_formats import onnx_model, zip_of
from tests.models.darknet_files import write_weights

DIGIT = np.zeros((3, 1, 8, 8), np.float32)


def need_framework(name: str, package: str) -> None:
    need(name, find_spec(package) is not None, f"{package} is not installed: pip install 'astraea[{name}]'")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rewrite(archive: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """The same zip archive, but for what one of its members holds."""
    changed = archive.with_name(f"changed-{archive.name}")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name.endswith(member) else old.read(name))
    return changed


def warnings_in(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno == logging.WARNING]


# ONNX


def test_an_onnx_model_runs_and_tells_its_tensors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "double.onnx"
    path.write_bytes(onnx_model())
    with caplog.at_level(logging.INFO):
        model = open_model(path)
    assert model.inputs == (TensorSpec("x", "FP32", (-1,)),)
    assert model.outputs == (TensorSpec("y", "FP32", (-1,)),)
    assert model.run({"x": np.array([1, 2.5], np.float32)})["y"].tolist() == [2, 5]
    assert re.search(r"double.onnx is an ONNX model; onnxruntime [\d.]+ on \w+ runs it", caplog.text)


def test_an_onnx_model_newer_than_its_runtime_is_told_with_both_versions(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_model())
    model.opset_import[0].version = 999
    path = tmp_path / "new.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"999.*till opset \d+"):
        open_model(path)


def test_what_an_onnx_model_makes_beside_tensors_is_left_to_handlers(tmp_path: Path) -> None:
    node = onnx.helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])
    floats = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, ["n", 2])
    scores = onnx.helper.make_map_type_proto(onnx.TensorProto.STRING, onnx.helper.make_tensor_type_proto(1, []))
    graph = onnx.helper.make_graph(
        [node, onnx.helper.make_node("Identity", ["x"], ["z"])],
        "scores",
        [onnx.helper.make_value_info("x", floats)],
        [
            onnx.helper.make_value_info("y", onnx.helper.make_sequence_type_proto(scores)),
            onnx.helper.make_value_info("z", floats),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    path = tmp_path / "scores.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    model = open_model(path)
    rows = np.array([[0.25, 0.75]], np.float32)
    assert [spec.name for spec in model.outputs] == list(model.run({"x": rows})) == ["z"]
    assert model.native.run(["y"], {"x": rows}) == [[{"no": 0.25, "yes": 0.75}]]


@pytest.mark.parametrize(
    ("dtype", "word"),
    [(np.float16, "FP16"), (np.uint8, "UINT8"), (np.int64, "INT64"), (bool, "BOOL"), ("U5", "BYTES"), ("S5", "BYTES")],
)
def test_datatypes_are_the_protocols(dtype: Any, word: str) -> None:
    assert datatype_of(dtype) == word


def test_numbers_that_the_protocol_lacks_are_told() -> None:
    with pytest.raises(ValueError, match="complex128"):
        datatype_of(complex)


# Darknet

CFG = """
[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=21
size=1
stride=1
activation=linear
[yolo]
mask=0,1,2
anchors=4,4, 8,8, 16,16
classes=2
num=3
"""


@pytest.fixture
def darknet(tmp_path: Path) -> Path:
    """The configuration of a network whose weights and names lie beside it."""
    from astraea.models.darknet.cfg import read_cfg
    from astraea.models.darknet.network import build_network

    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG.lstrip())
    write_weights(tmp_path / "tiny.weights", build_network(read_cfg(cfg)))
    (tmp_path / "tiny.names").write_text("cat\ndog\n")
    return cfg


@pytest.mark.parametrize("suffix", [".cfg", ".weights"])
def test_a_darknet_network_is_converted_once(darknet: Path, cache: Path, suffix: str) -> None:
    model = open_model(darknet.with_suffix(suffix))
    assert model.inputs == (TensorSpec("images", "FP32", (-1, 3, 32, 32)),)
    assert isinstance(model.native, YoloDetector)
    model.native.detect(np.zeros((48, 64, 3), np.uint8))
    (made,) = (cache / "astraea" / "converted").iterdir()
    before = made.stat().st_mtime_ns
    open_model(darknet)
    assert made.stat().st_mtime_ns == before


def test_other_weights_are_converted_anew(darknet: Path, cache: Path) -> None:
    open_model(darknet)
    weights = darknet.with_suffix(".weights")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    open_model(darknet)
    assert len(list((cache / "astraea" / "converted").iterdir())) == 2


def test_half_a_darknet_network_is_told_what_it_lacks(darknet: Path) -> None:
    darknet.with_suffix(".weights").unlink()
    with pytest.raises(ModelFormatError, match=r"there is no tiny\.weights beside tiny\.cfg"):
        open_model(darknet)


# ultralytics


def checkpoint(path: Path, *calls: str) -> Path:
    """What looks like a checkpoint whose pickle calls functions, each `module name`, without arguments."""
    pickled = b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n0" + b"".join(
        b"c%s\n%s\n)R0" % tuple(call.encode().split(b" ")) for call in calls
    )
    path.write_bytes(zip_of("m/data.pkl", data=pickled + b"N."))
    return path


@pytest.mark.parametrize(
    "call",
    [
        "os getcwd",
        "builtins eval",
        "torch.hub load",
        "ultralytics.nn.tasks DetectionModel",
        "ultralytics.nn.tasks yaml",
    ],
)
def test_a_checkpoint_that_calls_other_code_is_refused_unopened(tmp_path: Path, call: str) -> None:
    with pytest.raises(ModelLoadError, match="which no network needs; nothing of it was called"):
        open_model(checkpoint(tmp_path / "model.pt", call))


def test_a_checkpoint_names_the_extra_that_exports_it(tmp_path: Path) -> None:
    if find_spec("ultralytics") is not None:
        pytest.skip("ultralytics is installed")
    with pytest.raises(MissingExtraError, match="ultralytics checkpoint") as caught:
        open_model(checkpoint(tmp_path / "model.pt", "collections OrderedDict"))
    assert caught.value.hint == "pip install 'astraea[ultralytics]'"


def test_an_ultralytics_checkpoint_is_exported_and_detects(tmp_path: Path) -> None:
    need_framework("ultralytics", "ultralytics")
    from ultralytics import YOLO

    YOLO("yolov8n.yaml").save(tmp_path / "model.pt")
    model = open_model(tmp_path / "model.pt")
    assert model.inputs[0].shape == (1, 3, 640, 640)
    assert model.native.detect(np.zeros((48, 64, 3), np.uint8)) == []


# scikit-learn: pickles


@pytest.fixture(scope="session")
def digits() -> tuple[Any, Any]:
    """Images of digits as rows of 64, and their names."""

    rows, numbers = load_digits(return_X_y=True)
    return rows[:400], np.array([f"the {number}" for number in numbers[:400]], object)


@pytest.fixture(scope="session")
def classifier(digits: tuple[Any, Any]) -> Any:

    return make_pipeline(StandardScaler(), SVC()).fit(*digits)


def dump(estimator: Any, path: Path, how: str) -> Path:
    if how == "pickle":
        path.write_bytes(pickle.dumps(estimator))
    elif how == "skops":
        skops.io.dump(estimator, path)
    else:
        joblib.dump(estimator, path, compress=(how, 3) if how != "joblib" else 0)
    return path


@pytest.mark.parametrize("how", ["pickle", "joblib", "zlib", "gzip", "bz2", "xz", "skops"])
def test_an_estimator_answers_as_it_did_before_it_was_saved(
    tmp_path: Path, digits: tuple[Any, Any], classifier: Any, how: str
) -> None:
    model = open_model(dump(classifier, tmp_path / "model", how))
    assert model.inputs == (TensorSpec("input", "FP64", (-1, 64)),)
    assert model.outputs == (TensorSpec("predict", "BYTES", (-1,)),)
    assert (model.run({"input": digits[0]})["predict"] == classifier.predict(digits[0])).all()
    assert type(model.native) is type(classifier)


ESTIMATORS = [
    HistGradientBoostingClassifier(max_iter=2),
    GradientBoostingClassifier(n_estimators=2, random_state=np.random.RandomState(0)),
    RandomForestClassifier(2),
    GaussianProcessClassifier(),
    KNeighborsClassifier(algorithm="kd_tree"),
    MLPClassifier(max_iter=1),
    make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=1)),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # one step of training is enough here
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_what_estimators_are_made_of_is_trusted(tmp_path: Path, digits: tuple[Any, Any], estimator: Any) -> None:
    rows, names = digits[0][:60], digits[1][:60]
    estimator.fit(rows, names)
    model = open_model(dump(estimator, tmp_path / "model", "joblib"))
    assert (model.run({"input": rows})["predict"] == estimator.predict(rows)).all()


def test_an_estimator_of_texts_takes_bytes(tmp_path: Path) -> None:

    estimator = make_pipeline(TfidfVectorizer(), RidgeClassifier()).fit(["good day", "bad day", "good"], [1, 0, 1])
    model = open_model(dump(estimator, tmp_path / "model", "pickle"))
    assert model.inputs == (TensorSpec("input", "BYTES", (-1,)),)
    assert model.run({"input": np.array([b"good", b"bad"], object)})["predict"].tolist() == [1, 0]


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _attacks(target: Path) -> dict[str, bytes]:
    """Pickles that make a file when they are loaded, each by another way."""
    touch = f"__import__('pathlib').Path({str(target)!r}).touch()"
    argument = b"(V%s\ntR." % touch.encode()
    script = b"(V%s\ntR." % f"touch {target}".encode()
    return {
        "a function": pickle.dumps(Calls(os.system, f"touch {target}")),
        "eval": pickle.dumps(Calls(eval, touch)),
        "an old protocol": b"cposix\nsystem\n" + script,
        "a dotted name": b"\x80\x04\x8c\x07sklearn\x8c\x09os.system\x93" + script,
        "a dotted class": b"\x80\x04\x8c\x0dsklearn.utils\x8c\x0c_bunch.Bunch\x93(tR.",
        "what a module imports": b"csklearn.utils.fixes\nsys\n.",
        "a function of the package": b"csklearn.utils._testing\nset_random_state\n" + argument,
        "a function of numpy": b"cnumpy.testing._private.utils\nrunstring\n(V%s\n}tR." % touch.encode(),
        "a class that writes": b"cnumpy\nmemmap\n(V%s\nVuint8\nVw+\nI0\n(I9\nttR." % str(target).encode(),
        "an instance": b"(V%s\niposix\nsystem\n." % f"touch {target}".encode(),
        "a module that acts when imported": b"cnumpy.f2py.__main__\nmain\n.",
        "joblib": b"cjoblib.numpy_pickle\nload\n" + argument,
    }


ATTACKS = sorted(_attacks(Path()))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pickle_that_names_other_code_is_refused_uncalled(tmp_path: Path, attack: str) -> None:
    path, target = tmp_path / "model.pkl", tmp_path / "touched"
    pickled = _attacks(target)[attack]
    path.write_bytes(pickled if pickled[0] == 0x80 else b"\x80\x02" + pickled)
    with pytest.raises(ModelLoadError, match=r"the pickle .* names .*; nothing of it was called") as caught:
        open_model(path)
    assert "joblib.load(model)" in str(caught.value.hint)
    assert not target.exists()
    assert "numpy.f2py.__main__" not in sys.modules


def test_a_pickle_of_what_other_versions_had_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02csklearn.linear_model.logistic\nLogisticRegression\n)\x81.")
    with pytest.raises(
        ModelLoadError, match=r"names sklearn\.linear_model\.logistic\.\w+, which isn't in the versions"
    ):
        open_model(path)


def test_a_checkpoint_with_two_pickles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of("m/data.pkl", "m/DATA.pkl", data=b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n."))
    with pytest.raises(ModelLoadError, match="does not load"):
        open_model(path)


def test_a_call_inside_joblibs_arrays_of_objects_is_refused_uncalled(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    evil = np.array([Calls(os.system, f"touch {target}")], object)
    with pytest.raises(ModelLoadError, match=r"names (posix|nt)\.system"):
        open_model(dump({"classes_": evil}, tmp_path / "model", "joblib"))
    assert not target.exists()


def test_what_skops_does_not_trust_is_named(tmp_path: Path, digits: tuple[Any, Any]) -> None:

    path = dump(DecisionTreeClassifier(max_depth=2).fit(*digits), tmp_path / "model", "skops")
    with pytest.raises(ModelLoadError, match=r"sklearn\.tree\._tree\.Tree") as caught:
        open_model(path)
    assert "trusted=[" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["pickle", "joblib", "skops"])
def test_an_estimator_of_another_version_is_warned_of_once(
    tmp_path: Path, classifier: Any, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    path = dump(classifier, tmp_path / "model", how)
    now = sklearn.__version__.encode()
    before = b"0" + now[1:]
    if how == "skops":
        path = rewrite(path, "schema.json", lambda text: text.replace(now, before))
    else:
        path.write_bytes(path.read_bytes().replace(now, before))
    open_model(path)
    assert warnings_in(caplog) == [
        f"{path} was saved by scikit-learn {before.decode()}, and {now.decode()} runs it: its answers may differ"
    ]


def test_an_estimator_that_predicts_nothing_is_told(tmp_path: Path) -> None:

    with pytest.raises(ModelLoadError, match="StandardScaler, which has no `predict`"):
        open_model(dump(StandardScaler(), tmp_path / "model", "pickle"))


# PyTorch


@pytest.fixture
def network() -> Any:
    need_framework("torch", "torch")
    import torch

    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Flatten(), torch.nn.Linear(144, 10)
    return torch.nn.Sequential(*layers)


def _answers(network: Any, images: Any) -> Any:
    import torch

    with torch.inference_mode():
        return network.eval()(torch.from_numpy(images)).numpy()


def export(network: Any, path: Path) -> Path:
    import torch

    batch = torch.export.Dim("batch")
    program = torch.export.export(network.eval(), (torch.from_numpy(DIGIT),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


def test_an_exported_program_runs_and_tells_its_tensors(tmp_path: Path, network: Any) -> None:
    model = open_model(export(network, tmp_path / "model.pt2"))
    assert model.inputs == (TensorSpec("input", "FP32", (-1, 1, 8, 8)),)
    assert model.outputs == (TensorSpec("output_0", "FP32", (-1, 10)),)
    images = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    np.testing.assert_allclose(model.run({"input": images})["output_0"], _answers(network, images), atol=1e-5)


# PyTorch deprecates TorchScript for torch.export, and goes on to read the files of those who have some.
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_runs_in_evaluation_mode(tmp_path: Path, network: Any) -> None:
    import torch

    torch.jit.script(network.train()).save(tmp_path / "model.pt")
    model = open_model(tmp_path / "model.pt")
    assert [spec.name for spec in model.inputs] == ["input"]
    images = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    np.testing.assert_allclose(model.run({"input": images})["output_0"], _answers(network, images), atol=1e-5)
    assert not model.native(torch.from_numpy(images)).requires_grad


def test_a_program_of_another_torch_is_warned_of(
    tmp_path: Path, network: Any, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    def older(program: bytes) -> bytes:
        return json.dumps(json.loads(program) | {"torch_version": "2.1.0"}).encode()

    path = rewrite(export(network, tmp_path / "model.pt2"), "models/model.json", older)
    open_model(path)
    (warning,) = warnings_in(caplog)
    assert f"was saved by torch 2.1.0, and {torch.__version__} runs it" in warning


def test_weights_without_a_network_are_told_what_to_do(tmp_path: Path, network: Any) -> None:
    import torch

    torch.save(network.state_dict(), tmp_path / "model.pt")
    with pytest.raises(ModelFormatError, match="weights but no network") as caught:
        open_model(tmp_path / "model.pt")
    assert "torch.export.save" in str(caught.value.hint)


# TensorFlow

quiet_keras = pytest.mark.filterwarnings(
    # Keras gives numpy a tensor of TensorFlow's, whose __array__ is of before numpy 2.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture
def keras_model() -> Any:
    need_framework("tensorflow", "tensorflow")
    from astraea.edge_server.runtimes.quiet_tensorflow import keras

    keras.utils.set_random_seed(0)
    layers = keras.Input((8, 8, 1), name="image"), keras.layers.Flatten(), keras.layers.Dense(10)
    return keras.Sequential(layers)


IMAGES = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)


@quiet_keras
def test_a_keras_model_runs_and_tells_its_tensors(tmp_path: Path, keras_model: Any) -> None:
    keras_model.save(tmp_path / "model.keras")
    model = open_model(tmp_path / "model.keras")
    assert model.inputs == (TensorSpec("image", "FP32", (-1, 8, 8, 1)),)
    assert model.outputs == (TensorSpec("output_0", "FP32", (-1, 10)),)
    expected = keras_model.predict_on_batch(IMAGES)
    np.testing.assert_allclose(model.run({"image": IMAGES})["output_0"], expected, atol=1e-5)


@quiet_keras
def test_a_keras_model_of_another_version_is_warned_of(
    tmp_path: Path, keras_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keras_model.save(tmp_path / "model.keras")
    open_model(rewrite(tmp_path / "model.keras", "metadata.json", lambda _: b'{"keras_version": "3.0.1"}'))
    assert "was saved by Keras 3.0.1, and 3." in warnings_in(caplog)[0]


@quiet_keras
def test_a_saved_model_and_its_tflite_run(tmp_path: Path, keras_model: Any) -> None:
    need_framework("tensorflow", "ai_edge_litert")
    from astraea.edge_server.runtimes.quiet_tensorflow import tf

    folder, lite = tmp_path / "saved", tmp_path / "model.tflite"
    keras_model.export(folder, verbose=False)
    lite.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    expected = keras_model.predict_on_batch(IMAGES)
    for path in (folder, lite):
        model = open_model(path)
        ((name, datatype, shape),) = model.inputs
        assert (datatype, shape) == ("FP32", (-1, 8, 8, 1))
        for count in (1, 5, 5, 2):
            (answers,) = model.run({name: IMAGES[:count]}).values()
            np.testing.assert_allclose(answers, expected[:count], atol=1e-5)


# All


@pytest.mark.parametrize(
    ("framework", "package", "content"),
    [
        ("sklearn", "sklearn", b"\x80\x04\x95"),
        ("sklearn", "joblib", b"\x1f\x8b\x08 and no more"),
        ("sklearn", "skops", zip_of("schema.json")),
        ("torch", "torch", zip_of("m/data.pkl", "m/constants.pkl")),
        ("torch", "torch", zip_of("m/archive_format", "m/models/model.json")),
        ("tensorflow", "keras", zip_of("metadata.json", "config.json")),
        ("tensorflow", "ai_edge_litert", b"\x1c\0\0\0TFL3"),
    ],
)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # as above
def test_what_a_framework_does_not_take_is_told_in_one_line(
    tmp_path: Path, framework: str, package: str, content: bytes
) -> None:
    need_framework(framework, package)
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="does not load: ") as caught:
        open_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "package", "extra"),
    [
        (pickle.dumps([]), "sklearn", "sklearn"),
        (zip_of("m/archive_format"), "torch", "torch"),
        (zip_of("metadata.json", "config.json"), "keras", "tensorflow"),
        (b"\x1c\0\0\0TFL3", "ai_edge_litert.interpreter", "tensorflow"),
    ],
)
def test_a_framework_that_is_missing_is_told_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("astraea.edge_server.runtimes.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(MissingExtraError, match=f"there is no module '{package.partition('.')[0]}") as caught:
        open_model(path)
    assert caught.value.hint == f"pip install 'astraea[{extra}]'"
