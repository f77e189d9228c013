"""Programs and scripts of PyTorch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astraea.edge_server import ModelFormatError, TensorSpec, open_model
from tests.edge_server.runtimes.conftest import need_framework, rewrite, warnings_in

DIGIT = np.zeros((3, 1, 8, 8), np.float32)


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
