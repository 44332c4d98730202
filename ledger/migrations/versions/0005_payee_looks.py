"""Who looked at payees' details, and the names that banks gave back, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "returned_names",
        sa.Column("payee_reference", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("checked_with", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("payee_reference", "recorded_at", name="pk_returned_names"),
    )
    op.create_index("ix_returned_names_person_reference", "returned_names", ["person_reference"])
    op.create_table(
        "payee_looks",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("payee_reference", sa.Text, nullable=False),
        sa.Column("looked_at", sa.Text, nullable=False),
        sa.Column("looked_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_payee_looks"),
    )
    op.create_index("ix_payee_looks_payee_reference", "payee_looks", ["payee_reference"])
