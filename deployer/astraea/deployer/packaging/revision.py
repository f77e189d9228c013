"""What tells an image's service, and this build of it from others."""

from astraea.protocol import ServiceSpec

from ..oci import TITLE, VERSION

SPEC_LABEL = "astraea.service"


def labels_of(spec: ServiceSpec) -> dict[str, str]:
    """What tells of an image which service it is."""
    return {SPEC_LABEL: spec.model_dump_json(), TITLE: spec.name, VERSION: spec.version}


def revision_of(spec: ServiceSpec, digest: str) -> str:
    """What tells this build from others of the service: its version, and the beginning of the image's digest."""
    # It becomes part of addresses, where the `+` of a semantic version has no place.
    return f"{spec.version.replace('+', '-')}-{digest.removeprefix('sha256:')[:8]}"
