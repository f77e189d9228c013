"""Which store an address means."""

from pathlib import Path

from .base import Store
from .postgres import PostgresStore
from .sqlite import SqliteStore


def open_store(address: str | Path) -> Store:
    """Open a store and bring its tables up to date.

    Args:
        address: a file for SQLite, or `postgresql://user@host/database`.

    Raises:
        StoreError: it can't be had.
    """
    if isinstance(address, str) and address.startswith(("postgresql://", "postgres://")):
        return PostgresStore(address)
    return SqliteStore(Path(address))
