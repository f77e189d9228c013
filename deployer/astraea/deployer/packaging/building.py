"""A service's container image for each platform, made on this machine and put into a registry."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from astraea.protocol import ServiceSpec, load_service_spec

from ..errors import BuildError
from ..images import ServiceImage
from ..layers import Layer
from ..oci import ImageConfig, ImageLayout, Index, Manifest
from ..registry import Reference, Registry, attach, attached, find_credentials
from .base import find_base
from .bytecode import Compiler, find_compiler
from .container import own_layer, write_container, zoo_layer
from .dependencies import Architecture
from .folder import service_layers
from .packages import locked, packages_layer
from .pushing import push_image, push_name
from .requirements import requirements_of, unread_parts
from .revision import revision_of, spec_of
from .sbom import BILL_MEDIA_TYPE, bill_of
from .stages import Stage, StageWatch


class ContainerBuild(NamedTuple):
    """A container image in a registry, and how it came about."""

    reference: Reference
    """With its digest: that of an index if there are several platforms."""
    spec: ServiceSpec
    revision: str
    stages: tuple[Stage, ...]
    sent_bytes: int
    """What the registry had not yet."""

    @property
    def image(self) -> ServiceImage:
        """What engines start instances from."""
        return ServiceImage(str(self.reference), str(self.reference.digest), self.spec, self.revision)

    @property
    def duration_s(self) -> float:
        """Of all stages together."""
        return sum(stage.duration_s for stage in self.stages)


def build_container(
    directory: Path,
    layout: ImageLayout,
    target: Reference,
    *,
    base: Reference,
    architectures: Sequence[Architecture],
    labels: Mapping[str, str] | None = None,
    on_stage: Callable[[Stage], None] = lambda _stage: None,
) -> ContainerBuild:
    """Make an image of a service's folder for each platform, and push what the registry lacks.

    Args:
        directory: the service's folder. Its lock of packages is written there if there is none, or it fits no more.
        layout: keeps layers from one build to the next.
        target: the image's name.
        base: the image below.
        architectures: of the machines that it is to run on.
        labels: of the image, beside those that it has anyway.
        on_stage: is told of each stage that is done.

    Raises:
        ServiceSpecError: the folder's `astraea.yaml` is wrong.
        BuildError: something can't go into an image, or a package can't be had.
        RegistryError: a registry does not answer, or refuses.
    """
    spec = load_service_spec(directory)
    watch = StageWatch(on_stage)
    requirements, unread = requirements_of(directory, spec), unread_parts(directory, spec)
    watch.done("read")
    with ExitStack() as stack:
        registry = stack.enter_context(_registry(target.host))
        source = registry if base.host == target.host else stack.enter_context(_registry(base.host))
        bases = [find_base(source, base, architecture) for architecture in architectures]
        watch.done("base")
        python = bases[0].platform.python
        text, compiler = locked(directory, requirements, bases[0].platform), find_compiler(python)
        watch.done("lock")
        if compiler is None:
            watch.done(f"no bytecode: no Python {python} here")
        stack.enter_context(_written(layout))
        shared = {}
        for name, layer in _shared_layers(layout, directory, spec, compiler):
            shared[name] = layer
            watch.done(name, layer)
        manifests, sent_bytes = [], 0
        for found in bases:
            packages = packages_layer(layout, text, found.platform, unread, compiler)
            watch.done(f"packages {found.platform.architecture}", packages)
            manifest = write_container(layout, spec, found, [packages, *shared.values()], labels)
            manifests.append(manifest)
            layout.tag(f"{target}-{found.platform.architecture}", manifest)
            sent_bytes += push_image(layout, manifest, target, registry, base=found, source=source)
            watch.done(f"push {found.platform.architecture}")
        named = push_name(layout, target, manifests, registry)
        sent_bytes += attach(registry, named, bill_of(spec, text, bases[0], shared.get("model")), BILL_MEDIA_TYPE)
        watch.done("name")
    return ContainerBuild(named, spec, revision_of(spec, str(named.digest)), watch.stages, sent_bytes)


def find_container(reference: Reference) -> ServiceImage:
    """Find an image of a service in its registry.

    Raises:
        RegistryError: the registry doesn't answer, or has no such image.
        ImageError: it is of no service.
    """
    with _registry(reference.host) as registry:
        found = registry.manifest(reference)
        named = reference.at(found.descriptor.digest)
        if "manifests" in json.loads(found.content):  # each platform's tells the same of the service
            index = Index.model_validate_json(found.content)
            found = registry.manifest(reference.at(index.manifests[0].digest))
        manifest = Manifest.model_validate_json(found.content)
        with registry.blob(reference.repository, manifest.config.digest) as parts:
            spec = spec_of(ImageConfig.model_validate_json(b"".join(parts)), str(reference))
    return ServiceImage(str(named), str(named.digest), spec, revision_of(spec, str(named.digest)))


def find_bill(reference: Reference) -> bytes:
    """The bill of materials that was attached to an image when it was pushed: CycloneDX in JSON.

    Raises:
        RegistryError: the registry doesn't answer, or has no such image, or no bill of it.
    """
    with _registry(reference.host) as registry:
        held = reference.at(registry.manifest(reference).descriptor.digest)
        return attached(registry, held, BILL_MEDIA_TYPE)


def _shared_layers(
    layout: ImageLayout, directory: Path, spec: ServiceSpec, compiler: Compiler | None
) -> Iterator[tuple[str, Layer]]:
    """The layers that are the same for every platform, what changes least first."""
    yield "astraea", own_layer(layout, compiler)
    if spec.model is not None and spec.model.startswith("zoo:"):
        yield "model", zoo_layer(layout, spec.model)
    yield from service_layers(layout, directory, spec)


def _registry(host: str) -> Registry:
    return Registry(host, find_credentials(host))


@contextmanager
def _written(layout: ImageLayout) -> Iterator[None]:
    try:
        with layout.writing():
            yield
    except OSError as error:
        raise BuildError(f"the image can't be written to {layout.root}: {error.strerror}") from None
