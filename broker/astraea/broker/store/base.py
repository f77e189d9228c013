"""What both stores do alike, in SQL that both understand."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, DateTime, Engine, Integer, MetaData, String, Table, Text, bindparam

from astraea.protocol.broker_api import AuditEntry

from ..errors import StoreError
from .migrating import migrate

METADATA = MetaData()
RECORDS = Table(
    "records",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("body", Text),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("detail", Text, nullable=False),
)


class Kind(StrEnum):
    """What a record is about."""

    INSTANCE = "instance"
    SERVICE = "service"
    """How a service's devices are shared out: weights of revisions, objective."""
    NODE = "node"
    """A node that is being drained."""
    SIGNING_KEY = "signing-key"
    API_KEY = "api-key"
    DEVICE = "device"
    CODE = "code"
    """A one-time code by which a device enrols."""


class Key(NamedTuple):
    """What names a record."""

    kind: Kind
    id: str


class Store(ABC):
    """Records by key. Safe to call from any thread; one call at a time gets through.

    Raises:
        StoreError: from every method, when the store is not there to be used; the message says why.
    """

    name: str
    """For messages: where it is, without any password."""
    shared = False
    """Whether other brokers may use it at the same time."""
    _engine: Engine

    def load(self) -> dict[Key, str]:
        """All records' JSON documents, as they were last written."""
        with self._transaction() as connection:
            rows = connection.execute(RECORDS.select().where(RECORDS.c.body.is_not(None)).order_by(RECORDS.c.id)).all()
        return dict(filter(None, (self._parse(row) for row in rows)))

    def write(self, changes: Mapping[Key, str | None], audit: Sequence[AuditEntry] = ()) -> None:
        """Write documents by key, and delete those that are None, all of it or nothing."""
        # In one order everywhere, so that brokers that write the same records never wait for each other in a circle.
        ordered = sorted(changes.items())
        gone = [{"old_kind": key.kind, "old_id": key.id} for key, body in ordered if body is None]
        rows = [{"kind": key.kind, "id": key.id, "body": body} for key, body in ordered if body is not None]
        with self._transaction() as connection:
            if gone:
                self._delete(connection, gone)
            if rows:
                self._upsert(connection, rows)
            if audit:
                connection.execute(AUDIT.insert(), [entry.model_dump() for entry in audit])

    def take(self, key: Key) -> bool:
        """Delete a record; whether it was there. Of several brokers that try, one gets it."""
        with self._transaction() as connection:
            taken = connection.execute(
                RECORDS.delete().where(RECORDS.c.kind == key.kind, RECORDS.c.id == key.id, RECORDS.c.body.is_not(None))
            )
            return taken.rowcount == 1

    def audit(self, limit: int) -> list[AuditEntry]:
        """The audit trail's last entries, the newest first."""
        with self._transaction() as connection:
            rows = connection.execute(AUDIT.select().order_by(AUDIT.c.id.desc()).limit(limit)).mappings().all()
        return [AuditEntry.model_validate({**row, "at": _utc(row["at"])}) for row in rows]

    def changes(self) -> dict[Key, str | None]:
        """What other brokers have changed since the last call; nothing in a store that isn't shared."""
        return {}

    def purge(self, silent_s: float) -> None:  # noqa: B027 - nothing to do for a store that isn't shared
        """Drop what nobody needs any more: in a shared store, instances that no broker has heard of for so long."""

    def close(self) -> None:
        """Let go of it."""
        self._engine.dispose()

    def _migrate(self) -> None:
        try:
            with self._transaction() as connection:
                self._lock(connection)
                migrate(connection, self.name)
        except StoreError:
            self.close()
            raise

    def _lock(self, connection: Connection) -> None:  # noqa: B027 - a file that is opened is locked
        """Keep other brokers from migrating until the transaction ends."""

    @abstractmethod
    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> None: ...

    def _delete(self, connection: Connection, gone: list[dict[str, Any]]) -> None:
        connection.execute(
            RECORDS.delete().where(RECORDS.c.kind == bindparam("old_kind"), RECORDS.c.id == bindparam("old_id")), gone
        )

    @abstractmethod
    def _explained(self) -> Any:
        """A context that turns the database's errors into StoreError."""

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._explained(), self._engine.begin() as connection:
            yield connection

    def _parse(self, row: Any) -> tuple[Key, str] | None:
        try:
            return Key(Kind(row.kind), row.id), row.body
        except ValueError:
            raise StoreError(
                f"{self.name}: the record {row.id!r} is of a kind {row.kind!r} that this broker doesn't know",
                hint="was it written by a newer one? then update this one",
            ) from None


def _utc(at: datetime) -> datetime:
    """SQLite keeps no time zones; what is written is always UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
