"""What tells an image's service, and this build of it from others."""

from pydantic import ValidationError

from astraea.protocol import ServiceSpec

from ..errors import ImageError
from ..oci import TITLE, VERSION, ImageConfig

SPEC_LABEL = "astraea.service"


def labels_of(spec: ServiceSpec) -> dict[str, str]:
    """What tells of an image which service it is."""
    return {SPEC_LABEL: spec.model_dump_json(), TITLE: spec.name, VERSION: spec.version}


def spec_of(config: ImageConfig, name: str) -> ServiceSpec:
    """The service of an image of this name.

    Raises:
        ImageError: it is of none.
    """
    try:
        return ServiceSpec.model_validate_json(config.config.labels.get(SPEC_LABEL, ""))
    except ValidationError:
        raise ImageError(
            f"the image {name} is of no service: its label {SPEC_LABEL!r} is missing or wrong",
            hint="`astraea build DIR --push` makes one",
        ) from None


def revision_of(spec: ServiceSpec, digest: str) -> str:
    """What tells this build from others of the service: its version, and the beginning of the image's digest."""
    # It becomes part of addresses, where the `+` of a semantic version has no place.
    return f"{spec.version.replace('+', '-')}-{digest.removeprefix('sha256:')[:8]}"
