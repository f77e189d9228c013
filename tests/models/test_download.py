"""Downloads from a real HTTP server that misbehaves on request."""

import hashlib
from pathlib import Path

import pytest

from astraea.models import CacheError, DownloadError
from astraea.models.catalogue import SourceFile
from astraea.models.download import Progress, download

from .conftest import FileServer

CONTENT = bytes(range(256)) * 4096  # 1 MiB, in which every offset within 256 differs
FILE = SourceFile("numbers.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), urls=())


@pytest.fixture
def server(file_server: FileServer) -> FileServer:
    file_server.content = CONTENT
    file_server.url += "/numbers.bin"
    return file_server


def bring(server: FileServer, folder: Path, file: SourceFile = FILE) -> list[Progress]:
    seen: list[Progress] = []
    assert download(file, server.url, folder, on_progress=seen.append) == folder / file.name
    return seen


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_its_progress_is_told(server: FileServer, tmp_path: Path) -> None:
    seen = bring(server, tmp_path)
    assert (tmp_path / "numbers.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["numbers.bin"]
    assert [progress.done_bytes for progress in seen] == sorted(progress.done_bytes for progress in seen)
    assert seen[-1] == Progress("numbers.bin", len(CONTENT), len(CONTENT))


def test_a_transfer_that_breaks_off_is_taken_up_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [300_001, 300_001]
    bring(server, tmp_path)
    assert (tmp_path / "numbers.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300001-", "bytes=600002-"]


def test_a_later_call_takes_up_what_an_earlier_one_left(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1000, 0]
    with pytest.raises(DownloadError):
        bring(server, tmp_path)
    assert names(tmp_path) == ["numbers.bin.part"]
    seen = bring(server, tmp_path)
    assert server.asked[-1] == "bytes=1000-"
    assert min(progress.done_bytes for progress in seen) > 1000
    assert names(tmp_path) == ["numbers.bin"]


def test_a_server_without_ranges_starts_over(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "numbers.bin.part").write_bytes(CONTENT[:5000])
    bring(server, tmp_path)
    assert (tmp_path / "numbers.bin").read_bytes() == CONTENT


def test_an_answer_without_a_length_that_ends_early_is_taken_up(server: FileServer, tmp_path: Path) -> None:
    server.says_length = False
    server.cuts = [4096]
    bring(server, tmp_path)
    assert server.asked == [None, "bytes=4096-"]


@pytest.mark.parametrize("left", [b"something else" * 100, CONTENT + b"more"], ids=["different", "too long"])
def test_a_part_that_does_not_belong_is_thrown_away(server: FileServer, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "numbers.bin.part").write_bytes(left)
    bring(server, tmp_path)
    assert (tmp_path / "numbers.bin").read_bytes() == CONTENT
    assert server.asked[-1] is None


def test_a_file_with_another_checksum_is_refused_and_not_kept(server: FileServer, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match=FILE.sha256):
        bring(server, tmp_path)
    assert names(tmp_path) == []
    assert len(server.asked) == 1  # asking again would bring the same


def test_a_page_in_place_of_the_file_is_told_by_its_length(server: FileServer, tmp_path: Path) -> None:
    server.content = b"<!doctype html>"
    with pytest.raises(DownloadError, match="offers 15 bytes, but the file has 1048576"):
        bring(server, tmp_path)
    assert names(tmp_path) == []


def test_an_endless_answer_is_cut_at_the_file_s_size(server: FileServer, tmp_path: Path) -> None:
    server.says_length = False
    server.content = CONTENT * 3
    with pytest.raises(DownloadError, match="sends more than the file's 1048576 bytes"):
        bring(server, tmp_path)
    assert "numbers.bin" not in names(tmp_path)


def test_a_range_that_was_not_asked_for_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.range_shift = 100
    (tmp_path / "numbers.bin.part").write_bytes(CONTENT[:5000])
    with pytest.raises(DownloadError, match="another range"):
        bring(server, tmp_path)


def test_a_missing_file_names_its_address_and_status(server: FileServer, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1.*numbers\.bin: HTTP 404 Not Found"):
        bring(server, tmp_path)


def test_a_link_that_always_breaks_off_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [10] * 50
    with pytest.raises(DownloadError, match="broke off 20 times"):
        bring(server, tmp_path)


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused") as refused:
        download(FILE, "http://user:secret@127.0.0.1:9/numbers.bin", tmp_path, on_progress=print)
    assert "127.0.0.1:9" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_full_disk_is_one_line_and_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "numbers.bin.part").symlink_to("/dev/full")  # where the kernel answers every write with ENOSPC
    with pytest.raises(CacheError, match="No space left on device") as full:
        bring(server, tmp_path)
    assert full.value.hint is not None
    assert names(tmp_path) == []
