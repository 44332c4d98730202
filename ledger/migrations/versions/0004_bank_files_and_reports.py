"""A cycle may have several bank files, one after another; and the reports that banks send back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A file that the bank refused keeps its row beside the one made anew."""
    with op.batch_alter_table("bank_files") as bank_files:
        bank_files.drop_constraint("uq_bank_files_cycle_reference", type_="unique")
    op.create_index("ix_bank_files_cycle_reference", "bank_files", ["cycle_reference"])
    op.create_table(
        "bank_reports",
        sa.Column("report_reference", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("report_reference", name="pk_bank_reports"),
    )
