"""From the layout on this machine to a registry: only what that has not."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..oci import INDEX_MEDIA_TYPE, Descriptor, ImageLayout, Index, OfPlatform
from ..registry import Reference, Registry, chunks
from .base import Base

_PARALLEL = 4


def push_image(
    layout: ImageLayout,
    manifest: Descriptor,
    reference: Reference,
    registry: Registry,
    *,
    base: Base,
    source: Registry,
) -> int:
    """Put an image of one platform into a registry, under its digest.

    Args:
        layout: has the image, but for its base.
        registry: where to.
        reference: says which repository.
        manifest: of the image.
        base: what it is built on.
        source: the registry that has the base.

    Returns:
        Bytes sent.

    Raises:
        RegistryError: a registry doesn't answer, or refuses.
        ImageError: the layout's image is damaged.
    """
    content = layout.manifest(manifest)
    from_base = {layer.digest for layer in base.layers}

    def send(blob: Descriptor) -> int:
        if registry.has_blob(reference.repository, blob.digest):
            return 0
        if blob.digest not in from_base:
            with layout.open(blob) as file:
                registry.put_blob(reference.repository, blob, chunks(file))
            return blob.size
        same = source.host == registry.host
        if same and registry.mount_blob(reference.repository, blob.digest, base.reference.repository):
            return 0
        with source.blob(base.reference.repository, blob.digest) as parts:
            registry.put_blob(reference.repository, blob, parts)
        return blob.size

    with ThreadPoolExecutor(_PARALLEL) as threads:
        sent_bytes = sum(threads.map(send, (*content.layers, content.config)))
    registry.put_manifest(reference.at(manifest.digest), layout.read(manifest), manifest.media_type)
    return sent_bytes


def push_name(
    layout: ImageLayout, reference: Reference, manifests: Sequence[Descriptor], registry: Registry
) -> Reference:
    """Name images that are in the registry: the one, or an index of several. Needs `writing`.

    Returns:
        The name, with the digest.

    Raises:
        RegistryError: the registry doesn't answer, or refuses.
    """
    named = manifests[0]
    if len(manifests) > 1:
        named = layout.put(Index(manifests=tuple(_with_platform(layout, one) for one in manifests)), INDEX_MEDIA_TYPE)
    registry.put_manifest(reference, layout.read(named), named.media_type)
    return reference.at(named.digest)


def _with_platform(layout: ImageLayout, manifest: Descriptor) -> Descriptor:
    architecture = layout.config(layout.manifest(manifest)).architecture
    return manifest.model_copy(update={"platform": OfPlatform(architecture=architecture)})
