"""Fetching a file that shows accounts in full: each fetch is recorded before a byte is handed over.

A bank file holds the account of everyone it pays, and a bank's report those it is about. A fetch
is one look, whatever the file holds. It is no event: it changes nothing, and is kept in a table of
its own that the application may add to and not change. Making a bank file is no fetch: the cycle's
own history says who issued it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import LargeBinary, func, select

from ledger.aggregates.cycle_events import CycleIssued
from ledger.application import Ledger
from ledger.durable import bank_files, file_looks
from ledger.errors import BankFileErased, CycleNotIssued
from ledger.keyring import place
from ledger.people import moment_text
from ledger.projections.registers import Budgets, Payments
from ledger.store import Beside

BYTES_AT_A_TIME = 4_000_000

FileKept = Literal["bank_file", "bank_report"]
Door = Literal["command_line", "api", "site", "issued_again"]
"""Through which door a file went out; `issued_again`: asked to issue once more, the ledger wrote
it to the folder of bank files, or to another, again."""


class FileLook(NamedTuple):
    """Who fetched which file, when (ISO 8601 in UTC) and through which door.

    `reference` is that of the bank file's cycle, or of the bank's report; a report has no serial.
    `number` is their order."""

    number: int
    looked_at: str
    looked_by: str
    door: Door
    file: FileKept
    reference: str
    submission_serial: str


def file_look(issued: CycleIssued, door: Door, looked_at: datetime, looked_by: str) -> Beside:
    """The look at a cycle's bank file, to be saved before its bytes go out."""
    return _look("bank_file", issued.reference, issued.submission_serial, door, looked_at,
                 looked_by)  # fmt: skip


def report_look(reference: str, door: Door, looked_at: datetime, looked_by: str) -> Beside:
    """The look at a bank's report, likewise."""
    return _look("bank_report", reference, "", door, looked_at, looked_by)


def _look(
    file: FileKept, reference: str, serial: str, door: Door, looked_at: datetime, looked_by: str
) -> Beside:
    row = {
        "looked_at": moment_text(looked_at),
        "looked_by": looked_by,
        "door": door,
        "file": file,
        "reference": reference,
        "submission_serial": serial,
    }
    return Beside("file_looks", [row])


def fetch_bank_file(
    ledger: Ledger, issued: CycleIssued, *, door: Door, looked_at: datetime, looked_by: str
) -> bytes:
    """Record a look, then give the file that was issued. Raises `BankFileErased`, and then nobody
    looked."""
    content = bank_file(ledger, issued.reference, issued.submission_serial)
    ledger.append([], [file_look(issued, door, looked_at, looked_by)])
    return content


def bank_file(ledger: Ledger, reference: str, submission_serial: str | None = None) -> bytes:
    """The very bytes of the file issued last for a cycle, or of the one with a serial; for the
    ledger itself, which proves them: whoever hands them to somebody records a look.

    Raises `CycleNotIssued`, and `BankFileErased` once its time is over.
    """
    c = bank_files.c
    query = select(c.service_user_number, c.submission_serial, c.sha256, func.length(c.sealed))
    query = query.where(c.cycle_reference == reference).order_by(c.submission_serial.desc())
    if submission_serial is not None:
        query = query.where(c.submission_serial == submission_serial)
    with ledger.engine.connect() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
        if row is None:
            raise CycleNotIssued(f"No bank file has been issued for {reference}.")
        number, serial, sha256, size = row
        if size == 0:
            raise BankFileErased(f"The bank file of {reference} is kept no more.")
        this = (c.service_user_number == number) & (c.submission_serial == serial)
        # In pieces: PostgreSQL sends two characters for a byte, and its driver holds them twice.
        pieces = [
            func.substr(c.sealed, start, BYTES_AT_A_TIME, type_=LargeBinary)
            for start in range(1, size + 1, BYTES_AT_A_TIME)
        ]
        sealed = b"".join(
            connection.execute(select(piece).where(this)).scalar_one() for piece in pieces
        )
    content = ledger.keyring.open(
        ledger.keyring.file_key, sealed, place("bank_files.sealed", reference)
    )
    assert hashlib.sha256(content).hexdigest() == sha256, "sealed bytes cannot change"
    return content


def file_looks_at(
    ledger: Ledger,
    *,
    reference: str | None = None,
    payee_reference: str | None = None,
    budget_reference: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[FileLook]:
    """The fetches of the files of a cycle or report, of bank files that pay a payee or a budget,
    or of all files; oldest first.

    Whose account a bank's report is about is not known here. Raises `BudgetNotFound`.
    """
    t, p, b = file_looks.c, Payments.table.c, Budgets.table.c
    query = select(file_looks).where(t.number > after).order_by(t.number).limit(limit)
    if reference is not None:
        query = query.where(t.reference == reference)
    if payee_reference is not None or budget_reference is not None:
        ledger.projections.catch_up()
        query = query.where(t.file == "bank_file")
    if payee_reference is not None:
        paid = select(p.cycle_reference).where(p.payee_reference == payee_reference)
        query = query.where(t.reference.in_(paid))
    if budget_reference is not None:
        ledger.budget(budget_reference)
        stream = select(b.stream).where(b.reference == budget_reference).scalar_subquery()
        query = query.where(t.reference.in_(select(p.cycle_reference).where(p.stream == stream)))
    with ledger.engine.connect() as connection:
        return [FileLook(*row) for row in connection.execute(query)]
