"""The client contribution over time: assessed, taken off payments or invoiced, and received.

A weekly contribution is either stated (`assess_contribution`) or comes from a financial
assessment (`assess_finances`), whose facts and working are sealed apart from the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, Unpack, get_args

import msgspec

from ledger.aggregates.allocations import Allocations
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, charges, due
from ledger.errors import (
    AfterBudgetClosed,
    BeforeBudgetOpened,
    ContributionExceedsDebt,
    ContributionOrderIncomplete,
    InvalidMoney,
    InvalidValue,
    ReferenceUsedForOtherFacts,
)
from ledger.money import format_pounds
from ledger.terms import ContributionBasis, ContributionTerm, Deployment

AssessmentOutcome = Literal["assessed", "full_cost", "free"]
ArrearsRecovery = Literal["net_off", "weekly_cap", "invoice"]
"""How a contribution found to be higher for days already paid comes back: off the next
payments, off them by no more than so much a week, or by an invoice at once."""


class ContributionAssessed(Event):
    """The person's weekly contribution from `effective_on`, net or gross of the payment."""

    weekly_pence: int
    basis: ContributionBasis
    full_cost: bool = False
    order: tuple[Deployment, ...] = ()


class AssessedTerm(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What can be charged from a day on: at most so much a week, or the full cost."""

    starts_on: date
    weekly_pence: int
    full_cost: bool = False


class FinancesAssessed(Event):
    """A financial assessment: what can be charged from `effective_on` until the next one.

    It replaces every term from its own day on. The facts and the working are sealed under the
    person's key; `document_sha256` proves which they were. `decided_on` is the day of the
    decision, which may be long after the day it takes effect."""

    assessment_reference: str
    decided_on: date
    outcome: AssessmentOutcome
    terms: tuple[AssessedTerm, ...]
    basis: ContributionBasis
    order: tuple[Deployment, ...] = ()
    recovery: ArrearsRecovery = "net_off"
    weekly_cap_pence: int = 0
    provisional: bool = False
    document_sha256: str = ""


class ContributionInvoiced(Event):
    """The person was charged: contributions invoiced for days up to the period's end.

    Lines of the kind "charge" are what is invoiced as it falls due; lines of the kind
    "contribution" are arrears of payments already made, which no payment is reduced for."""

    invoice_reference: str
    period: Period
    lines: tuple[EntitlementLine, ...]
    amount_pence: int


class ContributionCredited(Event):
    """Invoices turned out too high: the person owes this much less."""

    invoice_reference: str
    period: Period
    lines: tuple[EntitlementLine, ...]
    amount_pence: int


class ContributionReceived(Event):
    """The person paid some or all of what was invoiced."""

    receipt_reference: str
    amount_pence: int


class Contributions(Allocations):
    """What the person contributes, and what they owe of it."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.assessments: dict[str, FinancesAssessed] = {}
        self.recovery_weekly_cap_pence = 0
        self.charged_lines: list[EntitlementLine] = []
        self.invoices: dict[str, ContributionInvoiced | ContributionCredited] = {}
        self.contribution_receipts: dict[str, int] = {}
        self.contribution_debt_pence = 0

    def contribution_on(self, on: date) -> ContributionTerm | None:
        """The contribution in force on a day, if one has been assessed."""
        in_force = [term for term in self.contributions if term.starts_on <= on]
        return in_force[-1] if in_force else None

    def charges_due(self, period: Period) -> list[EntitlementLine]:
        """What is to be invoiced to the end of a period, and credited, after all invoices."""
        return due(self.terms, self.charged_lines, period, worked_out=charges)

    @command
    def assess_contribution(
        self,
        *,
        weekly_pence: int,
        basis: ContributionBasis,
        full_cost: bool = False,
        order: tuple[Deployment, ...] = (),
        **said: Unpack[Said],
    ) -> None:
        """State the person's weekly contribution from `effective_on`, as assessed elsewhere.

        Net: it is taken off the payment. Gross: the payment is whole and it is invoiced.
        `order` lists every deployment in the council's order, first the one whose lines the
        contribution is set against first; none: only lines paid to a payee.
        """
        self._require_in_life(said["effective_on"])
        if weekly_pence < 0:
            raise InvalidMoney("A contribution cannot be less than nothing.", field="weekly_pence")
        _require_whole_order(order)
        term = ContributionTerm(said["effective_on"], weekly_pence, basis, full_cost, order)
        if term in self.contributions:
            return
        self._record(
            ContributionAssessed(
                weekly_pence=weekly_pence, basis=basis, full_cost=full_cost, order=order, **said
            )
        )

    def assess_finances(
        self,
        *,
        assessment_reference: str,
        decided_on: date,
        outcome: AssessmentOutcome,
        terms: tuple[AssessedTerm, ...],
        basis: ContributionBasis,
        order: tuple[Deployment, ...] = (),
        recovery: ArrearsRecovery = "net_off",
        weekly_cap_pence: int = 0,
        provisional: bool = False,
        document_sha256: str = "",
        **said: Unpack[Said],
    ) -> None:
        """Record a financial assessment from `effective_on`, its terms from that day on.

        With `recovery` "invoice", arrears on days already paid are invoiced on `decided_on`.
        The same assessment said twice is recorded once.
        """
        self._require_assessable(said["effective_on"])
        _require_whole_order(order)
        if (recovery == "weekly_cap") != (weekly_cap_pence > 0):
            raise InvalidValue(
                "weekly_cap_pence goes with recovery by weekly_cap, and is above nought.",
                field="weekly_cap_pence",
            )
        assert terms[0].starts_on == said["effective_on"], "a timeline starts on its own day"
        event = FinancesAssessed(
            assessment_reference=assessment_reference,
            decided_on=decided_on,
            outcome=outcome,
            terms=terms,
            basis=basis,
            order=order,
            recovery=recovery,
            weekly_cap_pence=weekly_cap_pence,
            provisional=provisional,
            document_sha256=document_sha256,
            **said,
        )
        if not self._is_new(event):
            return
        self._record(event)
        if recovery == "invoice":
            self._invoice_arrears(assessment_reference, {**said, "effective_on": decided_on})

    @command
    def invoice_contribution(
        self, *, invoice_reference: str, period: Period, **said: Unpack[Said]
    ) -> None:
        """Charge the contribution that is not taken off payments, to the end of a period.

        What was invoiced before and has changed is put right in it; if that comes to less than
        nothing, the person is credited. Nothing to charge: nothing is recorded.
        """
        known = self.invoices.get(invoice_reference)
        if known is not None:
            if known.period == period:
                return
            raise ReferenceUsedForOtherFacts(
                f"The invoice {invoice_reference} was made for another period."
            )
        lines = tuple(self.charges_due(period))
        if lines:
            self._invoice(invoice_reference, period, lines, said)

    @command
    def receive_contribution(
        self, *, receipt_reference: str, amount_pence: int, **said: Unpack[Said]
    ) -> None:
        """Record money paid towards invoices; the same receipt twice is recorded once."""
        if amount_pence <= 0:
            raise InvalidMoney("An amount must be above nought.", field="amount_pence")
        received = self.contribution_receipts.get(receipt_reference)
        if received == amount_pence:
            return
        if received is not None:
            raise ReferenceUsedForOtherFacts(
                f"The receipt {receipt_reference} was recorded for another amount."
            )
        if amount_pence > self.contribution_debt_pence:
            raise ContributionExceedsDebt(
                f"{format_pounds(self.contribution_debt_pence)} is owed on {self.reference}, "
                f"not {format_pounds(amount_pence)}.",
                owed_pence=self.contribution_debt_pence,
            )
        self._record(
            ContributionReceived(
                receipt_reference=receipt_reference, amount_pence=amount_pence, **said
            )
        )

    def _invoice_arrears(self, reference: str, said: Said) -> None:
        """Make a debt of contributions underpaid on days already paid; a refund is paid out."""
        lines = tuple(line for line in self.adjustments_due() if line.kind == "contribution")
        if sum(line.amount_pence for line in lines) < 0:
            windows = [line.window for line in lines]
            period = Period(min(w.starts_on for w in windows), max(w.ends_on for w in windows))
            self._invoice(reference, period, lines, said)

    def _invoice(
        self, reference: str, period: Period, lines: tuple[EntitlementLine, ...], said: Said
    ) -> None:
        owed = invoiced_pence(lines)
        kind = ContributionInvoiced if owed >= 0 else ContributionCredited
        self._record(
            kind(
                invoice_reference=reference,
                period=period,
                lines=lines,
                amount_pence=abs(owed),
                **said,
            )
        )

    def _is_new(self, event: FinancesAssessed) -> bool:
        known = self.assessments.get(event.assessment_reference)
        if known is None:
            return True
        if _same_facts(known, event):
            return False
        raise ReferenceUsedForOtherFacts(
            f"The assessment {event.assessment_reference} was recorded with other facts."
        )

    def _require_assessable(self, on: date) -> None:
        """Within the budget's life; a closed one is still assessed for the days before."""
        assert self.opened is not None, "a loaded budget has been opened"
        if on < self.opened.effective_on:
            raise BeforeBudgetOpened(
                f"effective_on: {self.reference} was opened on {self.opened.effective_on}; "
                f"{on} is before that.",
                field="effective_on",
            )
        if self.closed is not None and on > self.closed.effective_on:
            raise AfterBudgetClosed(
                f"effective_on: {self.reference} closed on {self.closed.effective_on}; "
                f"{on} is after that.",
                field="effective_on",
            )

    @applies(ContributionAssessed)
    def _contribution_assessed(self, event: ContributionAssessed) -> None:
        others = [t for t in self.contributions if t.starts_on != event.effective_on]
        term = ContributionTerm(
            event.effective_on, event.weekly_pence, event.basis, event.full_cost, event.order
        )
        self.contributions = sorted([*others, term])
        self._terms_changed(event.effective_on)

    @applies(FinancesAssessed)
    def _finances_assessed(self, event: FinancesAssessed) -> None:
        self.assessments[event.assessment_reference] = event
        before = [t for t in self.contributions if t.starts_on < event.effective_on]
        self.contributions = before + [
            ContributionTerm(
                term.starts_on,
                term.weekly_pence,
                event.basis,
                term.full_cost,
                event.order,
                event.assessment_reference,
            )
            for term in event.terms
        ]
        self.recovery_weekly_cap_pence = event.weekly_cap_pence
        self._terms_changed(event.effective_on)

    @applies(ContributionInvoiced)
    def _contribution_invoiced(self, event: ContributionInvoiced) -> None:
        self._charged(event)
        self.contribution_debt_pence += event.amount_pence

    @applies(ContributionCredited)
    def _contribution_credited(self, event: ContributionCredited) -> None:
        self._charged(event)
        self.contribution_debt_pence -= event.amount_pence

    def _charged(self, event: ContributionInvoiced | ContributionCredited) -> None:
        self.invoices[event.invoice_reference] = event
        for line in event.lines:
            lines = self.charged_lines if line.kind == "charge" else self.scheduled_lines
            lines.append(line)

    @applies(ContributionReceived)
    def _contribution_received(self, event: ContributionReceived) -> None:
        self.contribution_receipts[event.receipt_reference] = event.amount_pence
        self.contribution_debt_pence -= event.amount_pence


def invoiced_pence(lines: Sequence[EntitlementLine]) -> int:
    """What lines come to on an invoice: charges, and arrears taken off payments before."""
    return sum(line.amount_pence * (1 if line.kind == "charge" else -1) for line in lines)


def _same_facts(one: FinancesAssessed, other: FinancesAssessed) -> bool:
    apart = ("recorded_at", "recorded_by")
    return all(
        getattr(one, name) == getattr(other, name)
        for name in one.__struct_fields__
        if name not in apart
    )


def _require_whole_order(order: tuple[Deployment, ...]) -> None:
    if order and sorted(order) != sorted(get_args(Deployment)):
        raise ContributionOrderIncomplete(
            f"The order must name each of {', '.join(get_args(Deployment))} once.", field="order"
        )
