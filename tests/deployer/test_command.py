"""The frame of the `astraea` command: it lists every verb, and loads a part only for a verb of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from astraea.deployer.main import VERBS

COMMAND = [sys.executable, "-m", "astraea.deployer"]


def astraea(*arguments: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command, optionally as if a package were not installed."""
    command = [*COMMAND, *arguments]
    if without:
        script = (
            f"import sys; sys.modules[{without!r}] = None; sys.argv = ['astraea', *{list(arguments)!r}];"
            "from astraea.deployer.main import main; main()"
        )
        command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_help_lists_every_verb_of_every_part() -> None:
    shown = astraea("--help")
    assert shown.returncode == 0
    assert all(f"│ {verb.name} " in shown.stdout for verb in VERBS)


def test_help_imports_no_part() -> None:
    script = (
        "import sys, atexit; sys.argv = ['astraea', '--help'];"
        "atexit.register(lambda: print('LOADED', *(name for name in sys.modules if name.startswith('astraea.'))));"
        "from astraea.deployer.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert set(loaded) == {"astraea.deployer", "astraea.deployer.main"}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_each_verb_explains_itself(verb: object) -> None:
    name = getattr(verb, "name", "")
    shown = astraea(name, "--help")
    assert shown.returncode == 0
    assert f"Usage: astraea {name}" in shown.stdout


@pytest.mark.parametrize(
    ("verb", "package", "extra"),
    [
        ("serve", "uvicorn", "edge"),
        ("broker", "sqlalchemy", "broker"),
        ("deploy", "httpx", "deploy"),
        ("models", "cv2", "device"),
    ],
)
def test_a_verb_whose_extra_is_missing_says_which_to_install(verb: str, package: str, extra: str) -> None:
    done = astraea(verb, "--help", without=package)
    assert done.returncode == 1
    assert f"needs the package '{package}'" in done.stderr
    assert f"pip install 'astraea[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_verb_is_refused() -> None:
    done = astraea("frob")
    assert done.returncode == 2
    assert "No such command 'frob'" in done.stderr


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert astraea("--version").stdout == f"astraea {version('astraea')}\n"


def test_an_error_is_one_line_and_what_to_do(tmp_path: Path) -> None:
    done = astraea("build", str(tmp_path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert done.stderr.startswith("astraea: there is no astraea.yaml")


def test_a_folder_that_cannot_be_written_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    done = astraea("node", "add", "n", "--region", "r", "--at", "1,2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Not a directory" in done.stderr
