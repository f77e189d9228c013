"""Instances alone, as the first broker kept them, before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless that first broker did."""
    if not sa.inspect(op.get_bind()).has_table("instances"):
        op.create_table(
            "instances",
            sa.Column("id", sa.String(64), primary_key=True),
            sa.Column("document", sa.Text, nullable=False),
        )
