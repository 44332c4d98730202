"""The durable tables of privacy: what few may see, who looked, legal holds, and who was erased.

`restricted_facts` is sealed under the person's key. Of a legal hold and of an erasure nothing is
ever changed or deleted: a release is a row of its own.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, LargeBinary, Table, Text

from ledger.durable import durable

restricted_facts = Table(
    "restricted_facts",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("budget_reference", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
)

person_looks = Table(
    "person_looks",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("what", Text, nullable=False),
    Column("looked_at", Text, nullable=False),
    Column("looked_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

legal_holds = Table(
    "legal_holds",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("is_release", Boolean, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
)

erasures = Table(
    "erasures",
    durable,
    Column("person_reference", Text, primary_key=True),
    Column("erased_at", Text, nullable=False),
    Column("erased_by", Text, nullable=False),
)
