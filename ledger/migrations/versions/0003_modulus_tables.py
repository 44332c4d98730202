"""Modulus weight tables: reference data that the council loads, dated, never changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "modulus_tables",
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("effective_from", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("weights", sa.Text, nullable=False),
        sa.Column("substitutions", sa.Text),
        sa.Column("loaded_at", sa.Text, nullable=False),
        sa.Column("loaded_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_modulus_tables"),
    )
