"""Records of every kind in one table, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Move the instances over."""
    op.create_table(
        "records",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("body", sa.Text),
    )
    op.execute("INSERT INTO records (kind, id, body) SELECT 'instance', id, document FROM instances")
    op.drop_table("instances")
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # By these a broker finds what others have changed since it last looked; see postgres.py.
        op.execute("ALTER TABLE records ADD COLUMN changed_by xid8 NOT NULL DEFAULT pg_current_xact_id()")
        op.execute("ALTER TABLE records ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp()")
        op.execute("ALTER TABLE records ADD COLUMN writer text NOT NULL DEFAULT ''")
        op.execute("CREATE INDEX records_changed_by ON records (changed_by)")
