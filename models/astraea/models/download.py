"""One file by HTTP: taken up again where it broke off, known by its size and SHA-256, in place only when whole."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from .catalogue import SourceFile
from .errors import CacheError, DownloadError

_TIMEOUT = httpx.Timeout(30, connect=10)
_MAX_REQUESTS = 20  # a link that breaks off more often than this within one file is reported, not fought
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?:(?P<total>\d+)|\*)")


class Progress(NamedTuple):
    """How much of a file is there."""

    file: str
    done_bytes: int
    total_bytes: int


OnProgress = Callable[[Progress], None]


def is_intact(path: Path, file: SourceFile) -> bool:
    """Whether `path` holds exactly the published file."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def download(file: SourceFile, url: str, folder: Path, *, on_progress: OnProgress) -> Path:
    """Bring a published file from one address into a folder.

    What has come is kept as `NAME.part` when the transfer breaks off, and the next call goes on from there, maybe from
    another address: the checksum, not an ETag, tells whether the pieces belong together. Pieces that do not are thrown
    away and the file is brought once more, whole.

    Raises:
        DownloadError: The address is out of reach, does not have the file, or has another one.
        CacheError: The folder cannot be written.
    """
    target, part = folder / file.name, folder / f"{file.name}.part"
    for _ in range(2):
        pieced = _fill(part, file, url, on_progress)
        if is_intact(part, file):
            with _writing(part):
                part.replace(target)
            return target
        part.unlink()
        if not pieced:
            break
    raise DownloadError(f"{shown(url)} is not the file we know: its SHA-256 is not {file.sha256}")


def _fill(part: Path, file: SourceFile, url: str, on_progress: OnProgress) -> bool:
    """Bring the part to its full size; True when it took more than one piece."""
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        for _ in range(_MAX_REQUESTS):
            held = _length(part)
            if held >= file.size_bytes:
                return True
            broke_off = _append(client, part, file, url, on_progress)
            if _length(part) == file.size_bytes:
                return held > 0
            if _length(part) <= held:
                raise DownloadError(f"{shown(url)}: {broke_off}")
    raise DownloadError(f"{shown(url)} broke off {_MAX_REQUESTS} times")


def _append(client: httpx.Client, part: Path, file: SourceFile, url: str, on_progress: OnProgress) -> str:
    """Ask once for what is missing and keep what comes; the reason if it is not all."""
    held = _length(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    try:
        with client.stream("GET", url, headers=headers) as response:
            start = _check_offer(response, held, file.size_bytes)
            _keep(response, part, start, file, on_progress)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "the answer ended early"


def _check_offer(response: httpx.Response, held: int, size_bytes: int) -> int:
    """Where in the file the answer begins, once it is sure to be an answer of the right size.

    An address that has moved often answers 200 and some page; its length gives it away before a byte is kept.
    """
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        served = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if served is None or int(served["start"]) != held:
            raise DownloadError(f"{shown(response.url)} answers with another range than it was asked for")
        start, total = held, served["total"]
    elif response.status_code == httpx.codes.OK:
        start, total = 0, response.headers.get("Content-Length")
    else:
        raise DownloadError(f"{shown(response.url)}: HTTP {response.status_code} {response.reason_phrase}".rstrip())
    if total is not None and total != str(size_bytes):
        raise DownloadError(f"{shown(response.url)} offers {total} bytes, but the file has {size_bytes}")
    return start


def _keep(response: httpx.Response, part: Path, start: int, file: SourceFile, on_progress: OnProgress) -> None:
    done_bytes = start
    with _writing(part), part.open("ab" if start else "wb") as output:
        for chunk in response.iter_raw():  # as it comes: in chunks of a size, the last one is lost with the link
            done_bytes += len(chunk)
            if done_bytes > file.size_bytes:
                raise DownloadError(f"{shown(response.url)} sends more than the file's {file.size_bytes} bytes")
            output.write(chunk)
            on_progress(Progress(file.name, done_bytes, file.size_bytes))


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Report a disk that cannot take the file, and give back what the file took of it."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CacheError(
            f"{part.parent} cannot be written: {error.strerror}",
            hint="make room there, or let XDG_CACHE_HOME name a folder elsewhere",
        ) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def shown(url: str | httpx.URL) -> str:
    """An address fit for a message: without a user's name and password."""
    return str(httpx.URL(url).copy_with(userinfo=b""))
