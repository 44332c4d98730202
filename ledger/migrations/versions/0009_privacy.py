"""What few may see, who looked at people, legal holds, and who was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "restricted_facts",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("budget_reference", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_restricted_facts"),
    )
    op.create_table(
        "person_looks",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("looked_at", sa.Text, nullable=False),
        sa.Column("looked_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_person_looks"),
    )
    op.create_table(
        "legal_holds",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_release", sa.Boolean, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_legal_holds"),
    )
    for table in ("restricted_facts", "person_looks", "legal_holds"):
        op.create_index(f"ix_{table}_person_reference", table, ["person_reference"])
    op.create_table(
        "erasures",
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("erased_at", sa.Text, nullable=False),
        sa.Column("erased_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("person_reference", name="pk_erasures"),
    )
