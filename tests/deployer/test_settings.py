"""Environment and secrets of services: read from files, handed to instances, and told to nobody."""

import hashlib
import secrets
import stat
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.deployer.errors import SettingsError
from astraea.deployer.settings import NO_SETTINGS, find_settings, read_settings

from .conftest import READS_SETTINGS, Cli, WriteService, instances

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), max_size=50)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_variables_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("env") / "env"
    path.write_bytes("".join(f"# {name}\n\n  {name}={value}\r\n" for name, value in env.items()).encode())
    assert read_settings(find_settings([str(path)], [])).env == env


def test_a_later_file_replaces_what_an_earlier_one_says(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("CITY=Hangzhou\nCAMERA='1'\n")
    (tmp_path / "b").write_text("CITY=Shanghai\n")
    found = read_settings(find_settings([str(tmp_path / "a"), str(tmp_path / "b")], []))
    assert found.env == {"CITY": "Shanghai", "CAMERA": "'1'"}


def test_no_files_are_no_settings() -> None:
    assert find_settings([], []) is None
    assert read_settings(None) == NO_SETTINGS


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"A=1\nhunter2\n", "line 2: that is no NAME=VALUE"), (b"hunter2 = x", "line 1"), (b"\xff=hunter2", "no text")],
)
def test_a_line_that_is_no_variable_is_named_but_not_shown(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(SettingsError, match=complaint) as refused:
        find_settings([str(tmp_path / "env")], [])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [("camera", "no NAME=FILE"), ("../x=y", "no NAME=FILE"), ("a=nowhere", "nowhere can't be read"), ("a=", "no NAME")],
)
def test_what_names_no_secret_is_refused(secret: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        find_settings([], [secret])


def test_a_secret_is_given_once_and_is_no_large_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 500_001)
    with pytest.raises(SettingsError, match="larger than 500000 bytes"):
        find_settings([], [f"a={path}"])
    with pytest.raises(SettingsError, match="'a' is given twice"):
        find_settings([], [f"a={path}", f"a={path}"])


def test_settings_that_have_changed_since_are_not_taken_and_values_are_in_no_text(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2")
    source = find_settings([], [f"a={path}"])
    assert source is not None
    assert "hunter2" not in source.model_dump_json() + repr(source.read())
    path.write_text("hunter3")
    with pytest.raises(SettingsError, match="have changed since"):
        source.read()


def test_an_instance_reads_its_settings_again_after_they_are_gone_here(
    cli: Cli, broker: str, home: Path, write_service: WriteService
) -> None:
    secret = secrets.token_hex(16)
    (home / "camera").write_text(secret)
    (home / "env").write_text("CITY=Hangzhou\n")
    write_service(handler=READS_SETTINGS)
    (home / "key").write_text(key := secrets.token_hex(16))
    options = ("--secret", "camera=camera", "--secret", "api-key=key", "--env-file", "env")
    deployed = cli("deploy", "service", *options)
    assert "started" not in cli("deploy", "service", *options).stdout
    (found,) = instances()
    headers = {"content-type": "text/plain"}
    assert httpx.post(f"{found.url}/predict", content="camera", headers=headers, trust_env=False).status_code == 401
    headers["authorization"] = f"Bearer {key}"
    reply = httpx.post(f"{found.url}/predict", content="camera", headers=headers, trust_env=False).json()
    assert (reply["digest"], reply["city"]) == (hashlib.sha256(secret.encode()).hexdigest(), "Hangzhou")

    holders = [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes().decode("latin-1")]
    assert [path.name for path in holders] == ["camera", "camera"], "the user's file, and the instance's"
    kept = next(path for path in holders if path.parent.name == "secrets")
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(kept.parent.stat().st_mode)) == (0o600, 0o700)
    assert (
        secret
        not in deployed.stdout + deployed.stderr + cli("status", "--json").stdout + cli("history", "hello").stdout
    )

    cli("remove", "hello")
    assert not kept.exists()
