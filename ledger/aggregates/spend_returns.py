"""Spend returns: the account a person gives of the money, asked for, sent, queried, accepted."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, Unpack

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.dates import Period
from ledger.errors import (
    InvalidMoney,
    ReferenceUsedForOtherFacts,
    SpendReturnDoesNotAddUp,
    SpendReturnNotExpected,
    SpendReturnNotFound,
)
from ledger.money import format_pounds

ReturnQuery = Literal[
    "evidence_missing", "unagreed_spending", "balance_disagrees", "contribution_not_paid", "other"
]


class SpendReturnRequested(Event):
    """The person was asked to account for a period by a day."""

    return_reference: str
    period: Period
    due_on: date


class SpendReturnSubmitted(Event):
    """The person's figures for the period; opening + money in - spending = closing."""

    return_reference: str
    opening_balance_pence: int
    money_in_pence: int
    spending_pence: int
    closing_balance_pence: int


class SpendReturnQueried(Event):
    """Someone checking the return asked about it, by a coded query."""

    return_reference: str
    query_code: ReturnQuery


class SpendReturnAccepted(Event):
    """The return was accepted."""

    return_reference: str


class SpendReturn(NamedTuple):
    """Where one return stands."""

    period: Period
    due_on: date
    status: Literal["requested", "submitted", "queried", "accepted"]
    submitted: SpendReturnSubmitted | None = None

    def overdue_on(self, day: date) -> bool:
        return self.status in ("requested", "queried") and day > self.due_on


class SpendReturns(CareDecisions):
    """Every return asked of the person."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.spend_returns: dict[str, SpendReturn] = {}

    @command
    def request_spend_return(
        self, *, return_reference: str, period: Period, due_on: date, **said: Unpack[Said]
    ) -> None:
        """Ask the person to account for a period. Allowed after closing: the last return."""
        known = self.spend_returns.get(return_reference)
        if known is not None:
            if (known.period, known.due_on) == (period, due_on):
                return
            raise ReferenceUsedForOtherFacts(
                f"The return {return_reference} was already requested for other dates."
            )
        self._record(
            SpendReturnRequested(
                return_reference=return_reference, period=period, due_on=due_on, **said
            )
        )

    @command
    def submit_spend_return(
        self,
        *,
        return_reference: str,
        opening_balance_pence: int,
        money_in_pence: int,
        spending_pence: int,
        closing_balance_pence: int,
        **said: Unpack[Said],
    ) -> None:
        """Record the person's figures. They may be sent again while the return is queried."""
        self._require_spend_return(return_reference, "requested", "queried")
        if min(money_in_pence, spending_pence) < 0:
            raise InvalidMoney("Money in and spending cannot be less than nothing.")
        worked_out = opening_balance_pence + money_in_pence - spending_pence
        if worked_out != closing_balance_pence:
            raise SpendReturnDoesNotAddUp(
                f"Opening plus money in less spending is {format_pounds(worked_out)}, "
                f"but the closing balance given is {format_pounds(closing_balance_pence)}.",
                worked_out_pence=worked_out,
                given_pence=closing_balance_pence,
            )
        self._record(
            SpendReturnSubmitted(
                return_reference=return_reference,
                opening_balance_pence=opening_balance_pence,
                money_in_pence=money_in_pence,
                spending_pence=spending_pence,
                closing_balance_pence=closing_balance_pence,
                **said,
            )
        )

    @command
    def query_spend_return(
        self, *, return_reference: str, query_code: ReturnQuery, **said: Unpack[Said]
    ) -> None:
        """Ask about a submitted return."""
        self._require_spend_return(return_reference, "submitted")
        self._record(
            SpendReturnQueried(return_reference=return_reference, query_code=query_code, **said)
        )

    @command
    def accept_spend_return(self, *, return_reference: str, **said: Unpack[Said]) -> None:
        """Accept a submitted return."""
        if (
            self._require_spend_return(return_reference, "submitted", "queried", "accepted").status
            == "accepted"
        ):
            return
        self._record(SpendReturnAccepted(return_reference=return_reference, **said))

    def _require_spend_return(self, return_reference: str, *statuses: str) -> SpendReturn:
        known = self.spend_returns.get(return_reference)
        if known is None:
            raise SpendReturnNotFound(f"{self.reference} has no spend return {return_reference}.")
        if known.status not in statuses:
            raise SpendReturnNotExpected(f"The return {return_reference} is {known.status}.")
        return known

    @applies(SpendReturnRequested)
    def _spend_return_requested(self, event: SpendReturnRequested) -> None:
        self.spend_returns[event.return_reference] = SpendReturn(
            event.period, event.due_on, "requested"
        )

    @applies(SpendReturnSubmitted)
    def _spend_return_submitted(self, event: SpendReturnSubmitted) -> None:
        self._spend_return_now(event.return_reference, status="submitted", submitted=event)

    @applies(SpendReturnQueried)
    def _spend_return_queried(self, event: SpendReturnQueried) -> None:
        self._spend_return_now(event.return_reference, status="queried")

    @applies(SpendReturnAccepted)
    def _spend_return_accepted(self, event: SpendReturnAccepted) -> None:
        self._spend_return_now(event.return_reference, status="accepted")

    def _spend_return_now(self, return_reference: str, **changes: object) -> None:
        known = self.spend_returns[return_reference]
        self.spend_returns[return_reference] = known._replace(**changes)  # type: ignore[arg-type]
