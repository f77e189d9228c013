"""Images of services: made from a service's folder, found again by reference, unpacked to be run."""

import platform
from pathlib import Path
from typing import NamedTuple

from astraea.protocol import ServiceSpec, load_service_spec

from .errors import BuildError, ImageError
from .files import data_folder
from .layers import Layer, unpack_layer
from .oci import (
    CONFIG_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    Descriptor,
    ImageConfig,
    ImageLayout,
    Manifest,
    RootFs,
    RunConfig,
)
from .packaging.folder import SERVICE_FOLDER, service_layers
from .packaging.revision import labels_of, revision_of, spec_of
from .packaging.stages import Stage, StageWatch

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class ServiceImage(NamedTuple):
    """An image that engines start instances from."""

    reference: str
    """`NAME:REVISION` in this user's layout; `HOST/NAME:TAG@DIGEST` in a registry."""
    digest: str
    """Of its manifest, or of an index of several platforms."""
    spec: ServiceSpec
    revision: str


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
    spec = load_service_spec(directory)
    watch = StageWatch()
    try:
        with layout.writing():
            for name, layer in service_layers(layout, directory, spec):
                watch.done(name, layer)
            image = _write_image(layout, spec, tuple(stage.layer for stage in watch.stages if stage.layer is not None))
    except OSError as error:
        raise BuildError(f"the image can't be written to {layout.root}: {error.strerror}") from None
    watch.done("image")
    return Build(image, watch.stages)


def _write_image(layout: ImageLayout, spec: ServiceSpec, layers: tuple[Layer, ...]) -> ServiceImage:
    config = ImageConfig(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        config=RunConfig(
            working_dir=f"/{SERVICE_FOLDER}",
            labels=labels_of(spec),
        ),
        rootfs=RootFs(diff_ids=tuple(layer.diff_id for layer in layers)),
    )
    descriptors = tuple(layer.descriptor for layer in layers)
    manifest = layout.put(
        Manifest(config=layout.put(config, CONFIG_MEDIA_TYPE), layers=descriptors), MANIFEST_MEDIA_TYPE
    )
    image = _describe(spec, manifest.digest)
    layout.tag(image.reference, manifest)
    return image


def _describe(spec: ServiceSpec, digest: str) -> ServiceImage:
    revision = revision_of(spec, digest)
    return ServiceImage(f"{spec.name}:{revision}", digest, spec, revision)


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
    spec = spec_of(layout.config(layout.manifest(entries[name])), name)
    return _describe(spec, entries[name].digest)


def layers_of(layout: ImageLayout, image: ServiceImage) -> tuple[Descriptor, ...]:
    """The layers of an image in the layout, the lowest first.

    Raises:
        ImageError: it is there no more, or damaged.
    """
    entry = layout.references().get(image.reference)
    if entry is None:
        raise ImageError(f"there is no image {image.reference!r} any more", hint="`astraea build DIR` makes one")
    return layout.manifest(entry).layers


def unpack_image(layout: ImageLayout, image: ServiceImage, into: Path) -> Path:
    """Lay the image's files out below a folder, and return where the service's folder is.

    Raises:
        ImageError: the image or a layer is missing or damaged.
    """
    for layer in layers_of(layout, image):
        unpack_layer(layout, layer, into)
    return into / SERVICE_FOLDER
