"""The store of one broker: an SQLite file.

The write-ahead log is synced at every commit (`synchronous = FULL`): a change that was acknowledged survives a power
cut, not only `kill -9`. It is affordable because heartbeats are not written and because those changes that arrive
while one transaction is synced share the next (see `mirror`). The exclusive lock keeps a second broker, which would
know nothing of this one's leases, off the file; the system releases it however the process ends.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from ..errors import StoreError
from .base import RECORDS, Store

APPLICATION_ID = 0x41535452
"""`ASTR` in the file's header, which tells our file from any other program's: https://sqlite.org/fileformat.html."""
_HEADER = b"SQLite format 3\0"
_LOCK_TIMEOUT_S = 1.0  # a broker that is being replaced needs a moment to let go

_LOSING_IT = "or move it away: running instances register again with their next heartbeat"
_REASONS = {
    "SQLITE_BUSY": ("is in use by another broker", "stop that one, or choose another file with --store"),
    "SQLITE_CANTOPEN": ("can't be opened", "choose a file in a folder you may write to, with --store"),
    "SQLITE_CORRUPT": ("is damaged", f"put a backup in its place, {_LOSING_IT}"),
    "SQLITE_FULL": ("can't be written: the disk is full", "make room, or choose a file on another disk with --store"),
    "SQLITE_NOTADB": ("is no broker's store, nor any SQLite file", "choose another file with --store"),
    "SQLITE_READONLY": ("is read-only", "make it writable, or choose another file with --store"),
}


class SqliteStore(Store):
    """Records in a file, which is this broker's alone while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            creator=self._connect,
            pool_size=1,  # the exclusive lock admits one connection, which is kept
            max_overflow=0,
        )
        # sqlite3 itself would commit before each change of the schema; with this a migration is one transaction.
        event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._check_header()
        self._migrate()

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        statement = insert(RECORDS)
        changed = statement.on_conflict_do_update(index_elements=["kind", "id"], set_={"body": statement.excluded.body})
        connection.execute(changed, rows)

    def _check_header(self) -> None:
        """SQLite itself would take a file of a few bytes for an empty one, and write over it."""
        if self.path.exists():
            with self.path.open("rb") as file:
                header = file.read(len(_HEADER))
            if header not in (b"", _HEADER):
                raise _store_error(self.path, "SQLITE_NOTADB")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S, check_same_thread=False, isolation_level=None)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make sure that the file is ours before anything is written to it."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        application_id, tables = (
            connection.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
        )
        if application_id != APPLICATION_ID and (application_id or tables):
            raise StoreError(f"{self.path} is another program's file", hint="choose another file with --store")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _store_error(self.path, "SQLITE_CORRUPT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _explain(self.path, error.orig) from None
        except (sqlite3.Error, OSError) as error:
            raise _explain(self.path, error) from None


def _explain(path: Path, error: BaseException | None) -> StoreError:
    name = getattr(error, "sqlite_errorname", None) or ""
    code = next((code for code in _REASONS if name.startswith(code)), None)
    if code:
        return _store_error(path, code)
    reason = error.strerror if isinstance(error, OSError) else error
    return StoreError(f"{path} can't be used as the broker's store: {reason}", hint="choose another file with --store")


def _store_error(path: Path, code: str) -> StoreError:
    what, hint = _REASONS[code]
    return StoreError(f"the store {path} {what}", hint=hint)
