"""What is attached to an image in its registry, such as its bill of materials: referrers, of OCI 1.1.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#enabling-the-referrers-api. A registry that does
not know of them, such as Docker's own, has them listed under a tag made of the image's digest.
"""

import hashlib

from ..errors import RegistryError
from ..oci import INDEX_MEDIA_TYPE, MANIFEST_MEDIA_TYPE, Descriptor, Index, Manifest
from .client import Registry
from .reference import Reference

_EMPTY = b"{}"
_EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"


def attach(registry: Registry, image: Reference, content: bytes, media_type: str) -> int:
    """Attach a document to an image; returns the bytes that were sent, none if it is attached already.

    Raises:
        RegistryError: the registry lacks the image, doesn't answer, or refuses.
    """
    subject = registry.manifest(image).descriptor
    config, blob = _described(_EMPTY, _EMPTY_MEDIA_TYPE), _described(content, media_type)
    manifest = Manifest(config=config, layers=(blob,), artifact_type=media_type, subject=subject)
    text = manifest.to_json().encode()
    described = _described(text, MANIFEST_MEDIA_TYPE).model_copy(update={"artifact_type": media_type})
    known = registry.referrers(image)
    if described.digest in {referrer.digest for referrer in known}:
        return 0
    for descriptor, part in ((config, _EMPTY), (blob, content)):
        registry.put_blob(image.repository, descriptor, [part])
    if not registry.put_manifest(image.at(described.digest), text, MANIFEST_MEDIA_TYPE):
        others = (referrer for referrer in known if referrer.artifact_type != media_type)
        listed = Index(manifests=(*others, described)).to_json().encode()
        registry.put_manifest(image.referrers, listed, INDEX_MEDIA_TYPE)
    return len(content) + len(text)


def attached(registry: Registry, image: Reference, media_type: str) -> bytes:
    """The newest document of a media type that is attached to an image.

    Raises:
        RegistryError: there is none, or the registry doesn't answer.
    """
    for referrer in reversed(registry.referrers(image)):
        if referrer.artifact_type == media_type:
            found = registry.manifest(image.at(referrer.digest))
            blob = Manifest.model_validate_json(found.content).layers[0]
            with registry.blob(image.repository, blob.digest) as parts:
                return b"".join(parts)
    raise RegistryError(
        f"nothing of the type {media_type} is attached to {image}", hint="`astraea build DIR --push` attaches it"
    )


def _described(content: bytes, media_type: str) -> Descriptor:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Descriptor(media_type=media_type, digest=digest, size=len(content))
