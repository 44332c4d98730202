"""The first durable tables: people, payee details, bank files, idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "people",
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("name_sealed", sa.LargeBinary, nullable=False),
        sa.Column("date_of_birth_sealed", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("person_reference", name="pk_people"),
    )
    op.create_table(
        "payee_details",
        sa.Column("payee_reference", sa.Text, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("payee_reference", name="pk_payee_details"),
    )
    op.create_index("ix_payee_details_person_reference", "payee_details", ["person_reference"])
    op.create_index("ix_payee_details_fingerprint", "payee_details", ["fingerprint"])
    op.create_table(
        "bank_files",
        sa.Column("service_user_number", sa.Text, nullable=False),
        sa.Column("submission_serial", sa.Text, nullable=False),
        sa.Column("cycle_reference", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("service_user_number", "submission_serial", name="pk_bank_files"),
        sa.UniqueConstraint("cycle_reference", name="uq_bank_files_cycle_reference"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_sha256", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
    )
