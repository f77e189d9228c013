"""`astraea profile`: measure what encodings cost and are worth, and write the profile that decisions start from."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from astraea.models.photos import Photo, read_photos

from ..candidates.broker import BrokerClient
from ..candidates.enrolment import stored_key
from ..client import DEFAULT_BROKER
from ..encoding import Encoding
from ..engine import LocalEngine
from ..errors import DeviceError, ProfileError, UnreachableError
from ..transports import Credential, HttpTransport, Transport
from .ladders import DEFAULT_QUALITIES, DEFAULT_SIDES, ladder
from .measure import Measured, Profiler

app = typer.Typer(add_completion=False)


@app.callback()
def profiling() -> None:
    """Keep the verb a verb although it is the only one."""


@app.command(
    epilog="Example: astraea profile objects --images photos --labels labels --local yolo-fastest --plot rungs.png"
)
def profile(  # noqa: PLR0917 - the command line's options
    service: Annotated[str, typer.Argument(help="A detection service's name, as the broker knows it.")],
    images: Annotated[
        Path, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Images like those of the camera.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="YOLO label files of the images' names."),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="The labels' classes, one a line.")
    ] = None,
    edge: Annotated[str | None, typer.Option(metavar="URL", help="An edge server, to do without a broker.")] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", envvar="ASTRAEA_BROKER", help="The broker's address.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ASTRAEA_API_KEY", help="What the edge server is told to let the device in.")
    ] = None,
    local: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The device's own model: a zoo name or a file.")
    ] = None,
    side: Annotated[
        list[int] | None, typer.Option(min=0, help="A longer side in pixels; 0 for the images' own. Repeatable.")
    ] = None,
    quality: Annotated[list[int] | None, typer.Option(min=1, max=100, help="A JPEG quality. Repeatable.")] = None,
    most: Annotated[int, typer.Option(min=1, help="How many images to use.")] = 200,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where the profile goes.")] = Path("profile.json"),
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw accuracy over bytes.")] = None,
) -> None:
    """Measure each encoding of a ladder: bytes, times on either side, and how good the answers are.

    Run it on the device, or the times of encoding and of its own model are another machine's. Accuracy is mAP@0.5
    against labels; without labels, against the service's own answers to the lossless images.
    """
    classes = names.read_text(encoding="utf-8").splitlines() if names else []
    photos = read_photos(images, labels, classes, most=most)
    sides = [one or None for one in side] if side else DEFAULT_SIDES
    encodings = ladder(sides, quality or DEFAULT_QUALITIES)
    credential = Credential(token)
    url = edge or asyncio.run(_find(service, broker or DEFAULT_BROKER, credential))
    engine = LocalEngine(local) if local else None
    try:
        measured = asyncio.run(_measure(HttpTransport(url, credential), engine, photos, encodings))
    finally:
        if engine is not None:
            engine.close()
    output.write_text(measured.profile.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if plot:
        _plot(measured, plot)
    Console().print(_table(measured))
    Console(stderr=True).print(f"written to {output}; try it: astraea simulate --profile {output} --trace FILE")


async def _measure(
    transport: Transport, engine: LocalEngine | None, photos: Sequence[Photo], encodings: Sequence[Encoding]
) -> Measured:
    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("measuring", total=len(photos) * len(encodings))
            profiler = Profiler(transport, engine, on_progress=lambda: progress.advance(task))
            return await profiler.measure(photos, encodings)
    finally:
        await transport.close()


async def _find(service: str, broker: str, credential: Credential) -> str:
    """The best instance's address; the broker's token, if it gives one, goes into `credential`."""
    source = BrokerClient(broker, service, None, credential, stored_key(broker))
    try:
        targets = (await source.candidates(None)).targets
    finally:
        await source.close()
    if not targets:
        raise UnreachableError(f"the broker knows no instance of {service}", hint="`astraea status` shows what runs")
    return targets[0].url


def _plot(measured: Measured, path: Path) -> None:
    try:
        from .plot import plot_profile  # noqa: PLC0415 - matplotlib: heavy, and a device has none
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"--plot needs the package {error.name!r}, which is not installed", hint="pip install 'astraea[demo]'"
        ) from None
    try:
        plot_profile(measured.profile, path, ordinate=_ordinate(measured))
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path} can't be written: {str(error).splitlines()[0]}") from None


def _ordinate(measured: Measured) -> str:
    return "mAP@0.5" if measured.against_labels else "mAP@0.5 against the lossless images' answers"


def _table(measured: Measured) -> Table:
    profile = measured.profile
    front = set(profile.ladder)
    table = Table("encoding", title=f"rungs worth choosing among are marked; accuracy is {_ordinate(measured)}")
    for heading in ("bytes", "encode ms", "edge ms", "local ms", "accuracy", ""):
        table.add_column(heading, justify="right")
    for rung in sorted(profile.rungs, key=lambda rung: -rung.bytes):
        local = "" if rung.local_ms is None else f"{rung.local_ms:.1f}"
        times = f"{rung.encode_ms:.1f}", f"{rung.edge_ms:.1f}", local
        table.add_row(str(rung.encoding), str(rung.bytes), *times, f"{rung.accuracy:.3f}", "*" if rung in front else "")
    if profile.rungs[0].local_ms is not None:
        table.add_row("on the device", "", "", "", f"{profile.local_ms:.1f}", f"{profile.local_accuracy:.3f}", "")
    return table
