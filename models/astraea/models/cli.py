"""`astraea models`: the zoo on the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

from .catalogue import MODELS, ZooModel
from .download import OnProgress, Progress
from .photos import read_photos
from .zoo import cached_folder, find_model, pull

app = typer.Typer(add_completion=False)
models_app = typer.Typer(help="List, pull and show the models of the zoo.", no_args_is_help=True)
app.add_typer(models_app, name="models")

Name = Annotated[str, typer.Argument(help="A model's name, as `astraea models list` shows it.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@models_app.command("list", epilog="Example: astraea models list --json")
def list_models(as_json: AsJson = False) -> None:
    """Show the models of the zoo, and which are on this machine."""
    if as_json:
        typer.echo(json.dumps([_as_dict(model) for model in MODELS], indent=2))
        return
    table = Table("Name", "What", "Licence", "Download", "Here")
    for model in MODELS:
        here = "yes" if cached_folder(model).is_dir() else "no"
        table.add_row(model.name, model.summary, model.licence, decimal(model.download_bytes), here)
    Console().print(table)


@models_app.command("pull", epilog="Example: astraea models pull plates")
def pull_model(
    name: Name, force: Annotated[bool, typer.Option("--force", help="Make it anew even if it is here.")] = False
) -> None:
    """Download a model and make it ready to use; print its folder.

    ASTRAEA_MODEL_MIRROR may name a folder or address that has the files of `astraea models show NAME`.
    """
    with _progress_bars() as on_progress:
        folder = pull(name, force=force, on_progress=on_progress)
    typer.echo(folder)


@models_app.command("show", epilog="Example: astraea models show yolov3")
def show_model(name: Name, as_json: AsJson = False) -> None:
    """Show where a model comes from, its licence, its files and their checksums."""
    model = find_model(name)
    if as_json:
        typer.echo(json.dumps(_as_dict(model), indent=2))
        return
    folder = cached_folder(model)
    here = folder if folder.is_dir() else f"not here yet: astraea models pull {model.name}"
    typer.echo(f"{model.name}: {model.summary}")
    typer.echo(f"licence  {model.licence}\nhomepage {model.homepage}\nkept in  {here}")
    for file in model.files:
        typer.echo(f"\n{file.name}, {decimal(file.size_bytes)}\n  sha256 {file.sha256}")
        for url in file.urls:
            typer.echo(f"  {url}")


@models_app.command(
    "quantize",
    epilog="Example: astraea models quantize yolo-fastest --images photos --labels labels --output small.onnx",
)
def quantize_model(
    model: Annotated[str, typer.Argument(help="A YOLO model: a zoo name or an ONNX file.", show_default=False)],
    images: Annotated[
        Path,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False, help="Images like those that it will see; 50 will do."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="YOLO label files of the images' names."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: NAME-int8.onnx, here.")
    ] = None,
    most: Annotated[int, typer.Option(min=2, max=10_000, help="How many of the images to use.")] = 200,
) -> None:
    """Write a model's INT8 twin, a quarter of its size, and show what that does to accuracy and time.

    Every other image calibrates, the rest measures. Accuracy is mAP@0.5 against labels; without labels, against what
    the original model finds. Whether INT8 is faster depends on the processor: run this on the device.
    """
    from .quantize import class_names, compare, find_model_file, quantize  # noqa: PLC0415 - brings onnx and tools

    source = find_model_file(model)
    written = output or Path(f"{Path(model.removeprefix('zoo:')).stem}-int8.onnx")
    photos = read_photos(images, labels, class_names(source), most=most)
    console = Console(stderr=True)
    with ProgressBars(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("quantising and measuring", total=len(photos))
        quantize(source, photos[::2], written, on_progress=lambda: bars.advance(task))
        measured = compare(source, written, photos[1::2] or photos, on_progress=lambda: bars.advance(task))
    table = Table("", "size", "ms an image", "mAP@0.5" + ("" if labels else " against the original"))
    for name, one in zip(("float32", "int8"), measured, strict=True):
        table.add_row(name, decimal(one.size_bytes), f"{one.ms:.1f}", f"{one.accuracy:.3f}")
    Console().print(table)
    typer.echo(written)


def _as_dict(model: ZooModel) -> dict[str, Any]:
    folder = cached_folder(model)
    return {
        "name": model.name,
        "kind": model.kind,
        "summary": model.summary,
        "licence": model.licence,
        "homepage": model.homepage,
        "download_bytes": model.download_bytes,
        "cached": str(folder) if folder.is_dir() else None,
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256, "urls": file.urls}
            for file in model.files
        ],
    }


@contextmanager
def _progress_bars() -> Iterator[OnProgress]:
    """A bar for each file on the terminal, if there is one."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with ProgressBars(*columns, console=console, disable=not console.is_terminal) as bars:

        def show(progress: Progress) -> None:
            if progress.file not in tasks:
                tasks[progress.file] = bars.add_task(progress.file, total=progress.total_bytes)
            bars.update(tasks[progress.file], completed=progress.done_bytes)

        yield show
