"""The operator's keys for brokers that ask for one: kept in the user's configuration, told to their broker alone."""

import json
import os
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError

from .errors import BrokerError
from .files import config_folder, write_atomically

DEFAULT_BROKER = "http://127.0.0.1:8600"
BROKER_VARIABLE, KEY_VARIABLE = "ASTRAEA_BROKER", "ASTRAEA_OPERATOR_KEY"
"""The key in the environment is for the broker in the environment: others, which instances name, never get it."""

_HINT = "`POST /v1/keys` of the broker makes one of the role `deployer`; docs/broker.md tells how"
_Keys = TypeAdapter(dict[str, SecretStr])


def operator_keys() -> dict[str, SecretStr]:
    """The keys by their broker's URL.

    Raises:
        BrokerError: the file of keys can't be read.
    """
    keys = _read(_file())
    if given := os.environ.get(KEY_VARIABLE):
        keys[os.environ.get(BROKER_VARIABLE, DEFAULT_BROKER)] = checked_key(given)
    return keys


def checked_key(text: str) -> SecretStr:
    """A key as a header can carry it.

    Raises:
        BrokerError: it can't be one.
    """
    key = text.strip()
    if not key or not key.isascii() or any(character.isspace() for character in key):
        raise BrokerError("that is no key of a broker's: it has spaces, or is none", hint=_HINT)
    return SecretStr(key)


def keep_key(broker: str, key: SecretStr) -> Path:
    """Keep a key for a broker; returns the file, which only this user can read.

    Raises:
        BrokerError: the keys that are there already can't be read.
    """
    path = _file()
    keys = _read(path) | {broker.rstrip("/"): key}
    text = json.dumps({name: secret.get_secret_value() for name, secret in keys.items()}, indent=2)
    write_atomically(path, f"{text}\n")
    return path


def _file() -> Path:
    return config_folder() / "operator-keys.json"


def _read(path: Path) -> dict[str, SecretStr]:
    try:
        return _Keys.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise BrokerError(
            f"{path} can't be read: it is no list of keys by broker", hint="delete it, and `astraea login` again"
        ) from None
