"""`python -m demos.paper`: YOLOv3 on a slow device alone, and with an edge, as the paper measured it."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import onnxruntime as ort
import typer
from rich.console import Console
from rich.markup import escape

from astraea.protocol import AstraeaError
from benchmarks.field import FieldError
from benchmarks.regret import SHARED_TRACES

from . import published, report
from .experiment import Experiment, ExperimentError, Findings, Settings
from .lab import NETWORKS, LabError
from .remote import RemoteError

_CLIP = SHARED_TRACES.parent / "video" / "car-detection.mp4"
_QUICK: dict[str, Any] = {
    "sizes": (160,),
    "devices": (20.0,),
    "networks": ("5G",),
    "frames": 3,
    "alone_s": 1.0,
    "video_s": 2.0,
    "seeded": True,
}
_WIDTH = 130

app = typer.Typer(add_completion=False)


@app.command()
def paper(  # noqa: PLR0917 - the command line's options
    size: Annotated[
        list[int] | None,
        typer.Option(help="Of the square images, in pixels; repeatable.", show_default="416, 320, 608"),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="Seconds that it takes for YOLOv3-416, or `real`; repeatable.", show_default="20, 2"),
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(NETWORKS)}; repeatable.", show_default="all")
    ] = None,
    edge: Annotated[
        str | None, typer.Option(metavar="URL", help="A real edge, which serves what demos.paper.service writes.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="With the key that this edge asks for.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="A camera, a video, a folder of pictures.", show_default="a clip, or the synthetic street"),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=1000, help="Images of each measurement.")] = Settings.frames,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Of each video.")] = Settings.video_s,
    seeded: Annotated[bool, typer.Option("--seeded", help="Do not try to fetch the official weights.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="One small size, one device, one network: a minute.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the figures to a file.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them.")] = None,
) -> None:
    """The paper's experiment: how much sooner does a slow device have its answer with an edge?

    YOLOv3 in several sizes, single images and video. Device and link are emulated as well as this machine allows, and
    the output says how. It takes about ten minutes. On a Raspberry Pi with an edge of your own:
    `python -m demos.paper --device real --edge URL`.
    """
    chosen: dict[str, Any] = {
        "sizes": size or ((Settings.sizes[0],) if edge else None),
        "devices": [None if one == "real" else _seconds(one) for one in device] if device else None,
        "networks": network,
        "edge_url": edge,
        "key_file": key_file,
        "source": source or (str(_CLIP) if _CLIP.exists() else None),
    }
    given = {name: value for name, value in chosen.items() if value}
    options: dict[str, Any] = {"frames": frames, "video_s": seconds, "seeded": seeded}
    settings = Settings(**options | (_QUICK if quick else {}) | given)
    _check(settings)
    console = Console(width=max(_WIDTH, Console().width))
    try:
        with console.status("starting") as status:
            findings = Experiment(settings, lambda what: status.update(escape(what))).run()
    except (AstraeaError, ExperimentError, FieldError, LabError, RemoteError) as error:
        console.print(f"[bold red]paper:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    _print(console, findings)
    try:
        if json:
            report.write_json(json, _document(settings, findings), findings.rows, findings.choices)
        if plot:
            report.plot(plot, findings.rows)
    except (OSError, ValueError) as error:
        console.print(f"[bold red]paper:[/] a file can't be written: {escape(str(error).splitlines()[0])}")
        raise typer.Exit(1) from None


def _check(settings: Settings) -> None:
    if unknown := [one for one in settings.networks if one not in NETWORKS]:
        raise typer.BadParameter(f"there is no network {unknown[0]!r}; there are {', '.join(NETWORKS)}")
    if wrong := [one for one in settings.sizes if one % 32 or not 32 <= one <= 1024]:
        raise typer.BadParameter(f"--size {wrong[0]} is no multiple of 32 from 32 to 1024")
    if settings.edge_url and len(settings.sizes) > 1:
        raise typer.BadParameter("an edge serves one size: give --size once with --edge")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 600:
        raise typer.BadParameter(f"--device {text} is neither `real` nor seconds from 0.1 to 600")
    return seconds


def _print(console: Console, findings: Findings) -> None:
    for table in report.tables(findings.rows):
        console.print(table)
    console.print(report.choice_table(findings.choices))
    console.print(report.choice_verdict(findings.choices), markup=False, highlight=False)
    for heading, lines in (
        ("The paper's claims", report.verdicts(findings.rows)),
        ("What was emulated, and what not", findings.emulation),
    ):
        console.print(f"\n[bold]{heading}[/]")
        for line in lines:
            console.print(f"- {line}", markup=False, highlight=False)


def _document(settings: Settings, findings: Findings) -> dict[str, Any]:
    claims = {
        "device_s": published.DEVICE_S.text,
        "edge_s": published.EDGE_S,
        "speed_up": published.SPEED_UP.text,
        "saved_pct": published.SAVED_PCT.text,
        "video_ratio": published.VIDEO_RATIO.text,
    }
    return {
        "paper": claims,
        "settings": {name: value for name, value in asdict(settings).items() if name != "key_file"},
        "machine": {"cpus": os.cpu_count(), "onnxruntime": ort.__version__},
        "weights": findings.weights,
        "emulation": findings.emulation,
    }


if __name__ == "__main__":
    app()
