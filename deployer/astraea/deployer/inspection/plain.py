"""The pickles in a file, without the compression or the archive around them."""

import bz2
import gzip
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAX_BYTES = 4 * 2**30
"""More than any model that fits an edge node's memory."""


def plain_pickles(path: Path) -> Iterator[IO[bytes]]:
    """Each pickle of a file, to be read before the next one is asked for.

    Raises:
        OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile: it can't be unpacked.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(file) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".pkl"):
                        with archive.open(entry) as inside, _bounded(inside) as plain:
                            yield plain
            return
        for magic, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open)):
            if head.startswith(magic):
                with opened(file, "rb") as packed, _bounded(packed) as plain:
                    yield plain
                return
        if head.startswith(b"x"):
            with _inflated(file) as plain:
                yield plain
            return
        yield file


@contextmanager
def _bounded(packed: Any) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as plain:
        while part := packed.read(2**20):
            plain.write(part)
            if plain.tell() > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
        plain.seek(0)
        yield plain


@contextmanager
def _inflated(file: IO[bytes]) -> Iterator[IO[bytes]]:
    class _Inflating:
        """`zlib` as a file."""

        machine = zlib.decompressobj()

        def read(self, size: int) -> bytes:
            while not self.machine.eof:
                data = self.machine.unconsumed_tail or file.read(size)
                if not data:
                    raise EOFError
                if part := self.machine.decompress(data, size):
                    return part
            return b""

    with _bounded(_Inflating()) as plain:
        yield plain
