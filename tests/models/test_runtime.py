"""What runs an ONNX model, chosen from what is there."""

import pytest

from astraea.models import runtime

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("available", "installed", "chosen"),
    [
        ([CPU], False, [CPU]),
        (["AzureExecutionProvider", CPU], True, [CPU]),
        ([CUDA, CPU], False, [CUDA, CPU]),
        ([TENSORRT, CUDA, CPU], False, [CUDA, CPU]),
        ([CPU, CUDA, TENSORRT], True, [TENSORRT, CUDA, CPU]),
    ],
)
def test_the_fastest_that_is_there_comes_first(
    monkeypatch: pytest.MonkeyPatch, available: list[str], installed: bool, chosen: list[str]
) -> None:
    monkeypatch.setattr(runtime, "find_library", lambda _: "libnvinfer.so.10" if installed else None)
    assert [name for name, _ in runtime.choose_providers(available)] == chosen


def test_tensorrt_keeps_what_it_took_minutes_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "find_library", lambda _: "libnvinfer.so.10")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    ((_, options),) = runtime.choose_providers([TENSORRT])
    assert options == {"trt_engine_cache_enable": "True", "trt_engine_cache_path": "/var/cache/astraea/tensorrt"}
