import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from astraea.broker import Store, StoreError
from astraea.broker.store import APPLICATION_ID, SCHEMA_VERSION
from astraea.protocol import Instance, Load, Location

MakeInstance = Callable[..., Instance]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "broker.db"


def _sqlite(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_what_is_written_is_there_when_opened_again(path: Path, make_instance: MakeInstance) -> None:
    full = make_instance(
        region="hangzhou", location=Location(lat=30.27, lon=120.16), tier="cloud", load=Load(capacity=4, service_ms=1.5)
    )
    with closing(Store(path)) as store:
        store.write({"plates-1": full, "plates-2": make_instance("plates-2"), "plates-3": make_instance("plates-3")})
        store.write({"plates-2": None, "never-there": None, "plates-3": make_instance("plates-3", node="node-2")})
    with closing(Store(path)) as store:
        assert store.load() == [full, make_instance("plates-3", node="node-2")]


def test_closing_leaves_one_file(path: Path, make_instance: MakeInstance) -> None:
    with closing(Store(path)) as store:
        store.write({"plates-1": make_instance()})
    assert [file.name for file in path.parent.iterdir()] == ["broker.db"]


def test_a_second_broker_is_kept_off_the_file(path: Path, make_instance: MakeInstance) -> None:
    with closing(Store(path)) as store:
        with pytest.raises(StoreError, match="in use by another broker"):
            Store(path)
        store.write({"plates-1": make_instance()})
    Store(path).close()


@pytest.mark.parametrize("content", [b"no database\n" * 500, b"x", bytes(4096)], ids=["text", "a byte", "zeros"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="nor any SQLite file"):
        Store(path)
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
        Store(path)
    assert refused.value.hint
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with closing(Store(path)) as store:
        assert store.load() == []


def test_a_newer_brokers_store_is_refused(path: Path) -> None:
    _sqlite(path, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match="newer broker"):
        Store(path)


def test_a_truncated_store_is_reported_as_damaged(path: Path, make_instance: MakeInstance) -> None:
    with closing(Store(path)) as store:
        store.write({f"i{n}": make_instance(f"i{n}") for n in range(100)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="is damaged"):
        Store(path)


def test_a_row_that_is_no_instance_is_named(path: Path) -> None:
    Store(path).close()
    _sqlite(path, "INSERT INTO instances VALUES ('odd-1', '{}')")
    with closing(Store(path)) as store, pytest.raises(StoreError, match="'odd-1'"):
        store.load()


def test_a_folder_or_a_file_below_a_file_cannot_be_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "broker.db"):
        with pytest.raises(StoreError) as refused:
            Store(path)
        assert str(path) in str(refused.value)


def test_a_write_that_finds_the_disk_full_changes_nothing(path: Path, make_instance: MakeInstance) -> None:
    with closing(Store(path)) as store:
        store.write({"kept": make_instance("kept")})
        with store._engine.connect() as connection:  # what SQLite does when it can't grow the file
            connection.exec_driver_sql("PRAGMA max_page_count = 4")
        with pytest.raises(StoreError, match="the disk is full"):
            store.write({"kept": None} | {f"i{n}": make_instance(f"i{n}") for n in range(100)})
        assert store.load() == [make_instance("kept")]
        store.write({"kept": make_instance("kept", node="node-2")})
    with closing(Store(path)) as store:
        assert store.load() == [make_instance("kept", node="node-2")]
