"""How a model file becomes something that runs: onnxruntime sessions."""

import logging
import os
from collections.abc import Sequence
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from .cpus import available_cpus
from .errors import ModelFileError

_logger = logging.getLogger(__name__)

_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
"""The fastest first."""
# onnxruntime's own exceptions have no base in common but Exception.
_LOAD_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


def open_session(model: Path, *, threads: int | None = None) -> ort.InferenceSession:
    """Load an ONNX file for inference: by TensorRT where it is installed, on the GPU where there is one, or on the CPU.

    Args:
        model: The file.
        threads: How many CPU threads one inference uses; by default as many as there are cores, or as the process may
            use when it is confined to fewer.

    Raises:
        ModelFileError: There is no such file, or onnxruntime cannot load it.
    """
    if not model.is_file():
        raise ModelFileError(f"there is no model file {model}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or _default_threads()
    # Threads that spin while they wait for work, as is the default, burn the CPU that decodes the next frame: on two
    # cores the plate models take 78 ms of CPU a frame with it and 31 ms without, in the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = ort.get_available_providers()
    if _PROVIDERS[1] in available and find_spec("nvidia") is not None:
        ort.preload_dlls()  # CUDA and cuDNN from pip lie where the loader doesn't look
    try:
        session = ort.InferenceSession(model, options, choose_providers(available))
    except _LOAD_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise ModelFileError(f"{model} does not load as an ONNX model: {reason}") from error
    _logger.info("%s runs on %s", model.name, session.get_providers()[0])
    return session


def choose_providers(available: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """What may run a model, the fastest first, with options: onnxruntime takes the next where one doesn't know a layer.

    Args:
        available: What onnxruntime was built with. For TensorRT that says nothing: its library is an installation of
            its own. It takes minutes to fit a network to the GPU, once: the result is kept in the cache.
    """
    return [
        (name, _tensorrt_options() if name == _PROVIDERS[0] else {})
        for name in _PROVIDERS
        if name in available and (name != _PROVIDERS[0] or _has_tensorrt())
    ]


def _has_tensorrt() -> bool:
    return find_library("nvinfer") is not None or find_spec("tensorrt_libs") is not None


def _tensorrt_options() -> dict[str, str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "astraea" / "tensorrt"
    return {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(cache)}


def _default_threads() -> int:
    """0 lets onnxruntime take a thread for each physical core; a limit on CPUs makes that too many."""
    cpus = available_cpus()
    return cpus if cpus < (os.cpu_count() or 1) else 0
