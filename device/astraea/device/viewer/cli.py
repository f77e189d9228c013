"""`astraea camera`: a camera's frames answered, and a page that shows how."""

import re
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from astraea.protocol import Result

from ..camera import open_camera, without_password
from ..client import OffloadClient
from ..errors import DeviceError
from .board import Board
from .gallery import Gallery
from .server import ViewerServer, is_loopback
from .watching import Watched

app = typer.Typer(add_completion=False)

DEFAULT_PORT = 8686


@app.callback()
def viewer() -> None:
    """Keep the verb a verb while there is only one."""


@app.command(epilog="Example: astraea camera plates --source picamera2: --local plates --broker http://broker:8600")
def camera(  # noqa: PLR0917 - the command line's options
    service: Annotated[str, typer.Argument(help="The service's name, as the broker knows it.", show_default=False)],
    source: Annotated[
        str,
        typer.Option(
            metavar="URI",
            help="picamera2:, /dev/video0, rtsp://HOST/PATH, http://HOST/PATH, a video, a folder, or synthetic:",
        ),
    ] = "synthetic:",
    local: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Answers on the device too: a zoo model or a file.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="Default: ASTRAEA_BROKER, else http://127.0.0.1:8600.")
    ] = None,
    edge: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="An edge server's address, to do without a broker.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ASTRAEA_API_KEY", help="What edge servers are told to let the device in.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="LAT,LON", help="Where the device is, in degrees.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Of the picture, e.g. 1280x720.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second, for cameras that have a choice.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="End after so many; default: go on.")] = None,
    track: Annotated[
        bool, typer.Option("--track", help="Show the newest frame, with the boxes carried to where things are by now.")
    ] = False,
    host: Annotated[str, typer.Option(help="Who may look: beyond 127.0.0.1, whoever has the address printed.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = DEFAULT_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="Print each result as a line of JSON.")] = False,
) -> None:
    """Have every frame of a camera answered, and show it on a page.

    The page has the live picture with what was found, response times expected and taken, bandwidth and round trip,
    and each decision with its reason. It needs no network but the way to this device. Ctrl-C ends it.
    """
    console = Console(stderr=True)
    board, gallery = Board(), Gallery()
    watched = Watched(without_password(source), board, gallery, track=track)
    with (
        open_camera(source, size=_size(size), fps=fps) as opened,
        OffloadClient(
            service,
            local=local,
            broker=broker,
            edges=edge or (),
            token=token,
            location=_place(at),
            on_event=watched.hear,
        ) as client,
        ViewerServer(board, gallery, host=host, port=port) as server,
    ):
        console.print(f"[bold]{escape(service)}[/] is watched at {server.url}  (Ctrl-C ends)", soft_wrap=True)
        if local is None:
            console.print("[dim]without --local MODEL, frames stay unanswered while no edge server can be reached[/]")
        if not is_loopback(host):
            console.print("[dim]whoever has this address sees the picture; it goes unencrypted[/]")
        results = watched.run(opened, client)
        with _ending_on_signals(watched), closing(results), console.status("waiting for the first answer") as status:
            for result in islice(results, frames):
                if as_json:
                    typer.echo(result.to_json())
                status.update(escape(_line(result)))
    console.print("ended")


@contextmanager
def _ending_on_signals(watched: Watched) -> Iterator[None]:
    """Let Ctrl-C, and the SIGTERM of a service manager, end the loop as its regular end."""
    before = {number: signal.signal(number, lambda *_: watched.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(result: Result) -> str:
    if not result.answered:
        return f"frame {result.seq} has no answer: {result.failure}"
    found = "an answer" if result.detections is None else f"{len(result.detections)} found"
    reason = f" ({result.fallback})" if result.fallback else ""
    return f"frame {result.seq}: {found} by {result.source} in {result.actual_ms:.0f} ms{reason}"


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise DeviceError(f"--size {text} is not WIDTHxHEIGHT", hint="such as --size 1280x720")
    return int(match[1]), int(match[2])


def _place(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError:
        raise DeviceError(f"--at {text} is not LATITUDE,LONGITUDE", hint="such as --at 30.25,120.17") from None
    return latitude, longitude
