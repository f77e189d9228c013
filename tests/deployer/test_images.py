"""Images of services: reproducible, in layers that are kept while they don't change, and read back whole."""

import errno
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astraea.deployer.errors import BuildError, ImageError
from astraea.deployer.images import build_image, find_image, layers_of, unpack_image
from astraea.deployer.layers import unpack_layer, write_layer
from astraea.deployer.oci import LAYER_MEDIA_TYPE, Descriptor, DigestingWriter, ImageLayout
from astraea.protocol import ServiceSpecError

from .conftest import WriteService

MODEL = {"keys": "model: model.bin\n", "model.bin": "weights"}


def packed_names(layout: ImageLayout, layer: Descriptor) -> list[str]:
    with layout.open(layer) as blob, tarfile.open(fileobj=blob, mode="r:gz") as tar:
        return tar.getnames()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_inputs_give_equal_digests_in_two_folders_and_two_layouts(
    write_service: WriteService, layout: ImageLayout, tmp_path: Path
) -> None:
    first, second = write_service("one", **MODEL), write_service("two", **MODEL)
    (second / "handler.py").touch()
    (second / "astraea.yaml").chmod(0o600)
    one = build_image(first, layout).image
    two = build_image(second, ImageLayout(tmp_path / "other")).image
    assert one == two


def test_another_handler_changes_the_digest_but_not_the_model_layer(
    write_service: WriteService, layout: ImageLayout
) -> None:
    before = build_image(write_service(**MODEL), layout)
    after = build_image(write_service(**MODEL, handler="def predict(): ...\n"), layout)
    assert before.image.digest != after.image.digest
    assert layers_of(layout, before.image)[0] == layers_of(layout, after.image)[0]
    written = {stage.name: stage.layer.written for stage in after.stages if stage.layer is not None}
    assert written == {"model": False, "application": True}


def test_a_layer_that_is_there_is_not_written_again(write_service: WriteService, layout: ImageLayout) -> None:
    folder = write_service()
    (layer,) = layers_of(layout, build_image(folder, layout).image)
    blob = layout.root / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    written_at = blob.stat().st_mtime_ns, blob.stat().st_ino
    build_image(folder, layout)
    assert (blob.stat().st_mtime_ns, blob.stat().st_ino) == written_at


def test_building_again_mends_a_damaged_layer(write_service: WriteService, layout: ImageLayout, tmp_path: Path) -> None:
    folder = write_service()
    image = build_image(folder, layout).image
    blob = layout.root / "blobs" / "sha256" / layers_of(layout, image)[0].digest.removeprefix("sha256:")
    blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(ImageError, match="damaged"):
        unpack_image(layout, image, tmp_path / "out")
    assert build_image(folder, layout).image == image
    unpack_image(layout, image, tmp_path / "out")


def test_an_unpacked_image_is_the_folder_it_was_made_of(
    write_service: WriteService, layout: ImageLayout, tmp_path: Path
) -> None:
    folder = write_service(**MODEL, **{"labels/zh.txt": "京"})
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    unpacked = unpack_image(layout, build_image(folder, layout).image, tmp_path / "out")
    assert contents(unpacked) == contents(folder)
    assert (unpacked / "tool.sh").stat().st_mode & 0o111


def test_hidden_files_compiled_python_and_virtual_environments_stay_out(
    write_service: WriteService, layout: ImageLayout
) -> None:
    folder = write_service(
        **{
            ".git/config": "",
            ".env": "PASSWORD=x",
            "__pycache__/handler.pyc": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            "lib/kept.py": "",
        }
    )
    (layer,) = layers_of(layout, build_image(folder, layout).image)
    assert packed_names(layout, layer) == ["app/astraea.yaml", "app/handler.py", "app/lib/kept.py"]


def test_a_folder_can_be_the_model(write_service: WriteService, layout: ImageLayout) -> None:
    folder = write_service(keys="model: net/\n", **{"net/a.onnx": "a", "net/b/c.txt": "c"})
    model, application = layers_of(layout, build_image(folder, layout).image)
    assert packed_names(layout, model) == ["app/net/a.onnx", "app/net/b/c.txt"]
    assert packed_names(layout, application) == ["app/astraea.yaml", "app/handler.py"]


