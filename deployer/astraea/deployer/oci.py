"""Images on disk: the OCI image layout, written and read.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md, with descriptor.md, manifest.md and config.md
beside it. Blobs are named by their SHA-256, so the same content is there once, whatever refers to it.
"""

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from .errors import ImageError
from .files import locked, write_atomically

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, SupportsWrite

INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_MEDIA_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

REFERENCE = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Document(BaseModel):
    """Unknown keys are kept: an index that another tool wrote survives our additions to it."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=True)


class OfPlatform(BaseModel):
    """What a manifest of an index runs on."""

    model_config = ConfigDict(frozen=True)

    architecture: str
    """As Go names it: `amd64`, `arm64`."""
    os: str = "linux"


class Descriptor(_Document):
    """Points to a blob."""

    media_type: str
    digest: Digest
    size: int = Field(ge=0)
    """Bytes."""
    annotations: dict[str, str] | None = None
    platform: OfPlatform | None = None
    artifact_type: str | None = None
    """Of a manifest that is none of an image's."""

    @property
    def reference(self) -> str | None:
        """The name by which a layout's index lists it."""
        return (self.annotations or {}).get(REFERENCE)


class Index(_Document):
    """`index.json`: what the layout holds, by reference; the newest last."""

    schema_version: Literal[2] = 2
    media_type: str = INDEX_MEDIA_TYPE
    manifests: tuple[Descriptor, ...] = ()


class Manifest(_Document):
    """One image: its configuration and its layers, the lowest first."""

    schema_version: Literal[2] = 2
    media_type: str = MANIFEST_MEDIA_TYPE
    artifact_type: str | None = None
    """What the content is, if it is no image but attached to one."""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    """What it is attached to."""


class Healthcheck(BaseModel):
    """How Docker finds out whether a container is well; other engines pass it over."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, populate_by_name=True)

    test: tuple[str, ...]
    interval: int
    """Nanoseconds, as all of these."""
    timeout: int
    start_period: int


class RunConfig(BaseModel):
    """How a container of the image runs."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_pascal, populate_by_name=True)

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    exposed_ports: dict[str, dict[str, str]] | None = None
    stop_signal: str | None = None
    healthcheck: Healthcheck | None = None
    working_dir: str = "/"
    labels: Annotated[dict[str, str], BeforeValidator(lambda labels: labels or {})] = {}


class RootFs(BaseModel):
    """What the layers are when unpacked."""

    model_config = ConfigDict(frozen=True)

    type: Literal["layers"] = "layers"
    diff_ids: tuple[Digest, ...]
    """SHA-256 of each layer's tar, before compression."""


class ImageConfig(_Document):
    """What an image is for. It has no time of creation: the same inputs make the same image."""

    architecture: str
    """As Go names it: `amd64`, `arm64`."""
    os: str = "linux"
    config: RunConfig = RunConfig()
    rootfs: RootFs


class DigestingWriter(io.BufferedIOBase):
    """Learns the size and digest of what is written, and hands it on.

    Args:
        onward: where to; None when only the digest is wanted.
    """

    def __init__(self, onward: "SupportsWrite[ReadableBuffer] | None" = None) -> None:
        self._onward, self._hash = onward, hashlib.sha256()
        self.size = 0
        """Bytes written so far."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Append to what has been written."""
        self._hash.update(data)
        if self._onward is not None:
            self._onward.write(data)
        length = memoryview(data).nbytes
        self.size += length
        return length

    @property
    def digest(self) -> str:
        """Of what has been written so far: `sha256:` and 64 hexadecimal digits."""
        return f"sha256:{self._hash.hexdigest()}"


class ImageLayout:
    """A folder that holds images.

    Args:
        root: the layout's folder, made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def references(self) -> dict[str, Descriptor]:
        """The images by reference, the newest last."""
        return {entry.reference: entry for entry in self._index().manifests if entry.reference is not None}

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """Read an image's manifest.

        Raises:
            ImageError: it is missing, damaged or none.
        """
        return _parse(Manifest, self.read(descriptor), f"the manifest {descriptor.digest}")

    def config(self, manifest: Manifest) -> ImageConfig:
        """Read an image's configuration.

        Raises:
            ImageError: it is missing, damaged or none.
        """
        return _parse(ImageConfig, self.read(manifest.config), f"the configuration {manifest.config.digest}")

    def read(self, descriptor: Descriptor) -> bytes:
        """A small blob's content, checked against its digest.

        Raises:
            ImageError: it is missing or damaged.
        """
        with self.open(descriptor) as blob:
            return blob.read()

    @contextlib.contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[BinaryIO]:
        """A blob's content as a file, after checking it against its digest.

        Raises:
            ImageError: it is missing or damaged.
        """
        path = self._blob(descriptor.digest)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise ImageError(f"{self.root} lacks the blob {descriptor.digest}", hint=_REBUILD) from None
        with file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != descriptor.digest:
                raise ImageError(f"{path} is damaged: its content has another digest", hint=_REBUILD)
            file.seek(0)
            yield file

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out; what one of them left half-written is cleared away first."""
        with locked(self.root.with_name(f"{self.root.name}.lock")):
            (self.root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            for partial in self.root.glob("partial-*"):
                partial.unlink()
            marker = self.root / "oci-layout"
            if not marker.exists():
                write_atomically(marker, '{"imageLayoutVersion":"1.0.0"}')
            yield

    @contextlib.contextmanager
    def new_blob(self) -> Iterator["DigestingWriter"]:
        """A blob to write to, which is there under its digest after the block. Needs `writing`."""
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="partial-", delete=False) as file:
            try:
                writer = DigestingWriter(file)
                yield writer
                file.flush()
                Path(file.name).replace(self._blob(writer.digest))
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def put(self, document: Index | Manifest | ImageConfig, media_type: str) -> Descriptor:
        """Store a document as a blob. Needs `writing`."""
        with self.new_blob() as blob:
            blob.write(document.to_json().encode())
        return Descriptor(media_type=media_type, digest=blob.digest, size=blob.size)

    def tag(self, reference: str, manifest: Descriptor) -> None:
        """Name an image, as the newest; the name leaves the image that had it. Needs `writing`."""
        entry = manifest.model_copy(update={"annotations": {REFERENCE: reference}})
        index = self._index()
        others = (other for other in index.manifests if other.reference != reference)
        write_atomically(self.root / "index.json", index.model_copy(update={"manifests": (*others, entry)}).to_json())

    def layer_of(self, diff_id: str) -> Descriptor | None:
        """The layer with this uncompressed content, if an image here has it, undamaged."""
        for entry in reversed(self._index().manifests):
            # What doesn't read is as good as absent here: building again is how it is put right.
            with contextlib.suppress(ImageError):
                manifest = self.manifest(entry)
                layer = dict(zip(self.config(manifest).rootfs.diff_ids, manifest.layers, strict=False)).get(diff_id)
                if layer is not None:
                    with self.open(layer):
                        return layer
        return None

    def _index(self) -> Index:
        path = self.root / "index.json"
        try:
            return _parse(Index, path.read_bytes(), str(path))
        except FileNotFoundError:
            return Index()

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")


_REBUILD = "build the image again with `astraea build`"

_Model = TypeVar("_Model", bound=BaseModel)


def _parse(model: type[_Model], content: bytes, name: str) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ImageError(f"{name} is no OCI document: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
