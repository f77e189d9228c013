"""The first key of a broker that asks for keys: somebody must be able to make the others."""

import os
from pathlib import Path

from astraea.protocol.broker_api import Role

from .access.access import BROKER
from .core import Broker
from .errors import StoreError


async def make_first_key(broker: Broker, path: Path) -> Path | None:
    """If the broker has no admin's key, make one and write it to a file that its user alone may read.

    Returns:
        Where the key is; None if there was one already.

    Raises:
        StoreError: the file can't be written.
    """
    if any(key.role is Role.ADMIN for key in broker.access.keys.items.values()):
        return None
    issued = await broker.access.make_key(BROKER, "first admin", Role.ADMIN)
    try:
        _write_privately(path, f"{issued.secret}\n")
    except OSError as error:
        raise StoreError(
            f"the first admin's key can't be written to {path}: {error.strerror}",
            hint="make that folder writable, or choose another with XDG_STATE_HOME",
        ) from None
    return path


def _write_privately(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