def test_a_zoo_model_stays_a_name(write_service: WriteService, layout: ImageLayout) -> None:
    image = build_image(write_service(keys="model: zoo:plates\n"), layout).image
    assert len(layers_of(layout, image)) == 1
    assert image.spec.model == "zoo:plates"


def test_entries_of_a_layer_have_no_owner_and_no_time(write_service: WriteService, layout: ImageLayout) -> None:
    (layer,) = layers_of(layout, build_image(write_service(), layout).image)
    with layout.open(layer) as blob, tarfile.open(fileobj=blob, mode="r:gz") as tar:
        assert {(entry.uid, entry.gid, entry.uname, entry.mtime, entry.mode) for entry in tar} == {(0, 0, "", 0, 0o644)}


def test_links_within_the_folder_are_kept_and_others_refused(
    write_service: WriteService, layout: ImageLayout, tmp_path: Path
) -> None:
    folder = write_service()
    (folder / "same.py").symlink_to("handler.py")
    unpacked = unpack_image(layout, build_image(folder, layout).image, tmp_path / "out")
    assert (unpacked / "same.py").readlink() == Path("handler.py")
    (folder / "outside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match=r"outside is a link that leads out"):
        build_image(folder, layout)


def test_a_revision_is_the_version_and_the_start_of_the_digest(
    write_service: WriteService, layout: ImageLayout
) -> None:
    image = build_image(write_service(version="1.2.0-rc.1+gpu"), layout).image
    assert image.revision == f"1.2.0-rc.1-gpu-{image.digest.removeprefix('sha256:')[:8]}"
    assert image.reference == f"hello:{image.revision}"


def test_images_are_found_by_reference_and_the_newest_by_name(write_service: WriteService, layout: ImageLayout) -> None:
    first = build_image(write_service(), layout).image
    second = build_image(write_service(version="1.1.0"), layout).image
    build_image(write_service("other", name="hello-2"), layout)
    assert find_image(layout, first.reference) == first
    assert find_image(layout, "hello") == second


def test_an_image_that_is_not_there_is_refused_with_those_that_are(
    write_service: WriteService, layout: ImageLayout
) -> None:
    with pytest.raises(ImageError, match="no image 'hello'") as nothing:
        find_image(layout, "hello")
    assert "astraea build" in str(nothing.value.hint)
    image = build_image(write_service(), layout).image
    with pytest.raises(ImageError) as unknown:
        find_image(layout, "hullo")
    assert image.reference in str(unknown.value.hint)


def test_a_wrong_template_is_refused_and_nothing_written(write_service: WriteService, layout: ImageLayout) -> None:
    with pytest.raises(ServiceSpecError, match="nmae"):
        build_image(write_service(keys="nmae: x\n"), layout)
    assert not layout.root.exists()


def test_a_pipe_in_the_folder_is_refused(write_service: WriteService, layout: ImageLayout) -> None:
    folder = write_service()
    os.mkfifo(folder / "pipe")
    with pytest.raises(BuildError, match="pipe is neither a file"):
        build_image(folder, layout)
    assert layout.references() == {}


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    write_service: WriteService, layout: ImageLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_writer: DigestingWriter, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = write_service()
    monkeypatch.setattr(DigestingWriter, "write", refuse)
    with pytest.raises(BuildError, match="No space left"):
        build_image(folder, layout)
    assert layout.references() == {}
    assert list(layout.root.glob("partial-*")) == []


def test_a_layer_cannot_write_outside_its_folder(layout: ImageLayout, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escaped"))
    with layout.writing(), layout.new_blob() as blob:
        blob.write(packed.getvalue())
    with pytest.raises(ImageError, match="can't be unpacked"):
        unpack_layer(
            layout, Descriptor(media_type=LAYER_MEDIA_TYPE, digest=blob.digest, size=blob.size), tmp_path / "out"
        )
    assert not (tmp_path / "escaped").exists()


_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(_NAMES, st.binary(max_size=2000), max_size=5))
def test_any_files_come_back_as_they_were(files: dict[str, bytes], layout: ImageLayout, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    with layout.writing():
        layer = write_layer(layout, {name: source / name for name in files})
        again = write_layer(layout, {name: source / name for name in reversed(files)})
    assert layer.descriptor == again.descriptor
    unpack_layer(layout, layer.descriptor, target)
    assert contents(target) == files
