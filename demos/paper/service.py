"""The edge's side: `python -m demos.paper.service FOLDER --size 416` writes a service of YOLOv3.

On an edge node of your own, `astraea serve FOLDER` then serves it, on a GPU where onnxruntime-gpu is installed, and
`python -m demos.paper --device real --edge URL` on a device measures the two.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from .model import Network

_HANDLER = Path(__file__).with_name("handler.py")


def write_service(folder: Path, model: Path) -> None:
    """Make a folder that already has the model one that `astraea serve` takes."""
    shutil.copy(_HANDLER, folder)
    text = f"name: yolov3\nversion: 1.0.0\nmodel: {model.name}\nhandler: handler.py\nport: 8000\n"
    (folder / "astraea.yaml").write_text(text)


app = typer.Typer(add_completion=False)


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="The folder to write; it is made.")],
    size: Annotated[
        int, typer.Option(min=32, max=1024, help="Of the square images, in pixels; a multiple of 32.")
    ] = 416,
    seeded: Annotated[bool, typer.Option("--seeded", help="Do not try to fetch the official weights.")] = False,
) -> None:
    """Write a service of YOLOv3 for images of one size."""
    if size % 32:
        raise typer.BadParameter(f"--size {size} is no multiple of 32")
    folder.mkdir(parents=True, exist_ok=True)
    network = Network(seeded=seeded)
    write_service(folder, network.write(folder, size))
    typer.echo(f"{folder}: YOLOv3-{size}, {network.weights}\nnext: astraea serve {folder}")


if __name__ == "__main__":
    app()
