"""`astraea models`: the zoo on the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

from .catalogue import MODELS, ZooModel
from .download import OnProgress, Progress
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
