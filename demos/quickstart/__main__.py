"""`make demo`: a service on two edge nodes, and a device whose uplink is throttled, cut and restored."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from astraea.device import Frame, OffloadClient, open_camera
from astraea.models import load_detector
from astraea.protocol import AstraeaError

from . import animation, report
from .experiment import GOOD, SlowedDetector, adaptive, edge_only, local_only
from .fleet import DEVICE_LOCATION, Fleet, FleetError
from .screen import Screen
from .uplink import Uplink


def demo(
    model: Annotated[
        str, typer.Option(help="A model of the zoo: plates, yolo-fastest, yolo-fastest-xl, yolov3, yolov3-tiny.")
    ] = "plates",
    source: Annotated[
        str, typer.Option(help="A camera, a video, a folder of pictures, or the synthetic street.")
    ] = "synthetic:",
    frames: Annotated[int, typer.Option(min=10, max=2000, help="How many frames of it.")] = 80,
    slowdown: Annotated[float, typer.Option(min=1, max=1000, help="How much slower than the edge the device is.")] = 8,
    output: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("demo-report"),
) -> None:
    """Answer the same frames adaptively, on the device alone and at the edge alone, and compare."""
    console = Console()
    try:
        with open_camera(source) as camera:
            shots = list(islice(camera, frames))
        summary = _run(console, model, shots, slowdown, output)
    except (AstraeaError, FleetError) as error:
        hint = getattr(error, "hint", None)
        console.print(f"[bold red]demo:[/] {escape(str(error))}" + (f"\n→ {escape(hint)}" if hint else ""))
        raise typer.Exit(1) from None
    sys.exit(0 if summary["unanswered"] == 0 else 1)


def _run(console: Console, model: str, shots: list[Frame], slowdown: float, output: Path) -> dict[str, Any]:
    emulation = (
        f"The device is emulated: it takes {slowdown:g} times as long for an inference as this machine does. "
        "The uplink is shaped in user space: 20 Mbit/s, then throttled to 0.4, then cut, then restored."
    )
    with Fleet(model, console) as fleet, Uplink(GOOD) as uplink:
        console.print(f"\n[italic]{emulation}[/]\n")
        device = SlowedDetector(load_detector(model), slowdown)
        screen = Screen(console, f"{model}, {len(shots)} frames", len(shots))
        client = OffloadClient(
            fleet.service,
            local=device,
            broker=fleet.broker_url,
            location=DEVICE_LOCATION,
            transport=uplink.transport,
        )
        with client, screen:
            run = []
            for answered in adaptive(client, shots, uplink):
                run.append(answered)
                screen.show(answered)
        with console.status("the same frames on the device alone"):
            local_ms = list(local_only(device, shots))
        with console.status("the same frames at the edge alone"):
            edge_ms = edge_only(fleet.nearest_url(), shots, uplink)
    summary = {"emulation": emulation} | report.summarise(run, local_ms, edge_ms)
    others = {"local_only": local_ms, "edge_only": edge_ms}
    report.write(output, summary, run, others)
    animation.write(output / "demo.webp", run, others)
    console.print(report.table(summary))
    console.print(report.sentence(summary))
    console.print(f"The report: {output / 'index.html'}, and {output / 'report.json'} for programs")
    return summary


if __name__ == "__main__":
    typer.run(demo)
