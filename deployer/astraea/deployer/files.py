"""Where the deployer keeps things, and how it writes them: whole or not at all."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def config_folder() -> Path:
    """What the user set up: the nodes."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def data_folder() -> Path:
    """What was made and can be used again: the images."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def cache_folder() -> Path:
    """What can be made anew: the layers of packages that are known."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """What belongs to running things: their files, ports and logs."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / default) / "astraea"


def write_atomically(path: Path, text: str) -> None:
    """Replace a file; a reader sees the old content or the new, never a part. Makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the advisory lock on `path`, which is made if absent; it ends with the process at the latest.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
