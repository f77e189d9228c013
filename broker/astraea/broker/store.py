"""What outlives the broker's process: the registered instances, in one SQLite file.

The write-ahead log is synced at every commit (`synchronous = FULL`): a change that was acknowledged survives a power
cut, not only `kill -9`. It is affordable because heartbeats are not written and because those changes that arrive
while one transaction is synced share the next (see `mirror`). The exclusive lock keeps a second broker, which would
know nothing of this one's leases, off the file; the system releases it however the process ends.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import URL, Column, MetaData, String, Table, Text, bindparam, create_engine
from sqlalchemy.exc import DBAPIError

from astraea.protocol import Instance

from .errors import StoreError

APPLICATION_ID = 0x41535452
"""`ASTR` in the file's header, which tells our file from any other program's: https://sqlite.org/fileformat.html."""
SCHEMA_VERSION = 1
_HEADER = b"SQLite format 3\0"
_LOCK_TIMEOUT_S = 1.0  # a broker that is being replaced needs a moment to let go

_metadata = MetaData()
_instances = Table(
    "instances",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

_LOSING_IT = "or move it away: running instances register again with their next heartbeat"
_REASONS = {
    "SQLITE_BUSY": ("is in use by another broker", "stop that one, or choose another file with --store"),
    "SQLITE_CANTOPEN": ("can't be opened", "choose a file in a folder you may write to, with --store"),
    "SQLITE_CORRUPT": ("is damaged", f"put a backup in its place, {_LOSING_IT}"),
    "SQLITE_FULL": ("can't be written: the disk is full", "make room, or choose a file on another disk with --store"),
    "SQLITE_NOTADB": ("is no broker's store, nor any SQLite file", "choose another file with --store"),
    "SQLITE_READONLY": ("is read-only", "make it writable, or choose another file with --store"),
}


class Store:
    """The instances as they are on disk. Safe to call from any thread; one call at a time gets through.

    Raises:
        StoreError: from every method, when the file is not there to be used; the message says why.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            creator=self._connect,
            pool_size=1,  # the exclusive lock admits one connection, which is kept
            max_overflow=0,
        )
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._check_header()
            _metadata.create_all(self._engine)

    def load(self) -> list[Instance]:
        """All instances, as they were last written."""
        with self._explained(), self._engine.connect() as connection:
            rows = connection.execute(_instances.select().order_by(_instances.c.id)).all()
        return [self._parse(row.id, row.document) for row in rows]

    def write(self, changes: Mapping[str, Instance | None]) -> None:
        """Write instances by id, and delete those that are None, all of it or nothing."""
        ids = [{"old_id": instance_id} for instance_id in changes]
        rows = [{"id": i.id, "document": i.model_dump_json()} for i in changes.values() if i is not None]
        with self._explained(), self._engine.begin() as connection:
            if ids:
                connection.execute(_instances.delete().where(_instances.c.id == bindparam("old_id")), ids)
            if rows:
                connection.execute(_instances.insert(), rows)

    def close(self) -> None:
        """Fold the log into the file and release it."""
        self._engine.dispose()

    def _check_header(self) -> None:
        """SQLite itself would take a file of a few bytes for an empty one, and write over it."""
        if self.path.exists():
            with self.path.open("rb") as file:
                header = file.read(len(_HEADER))
            if header not in (b"", _HEADER):
                raise _store_error(self.path, "SQLITE_NOTADB")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make sure that the file is ours before anything is written to it."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        application_id, version, tables = (
            connection.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if application_id != APPLICATION_ID and (application_id or tables):
            raise StoreError(f"{self.path} is another program's file", hint="choose another file with --store")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} was written by a newer broker (schema {version}, this one knows {SCHEMA_VERSION})",
                hint="update this one, or choose another file with --store",
            )
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _store_error(self.path, "SQLITE_CORRUPT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _parse(self, instance_id: str, document: str) -> Instance:
        try:
            return Instance.model_validate_json(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise StoreError(
                f"{self.path}: the instance {instance_id!r} is not what a broker writes: {first['msg']}",
                hint=f"delete that row, {_LOSING_IT}",
            ) from None

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
