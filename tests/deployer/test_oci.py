"""The OCI image layout: what is written is what the specification says, and damage is noticed."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.errors import ImageError
from astraea.deployer.oci import (
    CONFIG_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    Descriptor,
    DigestingWriter,
    ImageConfig,
    ImageLayout,
    Manifest,
    RootFs,
    RunConfig,
)


def put_image(layout: ImageLayout, reference: str, label: str = "") -> Descriptor:
    config = ImageConfig(architecture="amd64", config=RunConfig(labels={"label": label}), rootfs=RootFs(diff_ids=()))
    with layout.writing():
        manifest = layout.put(Manifest(config=layout.put(config, CONFIG_MEDIA_TYPE), layers=()), MANIFEST_MEDIA_TYPE)
        layout.tag(reference, manifest)
    return manifest


def test_a_layout_has_the_files_that_the_specification_asks_for(layout: ImageLayout) -> None:
    manifest = put_image(layout, "plates:1")
    assert json.loads((layout.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout.root / "index.json").read_text())
    assert index["schemaVersion"] == 2
    assert index["manifests"] == [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.digest,
            "size": manifest.size,
            "annotations": {"org.opencontainers.image.ref.name": "plates:1"},
        }
    ]


def test_every_blob_is_named_by_its_content(layout: ImageLayout) -> None:
    put_image(layout, "plates:1")
    blobs = list((layout.root / "blobs" / "sha256").iterdir())
    assert len(blobs) == 2
    assert all(hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name for blob in blobs)


def test_configurations_have_the_keys_of_the_specification(layout: ImageLayout) -> None:
    manifest = layout.manifest(put_image(layout, "plates:1", "x"))
    config = json.loads(layout.read(manifest.config))
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "config": {"WorkingDir": "/", "Labels": {"label": "x"}},
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def test_a_reference_moves_to_the_newest_image_that_gets_it(layout: ImageLayout) -> None:
    put_image(layout, "a", "first")
    put_image(layout, "b", "second")
    newest = put_image(layout, "a", "third")
    assert list(layout.references()) == ["b", "a"]
    assert layout.references()["a"].digest == newest.digest


def test_what_another_tool_wrote_in_the_index_is_kept(layout: ImageLayout) -> None:
    put_image(layout, "a")
    index = json.loads((layout.root / "index.json").read_text())
    foreign = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": f"sha256:{'0' * 64}",
        "size": 7,
        "platform": {"architecture": "arm64", "os": "linux"},
    }
    index["manifests"].append(foreign)
    index["annotations"] = {"made.by": "another tool"}
    (layout.root / "index.json").write_text(json.dumps(index))
    put_image(layout, "b")
    rewritten = json.loads((layout.root / "index.json").read_text())
    assert foreign in rewritten["manifests"]
    assert rewritten["annotations"] == {"made.by": "another tool"}


def test_a_damaged_blob_is_refused_by_name(layout: ImageLayout) -> None:
    manifest = put_image(layout, "a")
    blob = layout.root / "blobs" / "sha256" / manifest.digest.removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes().replace(b"2", b"3"))
    with pytest.raises(ImageError, match=r"damaged.*another digest"):
        layout.manifest(manifest)


def test_a_missing_blob_is_named(layout: ImageLayout) -> None:
    absent = Descriptor(media_type=MANIFEST_MEDIA_TYPE, digest=f"sha256:{'a' * 64}", size=3)
    with pytest.raises(ImageError, match=f"lacks the blob {absent.digest}"):
        layout.manifest(absent)


def test_a_blob_that_is_not_finished_leaves_nothing(layout: ImageLayout) -> None:
    def fail() -> None:
        with layout.writing(), layout.new_blob() as blob:
            blob.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((layout.root / "blobs" / "sha256").iterdir()) == []
    assert list(layout.root.glob("partial-*")) == []


def test_what_a_killed_writer_left_is_cleared_by_the_next(layout: ImageLayout) -> None:
    put_image(layout, "a")
    (layout.root / "partial-x").write_bytes(b"half")
    put_image(layout, "b")
    assert not (layout.root / "partial-x").exists()


def test_an_index_that_is_none_is_refused(layout: ImageLayout) -> None:
    layout.root.mkdir()
    (layout.root / "index.json").write_text('{"schemaVersion": 1, "manifests": []}')
    with pytest.raises(ImageError, match="schemaVersion"):
        layout.references()


@given(st.lists(st.binary()))
def test_a_digesting_writer_knows_size_and_digest_of_all_it_got(chunks: list[bytes]) -> None:
    writer = DigestingWriter()
    for chunk in chunks:
        writer.write(chunk)
    whole = b"".join(chunks)
    assert (writer.size, writer.digest) == (len(whole), f"sha256:{hashlib.sha256(whole).hexdigest()}")
