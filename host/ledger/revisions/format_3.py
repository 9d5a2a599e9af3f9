"""The table of format 3: which events are surely on the database's disk, as each server says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add the table. The number in the head keeps servers of earlier versions out."""
    op.create_table(
        "lasting",
        sa.Column("writer", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.execute("UPDATE head SET format = 3")
