"""Images of services: made from a service's folder, found again by reference, unpacked to be run."""

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from astraea.protocol import SPEC_FILE, ServiceSpec, load_service_spec

from .errors import BuildError, ImageError
from .files import data_folder
from .layers import Layer, unpack_layer, write_layer
from .oci import (
    CONFIG_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    TITLE,
    VERSION,
    Descriptor,
    ImageConfig,
    ImageLayout,
    Manifest,
    RootFs,
    RunConfig,
)

SERVICE_FOLDER = "app"
"""Where the service's folder lies in the image, from its root."""

_SPEC_LABEL = "astraea.service"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class ServiceImage(NamedTuple):
    """An image in the layout."""

    reference: str
    """`NAME:REVISION`."""
    digest: str
    """Of its manifest."""
    spec: ServiceSpec
    revision: str
    layers: tuple[Descriptor, ...]


class Stage(NamedTuple):
    """A part of a build, and how long it took."""

    name: str
    duration_s: float
    layer: Layer | None = None


class Build(NamedTuple):
    """An image just built, and how."""

    image: ServiceImage
    stages: tuple[Stage, ...]

    @property
    def duration_s(self) -> float:
        """Of all stages together."""
        return sum(stage.duration_s for stage in self.stages)


def default_layout() -> ImageLayout:
    """The images of this user."""
    return ImageLayout(data_folder() / "images")


def build_image(directory: Path, layout: ImageLayout) -> Build:
    """Make an image of a service's folder. Layers that are there already are not written again.

    Hidden files, `__pycache__` and virtual environments stay out. A `zoo:` model stays a name: the node that runs the
    service pulls it through its own cache.

    Raises:
        ServiceSpecError: the folder's `astraea.yaml` is wrong.
        BuildError: the folder holds something that can't go into an image.
    """
    laps = _Laps()
    spec = load_service_spec(directory)
    model, application = _sort_files(directory, spec)
    stages = [Stage("read", laps.next_s())]
    try:
        with layout.writing():
            for name, files in (("model", model), ("application", application)):
                if files:
                    layer = write_layer(layout, {f"{SERVICE_FOLDER}/{path}": directory / path for path in files})
                    stages.append(Stage(name, laps.next_s(), layer))
            image = _write_image(layout, spec, tuple(stage.layer for stage in stages if stage.layer is not None))
    except OSError as error:
        raise BuildError(f"the image can't be written to {layout.root}: {error.strerror}") from None
    return Build(image, (*stages, Stage("image", laps.next_s())))


class _Laps:
    """A stopwatch."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def next_s(self) -> float:
        """Seconds since the last call."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def _write_image(layout: ImageLayout, spec: ServiceSpec, layers: tuple[Layer, ...]) -> ServiceImage:
    config = ImageConfig(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        config=RunConfig(
            working_dir=f"/{SERVICE_FOLDER}",
            labels={_SPEC_LABEL: spec.model_dump_json(), TITLE: spec.name, VERSION: spec.version},
        ),
        rootfs=RootFs(diff_ids=tuple(layer.diff_id for layer in layers)),
    )
    descriptors = tuple(layer.descriptor for layer in layers)
    manifest = layout.put(
        Manifest(config=layout.put(config, CONFIG_MEDIA_TYPE), layers=descriptors), MANIFEST_MEDIA_TYPE
    )
    image = _describe(spec, manifest.digest, descriptors)
    layout.tag(image.reference, manifest)
    return image


def _describe(spec: ServiceSpec, digest: str, layers: tuple[Descriptor, ...]) -> ServiceImage:
    # A revision becomes part of addresses, where the `+` of a semantic version has no place.
    revision = f"{spec.version.replace('+', '-')}-{digest.removeprefix('sha256:')[:8]}"
    return ServiceImage(f"{spec.name}:{revision}", digest, spec, revision, layers)


def find_image(layout: ImageLayout, reference: str) -> ServiceImage:
    """Find an image by its reference, or the newest of a service by the service's name.

    Raises:
        ImageError: there is none, it is damaged, or it is no image of a service.
    """
    entries = layout.references()
    name = next((name for name in reversed(entries) if reference in (name, name.partition(":")[0])), None)
    if name is None:
        raise ImageError(
            f"there is no folder and no image {reference!r}",
            hint=f"the newest images are {', '.join(list(entries)[-5:])}"
            if entries
            else "`astraea build DIR` makes an image",
        )
    manifest = layout.manifest(entries[name])
    try:
        spec = ServiceSpec.model_validate_json(layout.config(manifest).config.labels.get(_SPEC_LABEL, ""))
    except ValidationError:
        raise ImageError(f"the image {name} is of no service: its label {_SPEC_LABEL!r} is missing or wrong") from None
    return _describe(spec, entries[name].digest, manifest.layers)


def unpack_image(layout: ImageLayout, image: ServiceImage, into: Path) -> Path:
    """Lay the image's files out below a folder, and return where the service's folder is.

    Raises:
        ImageError: a layer is missing or damaged.
    """
    for layer in image.layers:
        unpack_layer(layout, layer, into)
    return into / SERVICE_FOLDER


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
    return path.name.startswith(".") or path.name == "__pycache__" or (path / "pyvenv.cfg").exists()


def _check_link(directory: Path, path: Path) -> None:
    if not path.is_symlink():
        return
    if path.readlink().is_absolute() or not path.resolve().is_relative_to(directory.resolve()):
        raise BuildError(
            f"{path} is a link that leads out of the service's folder", hint="put a copy of what it leads to there"
        )
