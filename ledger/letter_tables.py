"""The durable tables of letters: how people are written to, what was sent, how far the log is read.

`letters` has a row for each letter: the event it tells of, where it stands, and the letter as it
was really sent, sealed under its person's key. `letters_position` has one row: the last event
that was read for letters, and how many lines of a cycle after it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from ledger.durable import durable

contact_details = Table(
    "contact_details",
    durable,
    Column("person_reference", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
)

letters = Table(
    "letters",
    durable,
    Column("letter_reference", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("budget_reference", Text, nullable=False, index=True),
    Column("person_reference", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("payment_reference", Text, nullable=False),
    Column("queued_at", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("channel", Text),
    Column("attempts", Integer, nullable=False),
    Column("fault", Text),
    Column("sent_at", Text),
    Column("provider_id", Text),
    Column("sha256", Text),
    Column("sealed", LargeBinary),
    Index("ix_letters_state", "state", "due_at"),
)

letters_position = Table(
    "letters_position",
    durable,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("lines_done", Integer, nullable=False),
)
