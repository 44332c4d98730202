"""Providers and their accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "provider_details",
        sa.Column("provider_reference", sa.Text, nullable=False),
        sa.Column("name_sealed", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("provider_reference", name="pk_provider_details"),
    )
    op.create_table(
        "provider_accounts",
        sa.Column("account_reference", sa.Text, nullable=False),
        sa.Column("provider_reference", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account_reference", name="pk_provider_accounts"),
    )
    for column in ("provider_reference", "fingerprint"):
        op.create_index(f"ix_provider_accounts_{column}", "provider_accounts", [column])
