"""A device's own key for a broker that asks for one: had once for a code, kept in the user's configuration."""

import json
import os
from pathlib import Path

import httpx
from pydantic import ValidationError

from astraea.protocol import BrokerApiError
from astraea.protocol.broker_api import calls
from astraea.protocol.broker_api.client import BrokerApi

from ..errors import BrokerError, DeviceError

_TIMEOUT_S = 10.0
_NEW_CODE = "ask whoever runs the broker for a new code"


def enrol(broker: str, code: str) -> Path:
    """Take a code, which an operator has made with the broker, for this device's key; returns where it is kept.

    Raises:
        BrokerError: the broker can't be reached, or the code is not good.
        DeviceError: the key can't be written down.
    """
    broker = broker.rstrip("/")
    try:
        with httpx.Client(timeout=_TIMEOUT_S) as http:
            issued = BrokerApi(http, broker).send(calls.enrol(code))
    except ValidationError:
        raise BrokerError("that is too long for a code", hint=_NEW_CODE) from None
    except BrokerApiError as error:
        raise BrokerError(str(error), hint=_NEW_CODE if error.status else None) from None
    return _keep(broker, issued.key)


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
