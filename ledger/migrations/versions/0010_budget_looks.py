"""Who from outside the council saw how a budget stands, and checks that found nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "budget_looks",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("budget_reference", sa.Text, nullable=False),
        sa.Column("looked_at", sa.Text, nullable=False),
        sa.Column("looked_by", sa.Text, nullable=False),
        sa.Column("organisation_reference", sa.Text, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_budget_looks"),
    )
    op.create_index("ix_budget_looks_budget_reference", "budget_looks", ["budget_reference"])
    op.create_index("ix_budget_looks_looked_by", "budget_looks", ["looked_by", "looked_at"])
