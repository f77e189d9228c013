"""`python -m demos.plates`: the cars that pass a camera, a line for each."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from astraea.device import OffloadClient, open_camera
from astraea.models import Detector
from astraea.protocol import AstraeaError, Result

from ..quickstart.experiment import SlowedDetector
from ..quickstart.fleet import DEVICE_LOCATION, Fleet, FleetError
from .cascade import DEADLINE_MS, PROFILE, light_recognizer, objective
from .journal import Journal, Recorder
from .page import Page, serving
from .privacy import Privacy, protector
from .tracks import Sighting, Tracks


def demo(  # noqa: PLR0917 - the command line's options
    source: Annotated[
        str, typer.Argument(help="A camera (picamera2:, /dev/video0, rtsp://...), a video, a folder, or synthetic:")
    ] = "synthetic:",
    privacy: Annotated[
        Privacy, typer.Option(help="What is told of a plate: all, A**23, or a number that only this run knows it by.")
    ] = Privacy.MASK,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Add a line for each car: .csv or .jsonl.")
    ] = None,
    edge: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="An edge server that serves plates; default: two here.")
    ] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="A broker that knows edge servers.")] = None,
    token: Annotated[str | None, typer.Option(envvar="ASTRAEA_API_KEY", help="What lets the device in there.")] = None,
    deadline_ms: Annotated[float, typer.Option(min=1, help="From a frame's capture to its answer.")] = DEADLINE_MS,
    slowdown: Annotated[float, typer.Option(min=1, max=1000, help="Emulate a device so many times slower.")] = 1,
    fps: Annotated[float | None, typer.Option(help="Frames per second, for sources that have a choice.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="End after so many; default: with the source.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page, on this machine; 0 takes a free one.")] = 0,
) -> None:
    """Find and read the plates of passing cars, at the edge while that is in time, and tell each car once.

    Without --edge and --broker, a broker and two edge nodes are started on this machine, and stopped at the end.
    """
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's end is as regular as Ctrl-C
    page = Page(f"Cars, plates {privacy.past}")
    try:
        with ExitStack() as opened:
            camera = opened.enter_context(open_camera(source, fps=fps))
            journal = opened.enter_context(Journal(log)) if log else None
            address = opened.enter_context(serving(page, port))
            device = _device(slowdown, console)
            own = None if edge or broker else opened.enter_context(Fleet("plates", console))
            client = OffloadClient(
                "plates",
                local=device,
                broker=own.broker_url if own else broker,
                edges=edge or (),
                token=token,
                location=DEVICE_LOCATION if own else None,
                objective=objective(deadline_ms),
                profile=PROFILE,
            )
            stream = opened.enter_context(client).stream(camera)
            console.print(f"the cars are listed at {address}  (Ctrl-C ends)", soft_wrap=True)
            recorder = Recorder(protector(privacy), now_s=time.time(), clock_s=time.monotonic())

            def tell(sighting: Sighting) -> None:
                record = recorder.record(sighting)
                page.add(record)
                console.print(_line(record), soft_wrap=True, highlight=False)
                if journal:
                    journal.write(record)

            counts = watch(islice(stream, frames), tell, page.count)
    except (AstraeaError, FleetError) as error:
        hint = getattr(error, "hint", None)
        console.print(f"[bold red]plates:[/] {escape(str(error))}" + (f"\n→ {escape(hint)}" if hint else ""))
        raise typer.Exit(1) from None
    console.print("frames answered: " + (", ".join(f"{count} {who}" for who, count in counts.items()) or "none"))


def watch(
    results: Iterable[Result], tell: Callable[[Sighting], None], count: Callable[[dict[str, int]], None]
) -> dict[str, int]:
    """Tell of each car once it has passed, until the results end or Ctrl-C; how many frames were answered by whom."""
    tracks, counts = Tracks(), Counter[str]()
    with suppress(KeyboardInterrupt):
        for result in results:
            counts[result.tier or "nobody"] += 1
            count(counts)
            if result.detections is not None:
                for sighting in tracks.see(result.detections, result.captured_at, remote=result.tier != "device"):
                    tell(sighting)
    for sighting in tracks.end():
        tell(sighting)
    return counts


def _device(slowdown: float, console: Console) -> Detector:
    recognizer = light_recognizer()
    if slowdown == 1:
        return recognizer
    console.print(f"[italic]The device is emulated: it takes {slowdown:g} times as long as this machine does.[/]")
    return SlowedDetector(recognizer, slowdown)


def _line(record: dict[str, Any]) -> str:
    time_of_day = record["time"][11:19]
    plate = escape(record["plate"] or "unread")
    at_edge = f"{record['remote_frames']} of {record['frames']} frames at the edge"
    return f"{time_of_day}  [bold]{plate:<18}[/] in view for {record['seconds']:4.1f} s, {at_edge}"


if __name__ == "__main__":
    typer.run(demo)
