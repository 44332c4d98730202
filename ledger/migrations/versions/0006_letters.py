"""Contact details, letters, and how far the log has been read for letters."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables. What the ledger recorded before they were there makes no letter."""
    op.create_table(
        "contact_details",
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("person_reference", name="pk_contact_details"),
    )
    op.create_table(
        "letters",
        sa.Column("letter_reference", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("budget_reference", sa.Text, nullable=False),
        sa.Column("person_reference", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("payment_reference", sa.Text, nullable=False),
        sa.Column("queued_at", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("sent_at", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("sha256", sa.Text),
        sa.Column("sealed", sa.LargeBinary),
        sa.PrimaryKeyConstraint("letter_reference", name="pk_letters"),
    )
    op.create_index("ix_letters_budget_reference", "letters", ["budget_reference"])
    op.create_index("ix_letters_state", "letters", ["state", "due_at"])
    position = op.create_table(
        "letters_position",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("lines_done", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_letters_position"),
    )
    op.bulk_insert(position, [{"name": "letters", "position": _head(), "lines_done": 0}])


def _head() -> int:
    """The position of the last event, if there is a log already."""
    connection = op.get_bind()
    if not sa.inspect(connection).has_table("stored_events"):
        return 0
    number = "rowid" if connection.dialect.name == "sqlite" else "notification_id"
    events = sa.table("stored_events", sa.column(number, sa.BigInteger))
    return int(connection.execute(sa.select(sa.func.max(events.c[number]))).scalar() or 0)
