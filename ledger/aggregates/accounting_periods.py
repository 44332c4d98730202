"""Accounting periods: closed in order, once over, and never opened again.

Nothing is refused because a period is closed. What is recorded after a close falls on the first
open day, however early it takes effect: the order of the log alone decides.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar, Unpack

from ledger.aggregates.event_sourced import Event, EventSourced, Said, applies, register
from ledger.dates import day_in_england
from ledger.errors import AccountingPeriodAlreadyClosed, AccountingPeriodNotOver

ONE_DAY = timedelta(days=1)
ACCOUNTS = "accounts"
"""The one reference there is: a council has one set of accounts."""


class AccountingPeriodClosed(Event):
    """The accounts are closed to a day, that day included; their figures then stay as they are.

    What is recorded later and takes effect earlier is accounted for on the day after."""

    reference: str
    closed_to: date


class AccountingPeriods(EventSourced):
    """To which day the council's accounts are closed."""

    STREAM: ClassVar[str] = "accounting-periods"

    def __init__(self, reference: str = ACCOUNTS) -> None:
        super().__init__(reference)
        self.closed_to: date | None = None

    @property
    def open_from(self) -> date:
        """The first day that is not closed; `date.min` if every day is open."""
        return date.min if self.closed_to is None else self.closed_to + ONE_DAY

    def close(self, *, closed_to: date, **said: Unpack[Said]) -> None:
        """Close the accounts to a day that is over in England; the same day again: no change.

        Raises `AccountingPeriodAlreadyClosed` for a day before what is closed already, and
        `AccountingPeriodNotOver` for the day it is recorded or a later one.
        """
        if closed_to == self.closed_to:
            return
        if self.closed_to is not None and closed_to < self.closed_to:
            raise AccountingPeriodAlreadyClosed(
                f"The accounts are closed to {self.closed_to}, which is after {closed_to}.",
                closed_to=self.closed_to.isoformat(),
            )
        today = day_in_england(said["recorded_at"])
        if closed_to >= today:
            raise AccountingPeriodNotOver(
                f"It is {today}; the accounts can be closed to a day before that, "
                f"not to {closed_to}.",
                closed_to=closed_to.isoformat(),
            )
        self._record(AccountingPeriodClosed(reference=self.reference, closed_to=closed_to, **said))

    @applies(AccountingPeriodClosed)
    def _accounting_period_closed(self, event: AccountingPeriodClosed) -> None:
        self.closed_to = event.closed_to


register(AccountingPeriods.STREAM, {"closed.v1": AccountingPeriodClosed})
