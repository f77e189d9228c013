"""Programs that `torch.export.save` wrote (.pt2), run by PyTorch."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.export.passes import move_to_device_pass

from .model import Model, TensorSpec, check_version
from .torch_run import datatype_of_tensor, device_for_inference, model_of


def open_model(path: Path) -> Model:
    """A `torch.fx.GraphModule`; it infers as it was exported, and has no other mode."""
    check_version(path, "torch", _saved_by(path), torch.__version__)
    device = device_for_inference()
    program = torch.export.load(path)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    signature = program.graph_signature
    return model_of(
        program.module(),
        platform="pytorch_export",
        device=device,
        inputs=tuple(_spec(name, values[name]) for name in signature.user_inputs),
        outputs=tuple(_spec(f"output_{i}", values[name]) for i, name in enumerate(signature.user_outputs)),
    )


def _saved_by(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        program = next(name for name in archive.namelist() if re.search(r"(^|/)models/[^/]+\.json$", name))
        return str(json.loads(archive.read(program)).get("torch_version", "(unknown)"))


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(length if isinstance(length, int) else -1 for length in value.shape)
    return TensorSpec(name, datatype_of_tensor(value.dtype), shape)
