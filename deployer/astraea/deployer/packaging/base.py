"""The image that a service's image is built on: found in a registry, for each platform, and held to its digest."""

import json
from typing import NamedTuple

from ..errors import BuildError
from ..oci import LAYER_MEDIA_TYPE, Descriptor, ImageConfig, Index, Manifest
from ..registry import Reference, Registry
from .dependencies import Architecture, Platform

DEFAULT_BASE = "python:3.11-slim"

_DOCKER_LAYER_MEDIA_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Base(NamedTuple):
    """An image of one platform, in its registry."""

    reference: Reference
    """By its tag, as it was asked for."""
    digest: str
    """Of the manifest for this platform."""
    platform: Platform
    layers: tuple[Descriptor, ...]
    config: ImageConfig


def find_base(registry: Registry, reference: Reference, architecture: Architecture) -> Base:
    """The base for a platform.

    Raises:
        RegistryError: the registry doesn't answer, or has no such image.
        BuildError: it has none for this platform, or one without Python.
    """
    found = registry.manifest(reference)
    if "manifests" in json.loads(found.content):
        index = Index.model_validate_json(found.content)
        wanted = next((entry for entry in index.manifests if _is_for(entry, architecture)), None)
        if wanted is None:
            raise BuildError(f"{reference} is not there for linux/{architecture}", hint="name another with --base")
        found = registry.manifest(reference.at(wanted.digest))
    manifest = Manifest.model_validate_json(found.content)
    with registry.blob(reference.repository, manifest.config.digest) as parts:
        config = ImageConfig.model_validate_json(b"".join(parts))
    if config.architecture != architecture:
        raise BuildError(f"{reference} is for {config.architecture}, not for {architecture}")
    return Base(
        reference,
        found.descriptor.digest,
        Platform(architecture, _python_of(reference, config)),
        tuple(_as_oci(layer) for layer in manifest.layers),
        config,
    )


def _is_for(entry: Descriptor, architecture: Architecture) -> bool:
    return entry.platform is not None and (entry.platform.os, entry.platform.architecture) == ("linux", architecture)


def _python_of(reference: Reference, config: ImageConfig) -> str:
    """The minor version of Python in an image, which images made after Docker's own `python` tell."""
    environment = dict(line.partition("=")[::2] for line in (config.config.env or ()))
    version = environment.get("PYTHON_VERSION") or (reference.tag if reference.repository.endswith("python") else "")
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    if not (major.isdigit() and minor.isdigit()):
        raise BuildError(
            f"{reference} does not say which Python it has: PYTHON_VERSION is not set in it",
            hint=f"take one like {DEFAULT_BASE}",
        )
    return f"{major}.{minor}"


def _as_oci(layer: Descriptor) -> Descriptor:
    """The same content by OCI's name: a manifest should not mix the two."""
    if layer.media_type == _DOCKER_LAYER_MEDIA_TYPE:
        return layer.model_copy(update={"media_type": LAYER_MEDIA_TYPE})
    return layer
