"""Personal budgets: the register, where one stands, its history and its balances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Table, select

from ledger.access.guard import needs
from ledger.aggregates.care_decisions import AgreementSigned
from ledger.aggregates.clawbacks import Clawback, Deduction
from ledger.aggregates.event_sourced import Event, stream_id
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.spend_returns import SpendReturn
from ledger.api.idempotency import answer
from ledger.api.openapi import reads
from ledger.api.paging import AfterReference, Limit, page_of
from ledger.api.payees import ProposedPayee, shown_payee
from ledger.api.recorded_events import RecordedEvent, recorded_events
from ledger.api.requests import MOST_ROWS, AsOf, AsOfAsked, ledger_of, today
from ledger.api.suspensions import (
    ResumptionEntry,
    Suspension,
    resumptions_shown,
    suspensions_shown,
)
from ledger.application import Ledger
from ledger.dates import Period
from ledger.entitlement import EntitlementLine
from ledger.errors import BudgetNotFound, ReadTablesOutOfDate
from ledger.projections.balances import balances_of
from ledger.projections.registers import Budgets, suspensions_in
from ledger.terms import AllocationTerm, Channel

router = APIRouter(tags=["budgets"])
AfterVersion = Annotated[int, Query(ge=0, le=10**9, description="Begin after this version.")]


# --- what is answered ---------------------------------------------------------------------


class BudgetHistory(msgspec.Struct):
    """Events of a budget in the order in which they were recorded; ask for `after` = `next_after`
    for what follows."""

    reference: str
    on: date | None
    known_at: datetime | None
    events: list[RecordedEvent]
    next_after: int | None


class BudgetEntry(msgspec.Struct):
    """A budget's row in the register; `suspensions` are those that are not over by today."""

    reference: str
    recipient_reference: str
    legal_basis: str
    primary_support_reason: str
    opened_on: date
    closed_on: date | None
    offer_outcome: str | None
    agreement_version: str | None
    payee_reference: str | None
    suspensions: list[Suspension]
    paid_to: date | None
    last_payment_reference: str | None
    last_payment_pence: int | None
    fund_provider_reference: str | None
    version: int


class BudgetRegister(msgspec.Struct):
    """Part of the register by reference; ask for `after` = `next_after` for what follows."""

    budgets: list[BudgetEntry]
    next_after: str | None


class BudgetBalance(msgspec.Struct):
    """What stands on each of a budget's accounts: debits positive, credits negative, in pence.

    `accounts` adds up to nought. An account that nothing was ever posted to is absent."""

    reference: str
    on: date | None
    known_at: datetime | None
    accounts: dict[str, int]


class HeldBack(msgspec.Struct):
    """A gate that stands between the budget and a payment: the refusal it would meet."""

    code: str
    sentence: str


class Due(msgspec.Struct):
    """What would be paid for all days up to `to` that were not paid before.

    `amount_pence` is what is owed less `deducted_pence` (instalments of clawback). While
    anything is in `held_back_by`, nothing is paid."""

    to: date
    owed_pence: int
    deducted_pence: int
    amount_pence: int
    lines: list[EntitlementLine]
    held_back_by: list[HeldBack]


class ServiceFund(msgspec.Struct):
    """The individual service fund: who holds it (null: nobody is named yet), the first day that
    is paid into it, and what is due."""

    provider_reference: str | None
    paid_from: date | None
    due: Due


class PaymentEntry(msgspec.Struct):
    """One payment and where it stands; `deductions` say what was taken for each clawback. Where
    a provider is paid, it is part of the credit with the `bulk_reference`."""

    payment_reference: str
    cycle_reference: str
    payee_reference: str
    period: Period
    pay_on: date
    amount_pence: int
    deducted_pence: int
    status: str
    channel: Channel
    provider_reference: str
    bulk_reference: str
    deductions: tuple[Deduction, ...]


class SpendReturnEntry(msgspec.Struct):
    """One spend return; the figures are null until the person has sent them."""

    return_reference: str
    period: Period
    due_on: date
    status: str
    overdue: bool
    opening_balance_pence: int | None
    money_in_pence: int | None
    spending_pence: int | None
    closing_balance_pence: int | None


class ClawbackEntry(msgspec.Struct):
    """One clawback and where it stands."""

    clawback_reference: str
    standing: Clawback


