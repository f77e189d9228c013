"""What a service is configured with beside its image: environment variables and secrets, each of a file.

Only the files' paths are kept, with a digest of what was in them; the values go where instances run, and nowhere else.
An instance finds each secret as a file of its name in the folder that `CREDENTIALS_DIRECTORY` tells, as systemd has it
(https://systemd.io/CREDENTIALS/).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, SecretStr

from .errors import SettingsError

SECRETS_VARIABLE = "CREDENTIALS_DIRECTORY"
CONTAINER_SECRETS = "/run/secrets"
"""Where container engines put secrets by convention."""

_MAX_BYTES = 500_000
"""Of a file: what a swarm takes of a secret."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
"""What every engine can name a file by."""


class Settings(NamedTuple):
    """Values, not to be printed."""

    env: Mapping[str, str]
    secrets: Mapping[str, bytes]

    def __repr__(self) -> str:
        """Names alone: a traceback with values would be a leak."""
        return f"Settings(env={sorted(self.env)}, secrets={sorted(self.secrets)})"

    def env_at(self, folder: str | Path) -> dict[str, str]:
        """All variables of an instance whose secrets lie in a folder."""
        return {**self.env, SECRETS_VARIABLE: str(folder)} if self.secrets else dict(self.env)

    def node_key(self, inherited: Mapping[str, str]) -> SecretStr | None:
        """The key that an instance brings its broker, found as `astraea serve` finds it; None if it has none.

        Args:
            inherited: the variables that it has beside these.
        """
        secret = self.secrets.get("broker-key", b"").decode(errors="replace").strip()
        key = {**inherited, **self.env}.get("ASTRAEA_BROKER_KEY") or secret
        return SecretStr(key.encode("ascii", "replace").decode()) if key else None  # as a header can carry it


NO_SETTINGS = Settings({}, {})


class SettingsSource(BaseModel):
    """The files that settings come from, and a digest of what they held when the service was deployed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env_files: tuple[Path, ...] = ()
    """A later one's variables replace an earlier one's."""
    secrets: tuple[tuple[str, Path], ...] = ()
    """Names and files."""
    digest: str = ""

    def read(self) -> Settings:
        """The values.

        Raises:
            SettingsError: a file can't be read, or has changed since.
        """
        settings = _read(self)
        if _digest(settings) != self.digest:
            raise SettingsError(
                f"the service's settings have changed since it was deployed: {', '.join(map(str, self._files()))}",
                hint="deploy it again with the same --env-file and --secret",
            )
        return settings

    def _files(self) -> Iterable[Path]:
        return *self.env_files, *(path for _, path in self.secrets)

    def options(self) -> tuple[list[str], list[str]]:
        """What `--env-file` and `--secret` were given."""
        return [str(path) for path in self.env_files], [f"{name}={path}" for name, path in self.secrets]


def find_settings(env_files: Iterable[str], secrets: Iterable[str]) -> SettingsSource | None:
    """The settings that these files hold now; None if none are named.

    Args:
        env_files: paths of files with a `NAME=VALUE` a line.
        secrets: `NAME=FILE` each.

    Raises:
        SettingsError: a file can't be read, is too large, or has a line that is no variable.
    """
    found = SettingsSource(
        env_files=tuple(Path(path).absolute() for path in env_files), secrets=tuple(map(_secret, secrets))
    )
    names = [name for name, _ in found.secrets]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(f"--secret: {doubled!r} is given twice")
    if not found.env_files and not found.secrets:
        return None
    return found.model_copy(update={"digest": _digest(_read(found))})


def read_settings(source: SettingsSource | None) -> Settings:
    """The values of what `find_settings` found.

    Raises:
        SettingsError: a file can't be read, or has changed since.
    """
    return NO_SETTINGS if source is None else source.read()


def _secret(text: str) -> tuple[str, Path]:
    name, given, path = text.partition("=")
    if not given or not path or not _SECRET.fullmatch(name):
        raise SettingsError(
            f"--secret: {text!r} is no NAME=FILE",
            hint="a name has letters, digits, dots, dashes and underscores; the secret itself belongs into a file",
        )
    return name, Path(path).absolute()


def _read(source: SettingsSource) -> Settings:
    env = {name: value for path in source.env_files for name, value in _variables(path)}
    return Settings(env, {name: _content(path) for name, path in source.secrets})


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{path} is larger than {_MAX_BYTES} bytes")
    return content


def _variables(path: Path) -> Iterable[tuple[str, str]]:
    """As `docker run --env-file` reads it: values as they are, without quotes being taken off."""
    try:
        lines = _content(path).decode().split("\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8") from None
    for number, line in enumerate(lines, 1):
        name, given, value = line.lstrip().removesuffix("\r").partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not given or not _VARIABLE.fullmatch(name) or "\0" in value:  # not quoted: it may be a secret
            raise SettingsError(f"{path}, line {number}: that is no NAME=VALUE")
        yield name, value


def _digest(settings: Settings) -> str:
    """Tells settings apart, and takes long enough that nobody finds a short secret by trying: labels show it."""
    parts = [repr(sorted(settings.env.items())), repr(sorted(settings.secrets.items()))]
    return hashlib.scrypt("\n".join(parts).encode(), salt=b"astraea settings", n=2**14, r=8, p=1, dklen=16).hex()
