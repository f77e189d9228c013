"""What needs the extra `webrtc`, imported when it is first wanted."""

import asyncio
from importlib import import_module
from types import ModuleType

from starlette.exceptions import HTTPException


async def load(module: str) -> ModuleType:
    """A module of this package that needs PyAV or aiortc; another thread imports it, which takes a third of a second.

    Args:
        module: Its name, from `astraea.edge_server` on.

    Raises:
        HTTPException: 501, with the command that installs what is missing.
    """
    try:
        return await asyncio.to_thread(import_module, f"astraea.edge_server.{module}")
    except ModuleNotFoundError as error:
        command = "pip install 'astraea[edge,webrtc]'"
        raise HTTPException(501, f"this server has no {error.name}; its operator may install it: {command}") from error
