"""What test_durability kills: a process of its own that writes, and says what is in the store."""

import os
from typing import Any

from astraea.broker import open_store
from astraea.broker.store import Key, Kind


def write(address: str, life: int, tell: Any) -> None:
    """Write records one by one for ever, and say each one's name on a pipe when the store has it."""
    store = open_store(address)
    pipe = tell.detach()
    number = 0
    while True:
        name = f"n-{life}-{number}"
        store.write({Key(Kind.NODE, name): f'{{"x": "{"y" * 200}"}}'})
        os.write(pipe, f"{name}\n".encode())
        number += 1
