"""Models of Keras, TensorFlow and TensorFlow Lite."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astraea.edge_server import TensorSpec, open_model
from tests.edge_server.runtimes.conftest import need_framework, rewrite, warnings_in

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
