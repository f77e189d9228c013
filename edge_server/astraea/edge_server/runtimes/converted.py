"""ONNX files made of models of other formats, kept in the cache by what they were made of.

`$XDG_CACHE_HOME/astraea/converted/<digest>.onnx`; the digest covers the source files' content and the recipe.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from astraea.models import CacheError

_logger = logging.getLogger(__name__)


def converted(sources: Sequence[Path], recipe: str, convert: Callable[[Path], None]) -> Path:
    """The ONNX file that `convert` makes of the source files, or made before.

    Args:
        sources: The files.
        recipe: What `convert` does, with a version: another one makes another file.
        convert: Writes an ONNX file where it is told; its folder is empty, and goes away after.

    Raises:
        CacheError: The cache can't be written.
    """
    ready = _cache() / f"{_digest(sources, recipe)}.onnx"
    if ready.is_file():
        return ready
    try:
        ready.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=ready.parent) as folder:
            made = Path(folder) / "model.onnx"
            convert(made)
            made.replace(ready)
    except OSError as error:
        raise CacheError(
            f"{sources[0].name}, converted, can't be kept in {ready.parent}: {error.strerror or error}",
            hint="make room there, or let XDG_CACHE_HOME name a folder elsewhere",
        ) from error
    _logger.info("%s is converted to ONNX in %s", sources[0].name, ready)
    return ready


def _digest(sources: Sequence[Path], recipe: str) -> str:
    digest = hashlib.sha256(recipe.encode())
    for source in sources:
        with source.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "astraea" / "converted"
