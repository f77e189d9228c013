"""What both stores promise, and what is particular to each."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from astraea.broker import PostgresStore, SqliteStore, StoreError, open_store
from astraea.broker.store import Key, Kind
from astraea.broker.store.sqlite import APPLICATION_ID
from astraea.protocol import Instance
from astraea.protocol.broker_api import AuditEntry

MakeInstance = Callable[..., Instance]
HOSTILE = "'; DROP TABLE records; -- <script>alert(1)</script> \\ % Ω"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "broker.db"


def _key(name: str, kind: Kind = Kind.INSTANCE) -> Key:
    return Key(kind, name)


def _sqlite(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_what_is_written_is_there_when_opened_again(store_address: str) -> None:
    with closing(open_store(store_address)) as store:
        store.write({_key("a"): '{"x": 1}', _key("b"): "{}", _key("a", Kind.SERVICE): "[]", _key("c"): HOSTILE})
        store.write({_key("b"): None, _key("never-there"): None, _key("a"): '{"x": 2}'})
    with closing(open_store(store_address)) as store:
        assert store.load() == {_key("a"): '{"x": 2}', _key("a", Kind.SERVICE): "[]", _key("c"): HOSTILE}


def test_a_deleted_record_can_be_written_again(store_address: str) -> None:
    with closing(open_store(store_address)) as store:
        for body in ("1", None, "2"):
            store.write({_key("a"): body})
        assert store.load() == {_key("a"): "2"}


def test_a_record_is_taken_once(store_address: str) -> None:
    with closing(open_store(store_address)) as store:
        store.write({_key("code", Kind.CODE): "{}"})
        assert [store.take(_key("code", Kind.CODE)) for _ in range(2)] == [True, False]
        assert store.load() == {}


def test_the_audit_trail_is_written_with_the_change_and_told_newest_first(store_address: str) -> None:
    entries = [
        AuditEntry(at=datetime(2026, 1, day, 12, tzinfo=UTC), actor="ann", action="drain", subject=HOSTILE)
        for day in (1, 2, 3)
    ]
    with closing(open_store(store_address)) as store:
        store.write({_key("n", Kind.NODE): "{}"}, entries[:2])
        store.write({}, entries[2:])
        assert store.audit(limit=2) == [entries[2], entries[1]]


def test_a_store_of_the_first_brokers_is_taken_over(path: Path, make_instance: MakeInstance) -> None:
    document = make_instance().model_dump_json()
    _sqlite(
        path,
        f"PRAGMA application_id = {APPLICATION_ID}",
        "PRAGMA user_version = 1",
        "CREATE TABLE instances (id VARCHAR(64) NOT NULL PRIMARY KEY, document TEXT NOT NULL)",
        f"INSERT INTO instances VALUES ('plates-1', '{document}')",
    )
    for _ in range(2):
        with closing(SqliteStore(path)) as store:
            assert store.load() == {_key("plates-1"): document}


def test_a_newer_brokers_store_is_refused(store_address: str) -> None:
    open_store(store_address).close()
    newer = "UPDATE alembic_version SET version_num = '9999'"
    if store_address.startswith("postgresql"):
        with psycopg.connect(store_address) as connection:
            connection.execute(newer)
    else:
        _sqlite(Path(store_address), newer)
    with pytest.raises(StoreError, match="newer broker"):
        open_store(store_address)


def test_closing_leaves_one_file(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write({_key("a"): "{}"})
    assert [file.name for file in path.parent.iterdir()] == ["broker.db"]


def test_a_second_broker_is_kept_off_the_file(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match="in use by another broker"):
            SqliteStore(path)
        store.write({_key("a"): "{}"})
    SqliteStore(path).close()


@pytest.mark.parametrize("content", [b"no database\n" * 500, b"x", bytes(4096)], ids=["text", "a byte", "zeros"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="nor any SQLite file"):
        SqliteStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE photos (id)",),
        ("PRAGMA application_id = 7",),
        ("PRAGMA journal_mode = WAL", "CREATE TABLE a (b)"),
    ],
    ids=["tables", "application id", "write-ahead log"],
)
def test_another_programs_database_is_left_alone(path: Path, statements: tuple[str, ...]) -> None:
    _sqlite(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's file") as refused:
        SqliteStore(path)
    assert refused.value.hint
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with closing(SqliteStore(path)) as store:
        assert store.load() == {}


def test_a_truncated_store_is_reported_as_damaged(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write({_key(f"i{n}"): "x" * 500 for n in range(100)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore(path)


def test_a_record_of_an_unknown_kind_is_named(path: Path) -> None:
    SqliteStore(path).close()
    _sqlite(path, "INSERT INTO records VALUES ('ghost', 'odd-1', '{}')")
    with closing(SqliteStore(path)) as store, pytest.raises(StoreError, match="'odd-1'"):
        store.load()


def test_a_folder_or_a_file_below_a_file_cannot_be_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "broker.db"):
        with pytest.raises(StoreError) as refused:
            SqliteStore(path)
        assert str(path) in str(refused.value)


def test_a_write_that_finds_the_disk_full_changes_nothing(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write({_key("kept"): "1"})
        with store._engine.connect() as connection:  # what SQLite does when it can't grow the file
            connection.exec_driver_sql("PRAGMA max_page_count = 12")
        with pytest.raises(StoreError, match="the disk is full"):
            store.write({_key("kept"): None} | {_key(f"i{n}"): "x" * 500 for n in range(100)})
        assert store.load() == {_key("kept"): "1"}
        store.write({_key("kept"): "2"})
    with closing(SqliteStore(path)) as store:
        assert store.load() == {_key("kept"): "2"}


def test_brokers_on_one_database_see_each_others_changes(database: str) -> None:
    with closing(PostgresStore(database)) as one, closing(PostgresStore(database)) as other:
        one.write({_key("a"): "1", _key("b"): "1"})
        assert other.load() == {_key("a"): "1", _key("b"): "1"}
        other.changes()
        one.write({_key("a"): "2", _key("b"): None})
        assert other.changes() == {_key("a"): "2", _key("b"): None}
        assert one.changes() == {}
        assert other.take(_key("a"))
        assert one.changes()[_key("a")] is None


def test_a_change_that_was_long_in_coming_is_not_missed(database: str) -> None:
    with closing(PostgresStore(database)) as store, psycopg.connect(database) as slow:
        store.load()
        slow.execute("INSERT INTO records (kind, id, body) VALUES ('node', 'slow', '{}')")
        store.write({_key("fast"): "1"})
        assert store.changes() == {}
        slow.commit()
        assert store.changes() == {_key("slow", Kind.NODE): "{}"}


def test_only_instances_that_no_broker_heard_of_are_purged(database: str) -> None:
    with closing(PostgresStore(database)) as store:
        store.write({_key("silent"): "1", _key("lively"): "1", _key("old", Kind.SERVICE): "1"})
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE records SET changed_at = now() - interval '1 minute' WHERE id <> 'lively'")
        store.purge(silent_s=30)
        assert set(store.load()) == {_key("lively"), _key("old", Kind.SERVICE)}


@pytest.mark.parametrize(
    "address", ["postgresql://astraea@127.0.0.1:1/db", "postgresql://[", "postgresql://u:secret@127.0.0.1:1/db"]
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(address: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(address)
    assert "secret" not in str(refused.value)
    assert refused.value.hint
