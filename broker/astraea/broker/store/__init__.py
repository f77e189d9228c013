"""What outlives a broker's process: records by kind and id, and the audit trail.

Everything a broker must remember is a small JSON document of some kind (an instance, a rollout, a key), held in memory
by the part that understands it and written through. So one table, one way of writing and one feed of changes serve all
of them, and several brokers on one PostgreSQL learn of each other's changes whatever they are about.

`SqliteStore` keeps them in a file for one broker, `PostgresStore` in a database for several; `open_store` tells which.
"""

from .base import Key, Kind, Store
from .collection import Collection
from .mirror import Keeper, Mirror
from .opening import open_store
from .postgres import PostgresStore
from .sqlite import SqliteStore

__all__ = [
    "Collection",
    "Keeper",
    "Key",
    "Kind",
    "Mirror",
    "PostgresStore",
    "SqliteStore",
    "Store",
    "open_store",
]