class Contribution(msgspec.Struct):
    """The most that the person is charged a week from a day on; with `full_cost`, all of it.

    `order` is the order of deployments it is set against; none: only lines paid to a payee."""

    starts_on: date
    weekly_pence: int
    basis: str
    full_cost: bool
    order: tuple[str, ...]
    assessment_reference: str


class Budget(msgspec.Struct):
    """Where a budget stands: all that is known of it, and the terms in force on `on`."""

    reference: str
    version: int
    on: date
    known_at: datetime | None
    recipient_reference: str
    legal_basis: str
    primary_support_reason: str
    opened_on: date
    paid_elsewhere_to: date | None
    closed_on: date | None
    offer_outcome: str | None
    agreement_version: str | None
    return_frequency: str | None
    payee: ProposedPayee | None
    proposed_payees: list[ProposedPayee]
    weekly_budget_pence: int
    allocations: list[AllocationTerm]
    contribution: Contribution | None
    suspensions: list[Suspension]
    resumptions_proposed: list[ResumptionEntry]
    due: Due
    service_fund: ServiceFund | None
    payments: list[PaymentEntry]
    spend_returns: list[SpendReturnEntry]
    clawbacks: list[ClawbackEntry]
    deduction_cap_pence: int | None


# --- routes -------------------------------------------------------------------------------


@router.get("/v1/budgets", summary="List the budgets", **reads(BudgetRegister, missing=False))
@needs("budgets.find")
def list_budgets(
    request: Request,
    after: AfterReference = "",
    limit: Limit = 100,
) -> Response:
    """The register of budgets, in order of reference."""
    rows, next_after = register_page(ledger_of(request), Budgets.table, after, limit)
    for row in rows:
        row["suspensions"] = suspensions_shown(suspensions_in(row["suspensions"], today()))
    entries = [BudgetEntry(**row) for row in rows]
    return page_of(request, BudgetRegister(entries, next_after))


@router.get("/v1/budgets/{reference:reference}/history", summary="Read out the history",
            **reads(BudgetHistory))  # fmt: skip
@needs("budgets.read")
def budget_history(
    request: Request,
    reference: str,
    as_of: AsOfAsked,
    after: AfterVersion = 0,
    limit: Limit = MOST_ROWS,
) -> Response:
    """Every event in plain English: what took effect by `on`, as known at `known_at`."""
    history = list(ledger_of(request).history(PersonalBudget, reference))
    if not history:
        raise BudgetNotFound(f"There is no personal budget {reference}.")
    asked = [h for h in history if h.originator_version > after and _is_within(h.event, as_of)]
    events = list(recorded_events(asked[:limit]))
    next_after = events[-1].version if len(asked) > limit else None
    return page_of(request, BudgetHistory(reference, as_of.on, as_of.known_at, events, next_after))


@router.get("/v1/budgets/{reference:reference}/balance", summary="Show the balances",
            **reads(BudgetBalance))  # fmt: skip
@needs("budgets.read")
def budget_balance(request: Request, reference: str, as_of: AsOfAsked) -> Response:
    """The accounts as of the end of `on` and as known at `known_at`; now, if neither is given."""
    ledger = ledger_of(request)
    catch_up(ledger)
    stream = stream_id(PersonalBudget.STREAM, reference)
    table = Budgets.table
    with ledger.engine.connect() as connection:
        known = connection.execute(select(table.c.reference).where(table.c.stream == stream.hex))
        if known.one_or_none() is None:
            raise BudgetNotFound(f"There is no personal budget {reference}.")
    accounts = balances_of(ledger.engine, stream.hex, as_of.on, as_of.known_at)
    return answer(BudgetBalance(reference, as_of.on, as_of.known_at, accounts))


@router.get("/v1/budgets/{reference:reference}", summary="Show a budget", **reads(Budget))
@needs("budgets.read")
def show_budget(request: Request, reference: str, as_of: AsOfAsked) -> Response:
    """Where the budget stands, as known at `known_at`, with the terms in force on `on` (today,
    if not given) and what is due for the days up to it."""
    ledger = ledger_of(request)
    budget = ledger.budget(reference, as_of.known_at)
    accounts = ledger.people.shown(payee.payee_reference for payee in budget.own_payees)
    shown = _budget(budget, accounts, as_of.on or today(), as_of.known_at)
    return answer(shown, version=None if as_of.known_at else budget.version)


