"""What tests of runtimes share: models are made by the frameworks themselves, and what is converted is kept apart."""

import logging
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import need


def need_framework(name: str, package: str) -> None:
    need(name, find_spec(package) is not None, f"{package} is not installed: pip install 'astraea[{name}]'")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rewrite(archive: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """The same zip archive, but for what one of its members holds."""
    changed = archive.with_name(f"changed-{archive.name}")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name.endswith(member) else old.read(name))
    return changed


def warnings_in(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
