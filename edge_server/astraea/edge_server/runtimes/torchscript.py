"""TorchScript models, run by PyTorch.

The file doesn't tell its inputs' types and shapes, nor which version of torch saved it; `torch.export` does.
"""

from pathlib import Path

import torch

from .model import Model, TensorSpec
from .torch_run import device_for_inference, model_of


def open_model(path: Path) -> Model:
    """A `torch.jit.ScriptModule` in evaluation mode."""
    device = device_for_inference()
    module = torch.jit.load(path, map_location=device).eval()
    arguments = [argument.name for argument in module.forward.schema.arguments[1:]]
    return model_of(
        module,
        platform="pytorch_torchscript",
        device=device,
        inputs=tuple(TensorSpec(name, "FP32", (-1,)) for name in arguments),
        outputs=(TensorSpec("output_0", "FP32", (-1,)),),
    )