# --- how it is put together ---------------------------------------------------------------


def catch_up(ledger: Ledger) -> None:
    """Bring the read tables up to the last event, so that an answer is never behind a change."""
    status = ledger.projections.status()
    if status.out_of_date:
        raise ReadTablesOutOfDate()
    if status.position < status.head:
        ledger.projections.catch_up()


def register_page(
    ledger: Ledger, table: Table, after: str, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a register after a reference, and the reference to go on from, if any."""
    catch_up(ledger)
    columns = [column for column in table.columns if column.name != "stream"]
    query = select(*columns).where(table.c.reference > after).order_by(table.c.reference)
    with ledger.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query.limit(limit + 1)).mappings()]
    return rows[:limit], rows[limit - 1]["reference"] if len(rows) > limit else None


def _is_within(event: Event, as_of: AsOf) -> bool:
    return (as_of.on is None or event.effective_on <= as_of.on) and (
        as_of.known_at is None or event.recorded_at <= as_of.known_at
    )


def _budget(
    budget: PersonalBudget, accounts: Mapping[str, str], on: date, known_at: datetime | None
) -> Budget:
    opened, closed = budget.opened, budget.closed
    assert opened is not None, "a loaded budget has been opened"
    agreement: AgreementSigned | None = budget.agreement
    return Budget(
        reference=budget.reference,
        version=budget.version,
        on=on,
        known_at=known_at,
        recipient_reference=opened.recipient_reference,
        legal_basis=opened.legal_basis,
        primary_support_reason=opened.primary_support_reason,
        opened_on=opened.effective_on,
        paid_elsewhere_to=opened.paid_elsewhere_to,
        closed_on=closed.effective_on if closed else None,
        offer_outcome=budget.offer_outcome,
        agreement_version=agreement.template_version if agreement else None,
        return_frequency=agreement.return_frequency if agreement else None,
        payee=shown_payee(budget.payee, accounts) if budget.payee else None,
        proposed_payees=[shown_payee(p, accounts) for p in budget.proposed_payees.values()],
        weekly_budget_pence=budget.weekly_budget_pence(on),
        allocations=budget.lines_in_force(on),
        contribution=_contribution(budget, on),
        suspensions=suspensions_shown(t for t in budget.suspensions if t.in_force_on(on)),
        resumptions_proposed=resumptions_shown(budget),
        due=_due(budget, on, "direct_payment"),
        service_fund=_service_fund(budget, on) if budget.has_service_fund else None,
        payments=[_payment(budget, *item) for item in budget.payments.items()],
        spend_returns=[_spend_return(*item, on) for item in budget.spend_returns.items()],
        clawbacks=[ClawbackEntry(*item) for item in budget.clawbacks.items()],
        deduction_cap_pence=budget.deduction_cap_pence,
    )


def _contribution(budget: PersonalBudget, on: date) -> Contribution | None:
    term = budget.contribution_on(on)
    return Contribution(*term) if term else None


def _service_fund(budget: PersonalBudget, on: date) -> ServiceFund:
    named, due = budget.fund_provider or None, _due(budget, on, "service_fund")
    return ServiceFund(named, budget.funded_from if named else None, due)


def _due(budget: PersonalBudget, on: date, channel: Channel) -> Due:
    period = Period(on, on)
    due = budget.payment_due(period, channel)
    gates = budget.failed_gates(period, on, channel=channel)
    return Due(
        to=on,
        owed_pence=due.owed_pence,
        deducted_pence=due.deducted_pence,
        amount_pence=due.amount_pence,
        lines=list(due.lines),
        held_back_by=[HeldBack(r.code, str(r)) for r in gates],
    )


def _payment(budget: PersonalBudget, reference: str, payment: Any) -> PaymentEntry:
    known = {name: getattr(payment, name) for name in PaymentEntry.__struct_fields__[1:-1]}
    taken = budget.deductions_from(reference)
    return PaymentEntry(payment_reference=reference, **known, deductions=taken)


def _spend_return(reference: str, spend_return: SpendReturn, on: date) -> SpendReturnEntry:
    period, due_on, status, sent = spend_return
    figures = SpendReturnEntry.__struct_fields__[5:]
    return SpendReturnEntry(
        reference,
        period,
        due_on,
        status,
        spend_return.overdue_on(on),
        *(getattr(sent, figure, None) for figure in figures),
    )
