"""Brings a database's tables up to this broker's, whichever earlier broker made them.

The caller holds the lock that keeps other brokers out meanwhile: SQLite's exclusive lock, PostgreSQL's advisory one.
"""

from importlib.resources import files
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ..errors import StoreError


def migrate(connection: Connection, name: str) -> None:
    """Upgrade within the connection's transaction: all of it or nothing.

    Raises:
        StoreError: a newer broker has been at it.
    """
    config = Config()
    config.set_main_option("script_location", str(files(__package__) / "migrations"))
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script) as environment:
        environment.configure(connection=connection, fn=lambda current, _: _steps(script, current, name))
        environment.run_migrations()


def _steps(script: ScriptDirectory, current: Any, name: str) -> list[Any]:
    known = {revision.revision for revision in script.walk_revisions()}
    found = (current,) if isinstance(current, str) else tuple(current)
    if unknown := set(found) - known:
        raise StoreError(
            f"{name} was written by a newer broker (schema {', '.join(unknown)})",
            hint="update this one, or choose another with --store",
        )
    return script._upgrade_revs("head", current)  # noqa: SLF001 - what alembic.command.upgrade calls
