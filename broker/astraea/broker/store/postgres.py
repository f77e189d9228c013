"""The store of several brokers behind one address: a PostgreSQL database.

Each row carries the transaction that last wrote it. A broker that looks for news takes the rows of transactions that
had not ended when it last looked (`pg_snapshot_xmin`), so a transaction that took long to commit is not missed, as it
would be by counting up a sequence: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT.
A deleted row stays for `_TOMBSTONES` with an empty body, so that the others see that it is gone.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..errors import StoreError
from .base import Key, Kind, Store

_LOCK = 0x41535452
"""`ASTR`: the advisory lock under which tables are migrated."""
_CONNECT_TIMEOUT_S = 3
_STATEMENT_TIMEOUT_MS = 10_000
_TOMBSTONES = "1 hour"

_UPSERT = text("""
    INSERT INTO records (kind, id, body, writer) VALUES (:kind, :id, :body, :writer)
    ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, writer = excluded.writer,
        changed_at = clock_timestamp(), changed_by = pg_current_xact_id()
""")
_BURY = text("""
    UPDATE records SET body = NULL, writer = :writer, changed_at = clock_timestamp(), changed_by = pg_current_xact_id()
    WHERE kind = :old_kind AND id = :old_id AND body IS NOT NULL
""")
_HORIZON = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
_NEWS = text("SELECT kind, id, body FROM records WHERE changed_by >= CAST(:since AS xid8) AND writer <> :writer")
_FORGET = text(f"DELETE FROM records WHERE body IS NULL AND changed_at < now() - interval '{_TOMBSTONES}'")  # noqa: S608
_EXPIRE = text("""
    DELETE FROM records WHERE kind = 'instance' AND changed_at < clock_timestamp() - make_interval(secs => :silent_s)
""")


class PostgresStore(Store):
    """Records in a PostgreSQL database, shared with other brokers.

    Args:
        url: `postgresql://user@host/database`; a password may be in it, or in `~/.pgpass`.
    """

    shared = True

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
            self.name = parsed.render_as_string(hide_password=True).replace("+psycopg", "", 1)
            self._engine = create_engine(
                parsed,
                pool_size=2,
                pool_pre_ping=True,
                pool_timeout=_STATEMENT_TIMEOUT_MS / 1e3,
                connect_args={
                    "connect_timeout": _CONNECT_TIMEOUT_S,
                    "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}",
                },
            )
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreError(
                f"{url.partition('@')[2] or 'that'} is no PostgreSQL address that can be used: {error}",
                hint="write --store postgresql://user@host/database, and pip install 'astraea[postgres]'",
            ) from None
        self._writer = secrets.token_hex(8)
        self._since = "0"
        self._migrate()

    def load(self) -> dict[Key, str]:
        """All records; `changes` goes on from here."""
        with self._transaction() as connection:
            horizon = connection.execute(_HORIZON).scalar_one()
        records = super().load()  # a later snapshot: what came between is read twice, never missed
        self._since = horizon
        return records

    def changes(self) -> dict[Key, str | None]:
        """What other brokers have changed since the last call, and maybe some of what was told before."""
        with self._transaction() as connection:
            horizon = connection.execute(_HORIZON).scalar_one()
            rows = connection.execute(_NEWS, {"since": self._since, "writer": self._writer}).all()
        self._since = horizon
        known = {kind.value for kind in Kind}
        return {Key(Kind(row.kind), row.id): row.body for row in rows if row.kind in known}

    def take(self, key: Key) -> bool:
        """See Store.take."""
        with self._transaction() as connection:
            return connection.execute(_BURY, self._named(key)).rowcount == 1

    def purge(self, silent_s: float) -> None:
        """See Store.purge. The database's clock decides, which all brokers share."""
        with self._transaction() as connection:
            connection.execute(_FORGET)
            connection.execute(_EXPIRE, {"silent_s": silent_s})

    def _lock(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        connection.execute(_UPSERT, [row | {"writer": self._writer} for row in rows])

    def _delete(self, connection: Connection, gone: list[dict[str, Any]]) -> None:
        connection.execute(_BURY, [row | {"writer": self._writer} for row in gone])

    def _named(self, key: Key) -> dict[str, str]:
        return {"old_kind": key.kind, "old_id": key.id, "writer": self._writer}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
            raise StoreError(
                f"the store {self.name} can't be used: {reason}",
                hint="see whether PostgreSQL runs and lets this user in, or choose another with --store",
            ) from None
