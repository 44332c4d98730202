"""Financial assessments: what people told about their means, sealed, and the working."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "financial_assessments",
        sa.Column("budget_reference", sa.Text, nullable=False),
        sa.Column("assessment_reference", sa.Text, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "budget_reference", "assessment_reference", name="pk_financial_assessments"
        ),
    )
    op.create_index(
        "ix_financial_assessments_person_reference", "financial_assessments", ["person_reference"]
    )
