"""The experiment itself: who is measured with whom, in which order."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from astraea.models import DownloadError
from benchmarks.regret import SHARED_TRACES
from netlab import unavailable as no_namespaces

from . import published
from .device import read_frames
from .figures import Choice, Row, choice, row
from .lab import REAL, Lab, open_lab
from .model import CPU, SMALL, Network, processor, write_int8, write_small
from .quota import Quota
from .quota import unavailable as no_quota
from .remote import Remote
from .service import write_service

CALIBRATION_SIZE = 416
"""A device of 20 s takes 20 s for an image of this size."""
CPU_EDGE = f"{CPU}, measured"
INT8_EDGE = f"{CPU} in INT8, measured"
"""The same network, quantised."""
_MOST_ALONE = 5
_WARM_UP_FRAMES = 2
_CALIBRATION_FRAMES = 8
_REST_CPUS = 1 / 8
"""Of an emulated device, for all but inference: `make demo` takes a small board to be eight times slower as well."""


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    sizes: Sequence[int] = (416, 320, 608)
    """Of images, the first one for calibration and choices."""
    devices: Sequence[float | None] = (20.0, 2.0)
    """Seconds that a frame of 416 pixels takes there; None for this machine as it is."""
    networks: Sequence[str] = ("5G", "4G", "WiFi")
    """The video is measured on the first one."""
    frames: int = 5
    alone_s: float = 8.0
    """About how long frames are answered on a device alone; one of them at least, a few at most."""
    video_s: float = 4.0
    seeded: bool = False
    source: str = "synthetic:"
    edge_url: str | None = None
    """Of a real edge, in the place of those on this machine."""
    key_file: Path | None = None
    """With the key of that one."""


@dataclass
class Findings:
    """What came of it."""

    weights: str
    emulation: list[str] = field(default_factory=list)
    """What was not the real thing, in sentences."""
    rows: list[Row] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)


class Experiment:
    """Runs it once.

    Args:
        settings: what is measured.
        show: hears what is being done, a few words at a time.
    """

    def __init__(self, settings: Settings, show: Callable[[str], None]) -> None:
        self._settings = settings
        self._show = show
        self._network = Network(seeded=settings.seeded)
        self.findings = Findings(self._network.weights)
        self._no_quota = no_quota()
        self._unslowed: dict[str, float] | None = None
        """What a frame of the calibration size takes here, in one thread: CPU time and time."""
        self._alone_s: dict[tuple[int, str], list[float]] = {}
        """By size and device; an edge makes no difference to it."""

    def run(self) -> Findings:
        """All of it, size by size."""
        self.findings.emulation = list(self._given())
        for size in self._settings.sizes:
            with tempfile.TemporaryDirectory(prefix="astraea-paper-") as scratch:
                self._show(f"YOLOv3-{size}: writing the model")
                folder = Path(scratch)
                model = self._network.write(folder, size)
                for edge, lab in self._edges(folder, size, model):
                    self._measure(size, edge, lab, model)
                    if self._is_asked(size, edge):
                        self._choose(size, edge, lab, model)
        return self.findings

    def _edges(self, folder: Path, size: int, model: Path) -> Iterator[tuple[str, Lab]]:
        """The edges one after the other, by name, each in a lab that is there until the next one is asked for."""
        if self._settings.edge_url:
            with Lab(self._settings.edge_url) as lab:
                yield self._settings.edge_url, lab
            return
        for edge, served, environment in self._edges_here(folder, size, model):
            self._show(f"YOLOv3-{size}: starting the edge, {edge}")
            write_service(folder, served)
            with open_lab(folder, environment) as lab:
                yield edge, lab

    def _edges_here(self, folder: Path, size: int, model: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
        """Those of this machine: a name, the model to serve, and variables for the server."""
        here = processor(model)
        yield f"{here}, measured", model, {}
        if here == CPU:
            self._show(f"YOLOv3-{size}: quantising the model")
            self._tell(
                f"The edge called {INT8_EDGE} runs the same network in 8 bits, as `astraea models quantize` makes it; "
                "what that costs in accuracy is not measured here."
            )
            frames = read_frames(self._settings.source, size, _CALIBRATION_FRAMES)
            yield INT8_EDGE, write_int8(model, folder / f"yolov3-{size}-int8.onnx", frames), {}
        yield published.GPU, model, {"PAPER_EDGE_MS": str(published.gpu_ms(size))}

    @property
    def _networks(self) -> Sequence[str]:
        return (REAL,) if self._settings.edge_url else self._settings.networks

    def _measure(self, size: int, edge: str, lab: Lab, model: Path) -> None:
        """The paper's table: every device with this edge over every network."""
        for seconds in self._settings.devices:
            name = device_name(seconds)
            with self._device(lab, size, model, seconds) as device:
                alone_s = self._alone(size, device, seconds)
                images = {}
                for network in self._networks:
                    self._show(f"YOLOv3-{size}: {name} with {edge} over {network}")
                    images[network] = self._images(lab, network, device)
                first = self._networks[0]
                self._show(f"YOLOv3-{size}: video of the {name} with {edge} over {first}")
                lab.become(first)
                fps = {first: device.order("video", seconds=self._settings.video_s)}
                self.findings.rows.extend(
                    row(name, edge, network, size, alone_s=alone_s, images=said, video_fps=fps.get(network))
                    for network, said in images.items()
                )
                if self._is_asked(size, edge) and name not in {one.device for one in self.findings.choices}:
                    self._decide((size, edge), lab, device, (name, median(alone_s)))

    def _alone(self, size: int, device: Remote, seconds: float | None) -> list[float]:
        key = size, device_name(seconds)
        if key not in self._alone_s:
            expected_s = seconds * (size / CALIBRATION_SIZE) ** 2 if seconds else device.unslowed["wall_s"]
            self._show(f"YOLOv3-{size}: {device_name(seconds)} alone, about {expected_s:.1f} s a frame")
            frames = max(1, min(_MOST_ALONE, int(self._settings.alone_s / expected_s)))
            self._alone_s[key] = device.order("alone", frames=frames)
        return self._alone_s[key]

    def _images(self, lab: Lab, network: str, device: Remote) -> list[dict[str, Any]]:
        """Frames that were answered one at a time, after some that were not counted."""
        lab.become(network)
        device.order("images", frames=_WARM_UP_FRAMES)
        images = device.order("images", frames=self._settings.frames)
        answered = [image for image in images if image["failure"] is None]
        if not answered:
            raise ExperimentError(f"no frame was answered over {network}: {images[-1]['failure']}")
        return answered

    def _is_asked(self, size: int, edge: str) -> bool:
        """Whether the client's choices are looked at: that takes minutes, and the CPU's INT8 edge stands for both."""
        return size == self._settings.sizes[0] and edge != CPU_EDGE

    def _choose(self, size: int, edge: str, lab: Lab, model: Path) -> None:
        """Devices that are faster than the paper's: what does the client make of them?"""
        locals_ = {
            "onnxruntime, all cores of this machine": ["--model", str(model), "--cpu"],
            published.ACCELERATOR: ["--takes-ms", str(published.accelerator_ms(size))],
        }
        if small := self._small(model.parent, size):
            locals_[f"{SMALL} in INT8, all cores of this machine"] = ["--model", str(small), "--cpu"]
        for name, arguments in locals_.items():
            with lab.start([*self._camera(size), *arguments]) as device:
                device.order("connect", edge=lab.url, local=False)
                alone_s = device.order("alone", frames=_MOST_ALONE)
                self._decide((size, edge), lab, device, (name, median(alone_s)))

    def _decide(self, remote: tuple[int, str], lab: Lab, device: Remote, local: tuple[str, float]) -> None:
        """What the client does with a device of this name and these seconds, and an edge for this size, so named."""
        (size, edge), (name, local_s) = remote, local
        network = self._networks[0]
        self._show(f"YOLOv3-{size}: where the client has frames answered, {name} or {edge}")
        sent = self._images(lab, network, device)
        device.order("connect", edge=lab.url, local=True)
        decided = self._images(lab, network, device)
        self.findings.choices.append(choice(name, edge, size, local_s=local_s, sent=sent, decided=decided))

    def _small(self, folder: Path, size: int) -> Path | None:
        try:
            return write_small(folder, read_frames(self._settings.source, size, _CALIBRATION_FRAMES))
        except DownloadError as error:
            self._tell(f"{SMALL} in INT8 was left out: {error}")
            return None

    def _camera(self, size: int) -> list[str]:
        key = ["--key-file", str(self._settings.key_file)] if self._settings.key_file else []
        return ["--size", str(size), "--source", self._settings.source, *key]

    @contextmanager
    def _device(self, lab: Lab, size: int, model: Path, seconds: float | None) -> Iterator[Remote]:
        """A device that is connected, and as slow as it should be."""
        emulated = [] if seconds is None else ["--apart", "--cpu"]
        with lab.start([*self._camera(size), "--model", str(model), *emulated]) as device:
            device.order("connect", edge=lab.url, local=False)
            if seconds is None:
                yield device
                return
            if self._unslowed is None:
                share = (CALIBRATION_SIZE / size) ** 2
                self._unslowed = {name: value * share for name, value in device.unslowed.items()}
            held, how = self._slowed(device, seconds, self._unslowed)
            self._tell(how)
            with held:
                yield device

    def _slowed(
        self, device: Remote, seconds: float, unslowed: dict[str, float]
    ) -> tuple[AbstractContextManager[object], str]:
        """Make it so slow for as long as a context lasts; how that is done, in a sentence."""
        name = device_name(seconds)
        if self._no_quota:
            factor = max(1.0, seconds / unslowed["wall_s"])
            device.order("slow", factor=factor)
            how = f"The {name} is emulated: an inference takes {factor:.1f} times as long as here ({self._no_quota})."
            return nullcontext(), how
        held = ExitStack()
        inference = held.enter_context(Quota(unslowed["cpu_s"] / seconds))
        inference.hold(int(device.unslowed["pid"]))
        rest = held.enter_context(Quota(_REST_CPUS))
        rest.hold(device.pid)
        return held, (
            f"The {name} is emulated: inference has {inference.cpus:.3f} of a CPU (a control group's quota), so that "
            f"YOLOv3-{CALIBRATION_SIZE} takes about {seconds:g} s; all else it does, such as encoding and sending, "
            f"has {rest.cpus:.3f}."
        )

    def _tell(self, sentence: str) -> None:
        if sentence not in self.findings.emulation:
            self.findings.emulation.append(sentence)

    def _given(self) -> Iterator[str]:
        """What holds for all of it, as sentences."""
        edge = "what the edge runs is its own affair" if self._settings.edge_url else "the edge runs the same file"
        yield f"The device's YOLOv3 has {self.findings.weights}. It runs in onnxruntime, in FP32; {edge}."
        yield f"Frames of {Path(self._settings.source).name} lie in memory, scaled to the network's size."
        yield "What is called published was not measured here; the time of such a device is a wait."
        if self._settings.edge_url:
            return
        no_lab = no_namespaces()
        if no_lab:
            yield f"The link is a proxy with a network's mean rate and round trip time; no packet is lost ({no_lab})."
        else:
            how = "as measured traces have it" if SHARED_TRACES.is_dir() else "at a network's mean rate"
            yield f"The link carries real packets between two network namespaces, {how}."
        yield f"The edges called measured shared this machine and its {os.cpu_count()} cores with the device's program."
        yield f"The edge called {published.GPU} is a real server that decodes each frame and then waits."
        if small := [size for size in self._settings.sizes if size < published.LEAST_SIZE]:
            yield f"Nothing is published for YOLOv3-{small[0]}: the figures are those of larger images."


class ExperimentError(Exception):
    """Something that cannot be measured; the message says what and why."""


def device_name(seconds: float | None) -> str:
    """As tables have it."""
    return "this machine" if seconds is None else f"{seconds:g} s device"
