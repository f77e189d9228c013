"""YOLOv3 on a GPU, one frame at a time and in batches: `python -m benchmarks.gpu`.

The network is YOLOv3's, its weights are random: the same arithmetic as trained ones. It is run by what an edge server
runs it by, TensorRT or CUDA through onnxruntime, from images in memory to boxes in memory: copies to and from the GPU
count. Without a GPU this says what it needs; `--cpu` measures the CPU instead.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from astraea.models.runtime import open_session

from .yolov3 import write_yolov3

_NEEDED = """There is no GPU that onnxruntime can use here (it has {found}). This needs
- an NVIDIA GPU and its driver: `nvidia-smi` shows it;
- onnxruntime-gpu in the place of onnxruntime: pip install 'astraea[gpu]' && pip uninstall -y onnxruntime && \\
  pip install --force-reinstall --no-deps onnxruntime-gpu
- the CUDA and cuDNN that it was built for: pip install 'onnxruntime-gpu[cuda,cudnn]'
`--cpu` measures the CPU instead."""
_WARM_UP = 5  # cuDNN tries its algorithms for each new shape


@dataclass(frozen=True)
class Figures:
    """One size of image in one size of batch."""

    size: int
    """Of the square images, in pixels."""
    batch: int
    ms_per_batch: float
    """The median."""
    ms_per_frame: float
    frames_per_second: float


def measure(session: ort.InferenceSession, size: int, batch: int, seconds: float) -> Figures:
    (name,) = (value.name for value in session.get_inputs())
    images = np.random.default_rng(0).random((batch, 3, size, size), np.float32)
    for _ in range(_WARM_UP):
        session.run(None, {name: images})
    times: list[float] = []
    end_s = time.perf_counter() + seconds
    while not times or time.perf_counter() < end_s:
        began_s = time.perf_counter()
        session.run(None, {name: images})
        times.append(time.perf_counter() - began_s)
    took_s = statistics.median(times)
    return Figures(size, batch, took_s * 1e3, took_s * 1e3 / batch, batch / took_s)


def numbers(text: str) -> list[int]:
    """`1,8` as numbers."""
    return [int(number) for number in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=numbers, default=[416, 608], help="of images (default: 416,608)")
    parser.add_argument("--batches", type=numbers, default=[1, 2, 4, 8, 16], help="(default: 1,2,4,8,16)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each of them (default: %(default)s)")
    parser.add_argument("--cpu", action="store_true", help="measure the CPU if there is no GPU")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    providers = ort.get_available_providers()
    if "CUDAExecutionProvider" not in providers and not given.cpu:
        print(_NEEDED.format(found=", ".join(providers)))
        return
    found: list[Figures] = []
    ran_on = ""
    for size in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            session = open_session(write_yolov3(Path(folder), size))
        ran_on = session.get_providers()[0].removesuffix("ExecutionProvider")
        if ran_on == "CPU" and not given.cpu:
            sys.exit("onnxruntime has CUDA but could not use it; its warnings above say which library is missing")
        print(f"{size} x {size} on {ran_on}, onnxruntime {ort.__version__}")
        for batch in given.batches:
            found.append(measure(session, size, batch, given.seconds))
            print(
                f"  batch {batch:3}: {found[-1].ms_per_frame:9.2f} ms a frame, "
                f"{found[-1].frames_per_second:8.1f} frames/s, {found[-1].ms_per_batch:9.1f} ms a batch"
            )
    if given.json:
        document = {"runs_on": ran_on, "onnxruntime": ort.__version__, "figures": [asdict(one) for one in found]}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
