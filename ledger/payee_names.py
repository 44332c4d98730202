"""Asking whose account it is, and the names that banks gave back, sealed under the person's key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payees import PayeeType
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.bank.confirmation_of_payee import ConfirmationOfPayee, NameEnquiry, NameReply
from ledger.durable import people as people_table
from ledger.durable import returned_names
from ledger.keyring import place
from ledger.people import PayeeDetails, People, Row, moment_text
from ledger.private import Private
from ledger.store import Beside

_PLACE = "returned_names.sealed"


class ReturnedName(Private, frozen=True):
    """A name that is on an account, and who gave it."""

    name: str
    checked_with: str


class PayeeNames:
    """Asks the service, builds the rows of returned names and reads them. It writes nothing."""

    def __init__(self, people: People, service: ConfirmationOfPayee | None) -> None:
        self.people = people
        self.service = service

    def ask(self, details: PayeeDetails, payee_type: PayeeType) -> NameReply | None:
        """Ask whether the account is in its name; None where no service is set.

        This waits for others: it is done before anything is recorded, never in between.
        """
        if self.service is None:
            return None
        return self.service.ask(
            NameEnquiry(
                sort_code=details.sort_code,
                account_number=details.account_number,
                account_name=details.account_name,
                account_kind="business" if payee_type == "managed_account" else "personal",
                roll_number=details.roll_number,
            )
        )

    @staticmethod
    def tell(
        budget: PersonalBudget, payee_reference: str, reply: NameReply | None, said: Said
    ) -> None:
        """Record on a budget what was answered, if anyone was asked."""
        if reply is not None:
            budget.check_payee_name(
                payee_reference=payee_reference,
                answer=reply.answer,
                checked_with=reply.checked_with,
                **said,
            )

    def kept(self, payee: PayeeDetails, reply: NameReply | None, at: datetime) -> list[Beside]:
        """The row that keeps a name which came back, if one did. Raises `PersonUnknown`."""
        rows: list[Row] = []
        if reply is not None and reply.name:
            person, moment = payee.person_reference, moment_text(at)
            bound_to = place(_PLACE, payee.payee_reference, moment, person, reply.checked_with)
            key = self.people.keys({person})[person]
            rows.append(
                {
                    "payee_reference": payee.payee_reference,
                    "recorded_at": moment,
                    "person_reference": person,
                    "checked_with": reply.checked_with,
                    "sealed": self.people.keyring.seal(key, reply.name.encode(), bound_to),
                }
            )
        return [Beside("returned_names", rows, ignore_existing=True)]

    def returned(self, payee_reference: str) -> ReturnedName | None:
        """The name that came back last for these details, if one ever did and can be read."""
        found = self.every_returned(payee_reference)
        return found[-1] if found else None

    def every_returned(self, payee_reference: str) -> list[ReturnedName]:
        """Every name that ever came back for these details and can be read, the oldest first."""
        t = returned_names
        query = (
            select(t, people_table.c.wrapped_key)
            .join(people_table, people_table.c.person_reference == t.c.person_reference)
            .where(t.c.payee_reference == payee_reference)
            .order_by(t.c.recorded_at)
        )
        with self.people.engine.connect() as connection:
            return [self._opened(row) for row in connection.execute(query)]

    def _opened(self, row: Any) -> ReturnedName:
        key = self.people.keyring.unwrap(row.wrapped_key, row.person_reference)
        bound_to = place(
            _PLACE, row.payee_reference, row.recorded_at, row.person_reference, row.checked_with
        )
        name = self.people.keyring.open(key, row.sealed, bound_to).decode()
        return ReturnedName(name, row.checked_with)
