"""Who we are to a registry: what `docker login` has stored.

https://docs.docker.com/reference/cli/docker/login/#credential-stores: `auths` holds user and password in base64, or a
program named by `credHelpers` or `credsStore` keeps them.
"""

import base64
import binascii
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from ..errors import RegistryError
from .reference import DOCKER_HUB

_HELPER_TIMEOUT_S = 20
_HUB_KEY = "https://index.docker.io/v1/"
"""What Docker Hub is called in the file."""


class Credentials(NamedTuple):
    """A user's name and password; or, where the name is `<token>`, an identity token."""

    username: str
    password: SecretStr


def find_credentials(host: str) -> Credentials | None:
    """What is stored for a registry; None if nothing is.

    Raises:
        RegistryError: the file or a helper can't be read.
    """
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    key = _HUB_KEY if host == DOCKER_HUB else host
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        helper = config.get("credHelpers", {}).get(key) or config.get("credsStore")
        if helper is not None and (found := _ask_helper(helper, key)):
            return found
        return _from_entry(config.get("auths", {}).get(key, {}))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"the credentials in {path} can't be read: {error}", hint=f"`docker login {host}` writes them anew"
        ) from None


def _from_entry(entry: Any) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials("<token>", SecretStr(token))
    if not entry.get("auth"):
        return None
    try:
        username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("`auth` is not base64 of USER:PASSWORD") from None
    return Credentials(username, SecretStr(password))


def _ask_helper(helper: str, key: str) -> Credentials | None:
    if not helper.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{helper!r} is no name of a credential helper")
    ended = subprocess.run(  # noqa: S603 - the program that the user's own configuration names
        [f"docker-credential-{helper}", "get"],
        input=key,
        capture_output=True,
        check=False,
        text=True,
        timeout=_HELPER_TIMEOUT_S,
    )
    if ended.returncode != 0:  # it has none for this registry
        return None
    found = json.loads(ended.stdout)
    return Credentials(found["Username"], SecretStr(found["Secret"]))
