"""The accounts: close a period, list those closed, the trial balance and what came late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.accounting_periods import ACCOUNTS, ONE_DAY, AccountingPeriods
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.api.budgets import catch_up
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.paging import AfterDay, AfterNumber, Limit, following, page_of
from ledger.api.requests import MOST_ROWS, BodyOf, PeriodAsked, Write, Writing, ledger_of
from ledger.commands import require_keepable
from ledger.dates import Period, day_in_england
from ledger.errors import VersionConflict
from ledger.projections.accounts import (
    accounting_periods,
    prior_period_adjustments,
    trial_balance,
)
from ledger.store import Beside

router = APIRouter(tags=["accounts"])


# --- what is asked and answered -----------------------------------------------------------


class CloseAccounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last day to be closed. With `dry_run` nothing is recorded, not even the key."""

    closed_to: date
    dry_run: bool = False


class ClosedPeriod(msgspec.Struct):
    """Days whose accounts are closed; `starts_on` of the first is null: everything before.

    `position` is the event of the log at which it was closed."""

    starts_on: date | None
    ends_on: date
    closed_at: datetime
    closed_by: str
    position: int


class ClosedPeriods(msgspec.Struct):
    """Closed periods in order; `version` is how many times the accounts were closed. Ask for
    `after` = `next_after` for what follows."""

    version: int
    periods: list[ClosedPeriod]
    next_after: str | None


class AccountTotal(msgspec.Struct):
    """One account over some days; balances are debits less credits.

    `funding_stream` and `cost_centre` are null unless asked for."""

    account: str
    opening_pence: int
    debit_pence: int
    credit_pence: int
    closing_pence: int
    posting_count: int
    funding_stream: str | None = None
    cost_centre: str | None = None


class TrialBalance(msgspec.Struct):
    """Every account over some days, by the day its postings are accounted on.

    Opening and closing balances each add up to nought, and debits are as much as credits."""

    period: Period
    accounts: list[AccountTotal]


class Adjustment(msgspec.Struct):
    """A posting that takes effect before the days it is accounted for in: a debit if positive."""

    budget_reference: str | None
    effective_on: date
    accounted_on: date
    account: str
    funding_stream: str
    cost_centre: str
    amount_pence: int
    recorded_at: datetime
    position: int


class Adjustments(msgspec.Struct):
    """Some of them in the order of the log; ask for `after` = `next_after` for what follows."""

    period: Period
    adjustments: list[Adjustment]
    next_after: int | None


class AccountsClosed(msgspec.Struct):
    """To which day the accounts are closed, or would be if this were no dry run.

    `would_close` is what a dry run would close, account by account, and otherwise null."""

    closed_to: date
    open_from: date
    dry_run: bool
    would_close: list[AccountTotal] | None


# --- questions ----------------------------------------------------------------------------


@router.get("/v1/accounts/periods", summary="List the closed periods",
            **reads(ClosedPeriods, missing=False))  # fmt: skip
@needs("accounts.read")
def closed_periods(request: Request, after: AfterDay = "", limit: Limit = MOST_ROWS) -> Response:
    """Who closed each, when, and at which event of the log."""
    ledger = ledger_of(request)
    catch_up(ledger)
    periods = msgspec.convert(accounting_periods(ledger.engine), list[ClosedPeriod])
    found, next_after = following(periods, lambda p: p.ends_on.isoformat(), after, limit)
    version = len(periods)
    return page_of(request, ClosedPeriods(version, found, next_after), version)


@router.get("/v1/accounts/trial-balance", summary="Show the trial balance of some days",
            **reads(TrialBalance, missing=False))  # fmt: skip
@needs("accounts.read")
def show_trial_balance(
    request: Request,
    period: PeriodAsked,
    by_funding: Annotated[
        bool, Query(description="A row for each funding stream and cost centre.")
    ] = False,
) -> Response:
    """Each account that was ever posted to by then: opening, debits, credits, closing."""
    ledger = ledger_of(request)
    catch_up(ledger)
    rows = trial_balance(ledger.engine, period.starts_on, period.ends_on, by_funding=by_funding)
    return answer(TrialBalance(period, [AccountTotal(**row) for row in rows]))


@router.get("/v1/accounts/adjustments", summary="List what fell in from earlier days",
            **reads(Adjustments, missing=False))  # fmt: skip
@needs("accounts.read")
def adjustments(
    request: Request,
    period: PeriodAsked,
    after: AfterNumber = 0,
    limit: Limit = 100,
) -> Response:
    """Postings accounted for in these days that take effect before the first of them."""
    ledger = ledger_of(request)
    catch_up(ledger)
    rows = prior_period_adjustments(
        ledger.engine, period.starts_on, period.ends_on, after=after, limit=limit + 1
    )
    next_after = after + limit if len(rows) > limit else None
    listed = [
        Adjustment(**{**row, "recorded_at": datetime.fromisoformat(row["recorded_at"])})
        for row in rows[:limit]
    ]
    return page_of(request, Adjustments(period, listed, next_after))


# --- closing ------------------------------------------------------------------------------

_close = BodyOf(CloseAccounts)


@router.post("/v1/accounts/close", summary="Close the accounts to a day",
             **writes(AccountsClosed, CloseAccounts, if_match=True))  # fmt: skip
@needs("accounts.close")
def close(write: Writing) -> Response:
    """Close a period that is over, for good. What is recorded afterwards and takes effect by
    then is accounted for on the day after; nothing is refused. The same day again: no change."""
    body = _close.read(write.body)
    require_keepable(body.closed_to, "closed_to")
    said = write.said(day_in_england(write.recorded_at))
    if body.dry_run:
        return answer(_dry_run(write, body.closed_to, said))
    once = Once(write)
    closed = AccountsClosed(body.closed_to, body.closed_to + ONE_DAY, False, None)

    def decide(periods: AccountingPeriods) -> None:
        once.trying()
        periods.close(closed_to=body.closed_to, **said)

    def row(_periods: AccountingPeriods, _events: Sequence[Recorded]) -> list[Beside]:
        return [once.row(closed)]

    return once.do(
        lambda: write.ledger.change(
            AccountingPeriods,
            ACCOUNTS,
            decide,
            create=True,
            expected_version=write.expected_version,
            beside=row,
        )
    )


def _dry_run(write: Write, closed_to: date, said: Said) -> AccountsClosed:
    """What closing would close; refused exactly where closing would be."""
    ledger = write.ledger
    periods = ledger.find(AccountingPeriods, ACCOUNTS) or AccountingPeriods()
    if write.expected_version not in (None, periods.version):
        raise VersionConflict(
            f"The accounts are at version {periods.version}, not {write.expected_version}.",
            version=periods.version,
        )
    open_from = periods.open_from
    periods.close(closed_to=closed_to, **said)
    catch_up(ledger)
    rows = trial_balance(ledger.engine, open_from, closed_to)
    would_close = [AccountTotal(**row) for row in rows]
    return AccountsClosed(closed_to, closed_to + ONE_DAY, True, would_close)
