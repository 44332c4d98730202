"""Who fetched a file that shows accounts in full: a bank file, or a bank's report."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "file_looks",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("looked_at", sa.Text, nullable=False),
        sa.Column("looked_by", sa.Text, nullable=False),
        sa.Column("door", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("submission_serial", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_file_looks"),
    )
    op.create_index("ix_file_looks_reference", "file_looks", ["reference"])
