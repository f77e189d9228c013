"""What the runtimes of PyTorch share: running a module on arrays."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astraea.models.cpus import available_cpus

from .model import Model, Tensors, TensorSpec, datatype_of


def device_for_inference() -> torch.device:
    """The GPU if torch has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def datatype_of_tensor(dtype: torch.dtype) -> str:
    """The Open Inference Protocol's word for a type of torch's."""
    return "BF16" if dtype == torch.bfloat16 else datatype_of(str(dtype).removeprefix("torch."))


def model_of(
    module: torch.nn.Module,
    *,
    platform: str,
    device: torch.device,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> Model:
    """A module whose inputs are tensors, by position, and whose output is a tensor or some of them."""
    torch.set_num_threads(available_cpus())
    for parameter in module.parameters():
        parameter.requires_grad_(requires_grad=False)

    def run(arrays: Tensors) -> dict[str, NDArray[Any]]:
        tensors = (torch.from_numpy(np.ascontiguousarray(arrays[spec.name])).to(device) for spec in inputs)
        with torch.inference_mode():
            results = module(*tensors)
        results = [results] if isinstance(results, torch.Tensor) else results
        return {f"output_{number}": result.cpu().numpy() for number, result in enumerate(results)}

    runtime = f"torch {torch.__version__} on {device}"
    return Model(platform, runtime, module, inputs, outputs, run)
