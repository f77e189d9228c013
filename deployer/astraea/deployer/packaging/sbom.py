"""What an image is made of, as a bill of materials: CycloneDX 1.6 in JSON, https://cyclonedx.org/docs/1.6/json/.

Made of the lock, so that the same inputs have the same bill: it has neither a time nor a serial number.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from astraea.protocol import ServiceSpec

from ..layers import Layer
from .base import Base

BILL_MEDIA_TYPE = "application/vnd.cyclonedx+json"

_Component = dict[str, Any]


def bill_of(spec: ServiceSpec, text: str, base: Base, model: Layer | None = None) -> bytes:
    """The bill of a service's image.

    Args:
        spec: the service.
        text: the lock of its packages.
        base: the image below, of the first platform.
        model: the model's layer; None without one.
    """
    service = {"type": "container", "bom-ref": "service", "name": spec.name, "version": spec.version}
    components = [_of_base(base), _of_package("astraea", version("astraea")), *_of_lock(text), *_of_model(spec, model)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": service},
        "components": components,
        "dependencies": [{"ref": "service", "dependsOn": sorted(part["bom-ref"] for part in components)}],
    }
    return json.dumps(document, indent=2).encode()


def _of_lock(text: str) -> Iterator[_Component]:
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip("\\ "))
            yield _of_package(requirement.name, next(iter(requirement.specifier)).version)


def _of_package(name: str, at: str) -> _Component:
    """Known by its package URL: https://github.com/package-url/purl-spec."""
    url = f"pkg:pypi/{canonicalize_name(name)}@{quote(at, safe='')}"
    return {"type": "library", "bom-ref": url, "name": name, "version": at, "purl": url}


def _of_base(base: Base) -> _Component:
    reference = base.reference
    name = reference.repository.rpartition("/")[2]
    place = quote(f"{reference.host}/{reference.repository}", safe="/:")
    url = f"pkg:oci/{name}@{quote(base.digest, safe='')}?repository_url={place}&tag={reference.tag}"
    return {"type": "container", "bom-ref": url, "name": name, "version": base.digest, "purl": url}


def _of_model(spec: ServiceSpec, layer: Layer | None) -> Iterator[_Component]:
    if spec.model is not None and layer is not None:
        told = [{"name": "astraea:layer", "value": layer.diff_id}]
        yield {"type": "machine-learning-model", "bom-ref": "model", "name": spec.model, "properties": told}
