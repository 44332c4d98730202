"""Requests that were refused, and how many there were when not all of them were kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "refused_requests",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("refused_at", sa.Text, nullable=False),
        sa.Column("refused_by", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("permission", sa.Text, nullable=False),
        sa.Column("budget_reference", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_refused_requests"),
    )
    for column in ("refused_by", "budget_reference"):
        op.create_index(f"ix_refused_requests_{column}", "refused_requests", [column])
    op.create_table(
        "refused_counts",
        sa.Column("hour", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("hour", "who", name="pk_refused_counts"),
    )
