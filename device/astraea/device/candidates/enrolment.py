"""A device's own key for a broker that asks for one: had once for a code, kept in the user's configuration."""

import json
import os
from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from astraea.protocol import Problem

from ..errors import BrokerError, DeviceError

_TIMEOUT_S = 10.0


class _IssuedKey(BaseModel):
    key: str


def enrol(broker: str, code: str) -> Path:
    """Take a code, which an operator has made with the broker, for this device's key; returns where it is kept.

    Raises:
        BrokerError: the broker can't be reached, or the code is not good.
        DeviceError: the key can't be written down.
    """
    broker = broker.rstrip("/")
    try:
        response = httpx.post(f"{broker}/v1/enrol", json={"code": code}, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BrokerError(f"the broker {broker} can't be reached: {error or type(error).__name__}") from None
    try:
        if response.is_error:
            problem = Problem.model_validate_json(response.content)
            raise BrokerError(
                f"{broker} says: {problem.detail or problem.title}", hint="ask whoever runs the broker for a new code"
            )
        key = _IssuedKey.model_validate_json(response.content).key
    except ValidationError:
        raise BrokerError(f"{broker} answered {response.status_code}, but not as a broker does") from None
    return _keep(broker, key)


def stored_key(broker: str) -> str | None:
    """The key that this user's device has for a broker; None when it is not enrolled there.

    Raises:
        DeviceError: the file of keys can't be read.
    """
    return _read(_file()).get(broker.rstrip("/"))


def _keep(broker: str, key: str) -> Path:
    path = _file()
    keys = _read(path) | {broker: key}
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(json.dumps(keys, indent=2) + "\n")
        new.replace(path)
    except OSError as error:
        raise DeviceError(f"the key can't be kept in {path}: {error.strerror}") from None
    return path


def _read(path: Path) -> dict[str, str]:
    try:
        keys = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DeviceError(f"{path} can't be read: {error}", hint="delete it, and enrol the device again") from None
    return {str(broker): str(key) for broker, key in keys.items()} if isinstance(keys, dict) else {}


def _file() -> Path:
    """See the XDG base directory specification."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "astraea" / "device-keys.json"
