"""The files of a service's folder, in two layers: the model seldom changes, the rest often."""

import os
from collections.abc import Iterator
from pathlib import Path

from astraea.protocol import SPEC_FILE, ServiceSpec

from ..errors import BuildError
from ..layers import Layer, write_layer
from ..oci import ImageLayout

SERVICE_FOLDER = "app"
"""Where the service's folder lies in the image, from its root."""

LOCK_FILE = "astraea.lock"
"""Beside the template: versions and hashes of the packages of its container images. It is for version control."""


def service_layers(layout: ImageLayout, directory: Path, spec: ServiceSpec) -> Iterator[tuple[str, Layer]]:
    """The layers of a folder's own files, by name: `model` if it has one, then `application`. Needs `writing`.

    Hidden files, `__pycache__` and virtual environments stay out.

    Raises:
        BuildError: the folder holds something that can't go into an image.
    """
    model, application = _sort_files(directory, spec)
    for name, files in (("model", model), ("application", application)):
        if files:
            yield name, write_layer(layout, {f"{SERVICE_FOLDER}/{path}": directory / path for path in files})


def _sort_files(directory: Path, spec: ServiceSpec) -> tuple[list[str], list[str]]:
    """Paths, below the service's folder, of the model's files and of all others."""
    if spec.model is None or spec.model.startswith("zoo:"):
        model = []
    elif (directory / spec.model).is_dir():
        model = list(_walk(directory, Path(os.path.normpath(spec.model))))
    else:
        model = [os.path.normpath(spec.model)]
    application = set(_walk(directory, Path()))
    # Named by the template, so it goes in even if it would be left out by its name.
    application.update(name for name in (SPEC_FILE, spec.handler) if name is not None)
    application.difference_update(model)
    for path in (*model, *application):
        _check_link(directory, directory / path)
    return model, sorted(application)


def _walk(directory: Path, below: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory / below):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and not _is_left_out(here / name)]
        for name in (*files, *links):
            if not _is_left_out(here / name):
                yield str((here / name).relative_to(directory))


def _is_left_out(path: Path) -> bool:
    """Hidden things (`.git`, `.env`, caches), compiled Python and virtual environments."""
    return path.name.startswith(".") or path.name in {"__pycache__", LOCK_FILE} or (path / "pyvenv.cfg").exists()


def _check_link(directory: Path, path: Path) -> None:
    if not path.is_symlink():
        return
    if path.readlink().is_absolute() or not path.resolve().is_relative_to(directory.resolve()):
        raise BuildError(
            f"{path} is a link that leads out of the service's folder", hint="put a copy of what it leads to there"
        )
