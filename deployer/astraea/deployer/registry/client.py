"""The distribution protocol: images to and from a registry, over HTTP.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md. Blobs that a registry has are not sent again,
and those that another of its repositories has are mounted from there.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urljoin

import httpx
from pydantic import ValidationError

from ..errors import RegistryError
from ..oci import INDEX_MEDIA_TYPE, MANIFEST_MEDIA_TYPE, Descriptor, Index
from .auth import RegistryAuth
from .credentials import Credentials
from .reference import DOCKER_HUB, Reference

DOCKER_MANIFEST_MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST_MEDIA_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"

_ACCEPT = f"{MANIFEST_MEDIA_TYPE}, {INDEX_MEDIA_TYPE}, {DOCKER_MANIFEST_MEDIA_TYPE}, {DOCKER_LIST_MEDIA_TYPE}"
_HUB_ADDRESS = "registry-1.docker.io"
_CERTIFICATES = Path("/etc/docker/certs.d")
_MAX_MANIFEST_BYTES = 4 * 2**20  # the least that the specification asks a registry to accept
_CHUNK_BYTES = 2**20
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class FoundManifest(NamedTuple):
    """A manifest or index as a registry has it."""

    descriptor: Descriptor
    content: bytes


class Registry:
    """One registry. Use it as a context manager, from any number of threads.

    Args:
        host: as in the names of its images. One on this machine's loopback is spoken to without TLS, as Docker does.
        credentials: None to ask without.
    """

    def __init__(self, host: str, credentials: Credentials | None = None) -> None:
        self.host = host
        self._client = httpx.Client(
            base_url=_base_url(host),
            auth=RegistryAuth(credentials),
            timeout=_TIMEOUT,
            verify=_certificate_authorities(host),
            trust_env=not _is_loopback(host),
            follow_redirects=True,
        )

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def manifest(self, reference: Reference) -> FoundManifest:
        """What a name stands for.

        Raises:
            RegistryError: there is nothing of this name, or the registry does not answer.
        """
        reply = self._ask("GET", f"{reference.repository}/manifests/{reference.pinned}", headers={"accept": _ACCEPT})
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise RegistryError(f"{self.host} has no image {reference}", hint="is it pushed, and spelt as it was?")
        content = _checked(self.host, reply).content
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if len(content) > _MAX_MANIFEST_BYTES or digest != (reference.digest or digest):
            raise RegistryError(f"{self.host} answered something else for {reference}")
        media_type = reply.headers.get("content-type", "").partition(";")[0]
        return FoundManifest(Descriptor(media_type=media_type, digest=digest, size=len(content)), content)

    def put_manifest(self, reference: Reference, content: bytes, media_type: str) -> bool:
        """Store a manifest or index, whose blobs are there already, under a tag or its digest.

        Returns:
            Whether the registry has noted which image it refers to, if it does.

        Raises:
            RegistryError: the registry doesn't take it.
        """
        path = f"{reference.repository}/manifests/{reference.pinned}"
        reply = _checked(self.host, self._ask("PUT", path, content=content, headers={"content-type": media_type}))
        return "oci-subject" in reply.headers

    def referrers(self, reference: Reference) -> tuple[Descriptor, ...]:
        """The manifests that refer to the content a reference is held to.

        Raises:
            RegistryError: the registry does not answer.
        """
        reply = self._ask("GET", f"{reference.repository}/referrers/{reference.digest}")
        if reply.status_code == httpx.codes.NOT_FOUND:
            path = f"{reference.repository}/manifests/{reference.referrers.tag}"
            reply = self._ask("GET", path, headers={"accept": INDEX_MEDIA_TYPE})
        if reply.status_code == httpx.codes.NOT_FOUND:
            return ()
        try:
            return Index.model_validate_json(_checked(self.host, reply).content).manifests
        except ValidationError:
            raise RegistryError(f"{self.host} answered something else for what refers to {reference}") from None

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository has this content.

        Raises:
            RegistryError: the registry does not answer.
        """
        reply = self._ask("HEAD", f"{repository}/blobs/{digest}")
        return reply.status_code != httpx.codes.NOT_FOUND and bool(_checked(self.host, reply))

    def put_blob(self, repository: str, descriptor: Descriptor, parts: Iterable[bytes]) -> None:
        """Send content.

        Raises:
            RegistryError: the registry doesn't take it.
        """
        begun = _checked(self.host, self._ask("POST", f"{repository}/blobs/uploads/"))
        self._finish(begun, descriptor, parts)

    def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Have content that another repository of the registry has; whether it could be had.

        Raises:
            RegistryError: the registry does not answer.
        """
        query = {"mount": digest, "from": source}
        reply = _checked(self.host, self._ask("POST", f"{repository}/blobs/uploads/", params=query))
        if reply.status_code == httpx.codes.CREATED:
            return True
        self._ask("DELETE", urljoin(str(reply.url), reply.headers.get("location", "")))  # the upload it began instead
        return False

    @contextmanager
    def blob(self, repository: str, digest: str) -> Iterator[Iterator[bytes]]:
        """Content, in parts; the last one is followed by an error if it is not what the digest says.

        Raises:
            RegistryError: it is not there, or damaged.
        """
        with ExitStack() as stack:
            with _reaching(self.host):
                reply = stack.enter_context(self._client.stream("GET", f"{repository}/blobs/{digest}"))
                if not reply.is_success:
                    reply.read()
            yield _verified(self.host, digest, _checked(self.host, reply).iter_bytes(_CHUNK_BYTES))

    def _finish(self, begun: httpx.Response, descriptor: Descriptor, parts: Iterable[bytes]) -> None:
        # The location may have a query of its own, which must stay.
        location = httpx.URL(urljoin(str(begun.url), begun.headers.get("location", "")))
        headers = {"content-length": str(descriptor.size), "content-type": "application/octet-stream"}
        url = location.copy_merge_params({"digest": descriptor.digest})
        _checked(self.host, self._ask("PUT", str(url), content=parts, headers=headers))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with _reaching(self.host):
            return self._client.request(method, path, **options)


@contextmanager
def _reaching(host: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegistryError(
            f"the registry {host} can't be reached: {str(error) or type(error).__name__}",
            hint="is it running, and is its certificate trusted here?",
        ) from None


def _checked(host: str, reply: httpx.Response) -> httpx.Response:
    if reply.is_success:
        return reply
    if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise RegistryError(f"the registry {host} refuses: {_reason(reply)}", hint=f"`docker login {host}` first")
    raise RegistryError(f"the registry {host} answered {reply.status_code}: {_reason(reply)}")


def _reason(reply: httpx.Response) -> str:
    try:
        first = reply.json()["errors"][0]
        return str(first.get("message") or first["code"])[:200]
    except (ValueError, LookupError, TypeError, AttributeError):
        return reply.reason_phrase


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """A file's content, in parts."""
    while part := file.read(_CHUNK_BYTES):
        yield part


def _verified(host: str, digest: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    found = hashlib.sha256()
    with _reaching(host):
        for part in parts:
            found.update(part)
            yield part
    if f"sha256:{found.hexdigest()}" != digest:
        raise RegistryError(f"{host} sent something else for {digest}")


def _base_url(host: str) -> str:
    scheme = "http" if _is_loopback(host) else "https"
    return f"{scheme}://{_HUB_ADDRESS if host == DOCKER_HUB else host}/v2/"


def _is_loopback(host: str) -> bool:
    name = re.sub(r":\d+$", "", host).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _certificate_authorities(host: str) -> Any:
    """As Docker: certificates that were put beside its own configuration, for this registry."""
    own = _CERTIFICATES / host / "ca.crt"
    if not own.is_file():
        return True
    context = httpx.create_ssl_context()
    context.load_verify_locations(own)
    return context
