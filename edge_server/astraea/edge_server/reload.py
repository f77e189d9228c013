"""`--reload`: knowing when what a developer works on has changed."""

import asyncio
from pathlib import Path

from watchfiles import awatch


async def set_on_change(folder: Path, changed: asyncio.Event) -> None:
    """Set an event whenever something in a service's folder changes, for ever.

    watchfiles gathers what comes within 50 ms, and leaves out what editors, git and Python keep for themselves.
    """
    async for _ in awatch(folder, step=50, debounce=400):
        changed.set()
