"""The budget's allocation lines over time, switches between deployments, and what was scheduled.

Every term is effective-dated. A change takes effect from its own day until the next change
already recorded for a later day; nothing that was recorded is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, Unpack

import msgspec

from ledger.aggregates.care_decisions import BudgetClosed
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.aggregates.suspensions import Suspensions
from ledger.charging.assessment import FREE_LEGAL_BASES
from ledger.entitlement import PAID_BY, EntitlementLine, adjustments
from ledger.errors import (
    AllocationLineExists,
    AllocationLineNotFound,
    AllocationLineUnclear,
    NothingToSwitch,
    PartsDoNotMakeBudget,
)
from ledger.money import format_pounds
from ledger.terms import (
    FOR_EVER,
    AllocationTerm,
    Channel,
    ContributionTerm,
    Deployment,
    Terms,
    split,
)

PaidDeployment = Literal["direct_payment", "managed_account"]
FREE_FUNDING = frozenset({"nhs"})
"""Funding streams that are free in law, as some legal bases are (`FREE_LEGAL_BASES`)."""

_DAY = timedelta(days=1)


class AllocationAgreed(Event):
    """The budget's lines were agreed; `weekly_budget_pence` is what all lines then add up to."""

    lines: tuple[AllocationTerm, ...]
    weekly_budget_pence: int


class AllocationRevised(Event):
    """One line has a new amount, deployment or coding from `effective_on`.

    `change_reference` is the mass change that it is part of, if any."""

    line: AllocationTerm
    change_reference: str = ""


class AllocationEnded(Event):
    """One line ended; `effective_on` is its last day."""

    line_reference: str


class SwitchedToProvidedServices(Event):
    """From `effective_on` these lines are met by services the council provides."""

    line_references: tuple[str, ...]
    at_own_request: bool


class DirectPaymentResumed(Event):
    """From `effective_on` these lines are paid to a payee again."""

    line_references: tuple[str, ...]
    deployment: PaidDeployment = "direct_payment"


class Allocations(Suspensions):
    """The effective-dated terms, and every line scheduled under them."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.allocations: list[AllocationTerm] = []
        self.contributions: list[ContributionTerm] = []
        self.scheduled_lines: list[EntitlementLine] = []
        self.funded_from = FOR_EVER
        self.mass_changes: set[str] = set()

    @property
    def terms(self) -> Terms:
        """What decides the entitlement, from the first day this ledger pays for."""
        assert self.opened is not None
        starts_on = self.opened.effective_on
        if self.opened.paid_elsewhere_to is not None:
            starts_on = max(starts_on, self.opened.paid_elsewhere_to + _DAY)
        ends_on = self.closed.effective_on if self.closed else FOR_EVER
        return Terms(
            starts_on,
            ends_on,
            self.allocations,
            self.contributions,
            self.suspensions,
            self.funded_from,
        )

    def scheduled_by(self, channel: Channel) -> list[EntitlementLine]:
        """Every line scheduled by a channel that still stands."""
        return [line for line in self.scheduled_lines if line.channel == channel]

    def adjustments_due(self, channel: Channel = "direct_payment") -> list[EntitlementLine]:
        """What days paid by a channel are under- or overpaid by, as the terms now stand."""
        return list(
            adjustments(
                self.terms.of(channel),
                self.scheduled_by(channel),
                self.changed_from[channel],
                PAID_BY[channel],
            )
        )

    def weekly_budget_pence(self, on: date) -> int:
        """The whole weekly budget on a day: every line in force, however it is deployed."""
        return sum(term.weekly_pence for term in self.lines_in_force(on))

    def lines_in_force(self, on: date) -> list[AllocationTerm]:
        """The allocation terms in force on a day, in order of line reference."""
        if self.closed is not None and on > self.closed.effective_on:
            return []
        return [term for term in self.allocations if term.in_force_on(on)]

    @command
    def agree_allocation(
        self,
        *,
        lines: tuple[AllocationTerm, ...],
        weekly_budget_pence: int | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Agree new lines. If the whole weekly budget is given, all lines must add up to it.

        No contribution is set against a line that is free in law, whatever is asked.
        """
        self._require_in_life(said["effective_on"])
        lines = tuple(map(self._charged_lawfully, lines))
        if not lines:
            raise AllocationLineUnclear("At least one allocation line is needed.")
        if all(line in self.allocations for line in lines):
            return
        known = {term.line_reference for term in self.allocations}
        for line in lines:
            self._require_in_life(line.starts_on)
            _require_clear(line)
            if line.line_reference in known:
                raise AllocationLineExists(
                    f"{self.reference} already has the line {line.line_reference}."
                )
            known.add(line.line_reference)
        last_start = max(line.starts_on for line in lines)
        total = sum(
            term.weekly_pence
            for term in (*self.allocations, *lines)
            if term.in_force_on(last_start)
        )
        if weekly_budget_pence is not None and total != weekly_budget_pence:
            raise PartsDoNotMakeBudget(
                f"The lines add up to {format_pounds(total)} a week; the budget is "
                f"{format_pounds(weekly_budget_pence)}.",
                lines_pence=total,
                budget_pence=weekly_budget_pence,
            )
        self._record(AllocationAgreed(lines=lines, weekly_budget_pence=total, **said))

    @command
    def revise_allocation(
        self,
        *,
        line_reference: str,
        weekly_pence: int,
        deployment: Deployment | None = None,
        cost_centre: str | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Change a weekly line's amount, deployment or cost centre from `effective_on` on."""
        on = said["effective_on"]
        self._require_in_life(on)
        term = self._require_line(line_reference, on)
        revised = msgspec.structs.replace(
            term,
            starts_on=on,
            weekly_pence=weekly_pence,
            deployment=deployment or term.deployment,
            cost_centre=term.cost_centre if cost_centre is None else cost_centre,
        )
        _require_clear(revised)
        if revised == term:
            return
        self._record(AllocationRevised(line=revised, **said))

    def revise_with_many(
        self, *, change_reference: str, weekly_pence: Mapping[str, int], **said: Unpack[Said]
    ) -> None:
        """Change weekly lines, by their references, as part of a mass change; once for each."""
        if change_reference in self.mass_changes:
            return
        on = said["effective_on"]
        self._require_in_life(on)
        revised = []
        for line_reference, pence in weekly_pence.items():
            term = self._require_line(line_reference, on)
            line = msgspec.structs.replace(term, starts_on=on, weekly_pence=pence)
            _require_clear(line)
            if pence != term.weekly_pence:
                revised.append(line)
        for line in revised:
            self._record(AllocationRevised(line=line, change_reference=change_reference, **said))

    @command
    def end_allocation(self, *, line_reference: str, **said: Unpack[Said]) -> None:
        """End a line; `effective_on` is the last day it is owed."""
        self._require_in_life(said["effective_on"])
        self._require_line(line_reference, said["effective_on"])
        terms = [term for term in self.allocations if term.line_reference == line_reference]
        if max(term.last_day for term in terms) == said["effective_on"]:
            return
        self._record(AllocationEnded(line_reference=line_reference, **said))

    @command
    def switch_to_provided_services(
        self,
        *,
        line_references: tuple[str, ...] = (),
        at_own_request: bool = True,
        **said: Unpack[Said],
    ) -> None:
        """Meet these lines (none named: all) with provided services from `effective_on`.

        A person may go back to provided services at any time, so no gate stands in the way:
        not a missing return, a suspension, a clawback or a query.
        """
        self._require_in_life(said["effective_on"])
        chosen = self._lines_to_switch(
            said["effective_on"], line_references, lambda term: term.is_paid
        )
        self._record(
            SwitchedToProvidedServices(
                line_references=chosen, at_own_request=at_own_request, **said
            )
        )

    @command
    def resume_direct_payment(
        self,
        *,
        line_references: tuple[str, ...] = (),
        deployment: PaidDeployment = "direct_payment",
        **said: Unpack[Said],
    ) -> None:
        """Pay these lines as a direct payment from `effective_on`; none named: all that were.

        To the person, or to a third party's managed account.
        """
        on = said["effective_on"]
        self._require_in_life(on)
        named = line_references or [
            t.line_reference for t in self.allocations if t.is_paid and t.starts_on < on
        ]
        chosen = self._lines_to_switch(
            on,
            line_references,
            lambda t: t.deployment == "provided_service" and t.line_reference in named,
        )
        self._record(DirectPaymentResumed(line_references=chosen, deployment=deployment, **said))

    def _charged_lawfully(self, line: AllocationTerm) -> AllocationTerm:
        assert self.opened is not None, "a loaded budget has been opened"
        if line.funding_stream in FREE_FUNDING or self.opened.legal_basis in FREE_LEGAL_BASES:
            return msgspec.structs.replace(line, chargeable=False)
        return line

    def _require_line(self, line_reference: str, on: date) -> AllocationTerm:
        for term in self.lines_in_force(on):
            if term.line_reference == line_reference:
                return term
        raise AllocationLineNotFound(
            f"{self.reference} has no allocation line {line_reference} in force on {on}."
        )

    def _lines_to_switch(
        self, on: date, named: tuple[str, ...], may_switch: Callable[[AllocationTerm], bool]
    ) -> tuple[str, ...]:
        for line_reference in named:
            self._require_line(line_reference, on)
        chosen = tuple(
            term.line_reference
            for term in self.lines_in_force(on)
            if may_switch(term) and (not named or term.line_reference in named)
        )
        if not chosen:
            raise NothingToSwitch(f"{self.reference} has no line on {on} that this would change.")
        return chosen

    def _put_terms(self, terms: Sequence[AllocationTerm]) -> None:
        self.allocations = sorted(terms, key=lambda t: (t.line_reference, t.starts_on))

    @applies(AllocationAgreed)
    def _allocation_agreed(self, event: AllocationAgreed) -> None:
        self._put_terms([*self.allocations, *event.lines])
        self._terms_changed(min(line.starts_on for line in event.lines))

    @applies(AllocationRevised)
    def _allocation_revised(self, event: AllocationRevised) -> None:
        line = event.line
        if event.change_reference:
            self.mass_changes.add(event.change_reference)
        before, [_, *later] = split(self.allocations, (line.line_reference,), line.starts_on)
        self._put_terms([*before, line, *later])
        self._terms_changed(line.starts_on)

    @applies(AllocationEnded)
    def _allocation_ended(self, event: AllocationEnded) -> None:
        day_after = event.effective_on + _DAY
        kept, _ = split(self.allocations, (event.line_reference,), day_after)
        self._put_terms(kept)
        self._terms_changed(day_after)

    @applies(SwitchedToProvidedServices)
    def _switched_to_provided_services(self, event: SwitchedToProvidedServices) -> None:
        self._redeploy(event.line_references, event.effective_on, "provided_service")

    @applies(DirectPaymentResumed)
    def _direct_payment_resumed(self, event: DirectPaymentResumed) -> None:
        self._redeploy(event.line_references, event.effective_on, event.deployment)

    @applies(BudgetClosed)
    def _budget_closed(self, event: BudgetClosed) -> None:
        self.closed = event
        if event.reason_code == "died":
            self.died_on = event.effective_on
        self._terms_changed(event.effective_on)

    def _redeploy(self, line_references: tuple[str, ...], on: date, deployment: Deployment) -> None:
        """Change the deployment of lines from a day on, their later terms included."""
        before, after = split(self.allocations, line_references, on)
        changed = [msgspec.structs.replace(term, deployment=deployment) for term in after]
        self._put_terms([*before, *changed])
        self._terms_changed(on)


def _require_clear(line: AllocationTerm) -> None:
    amounts = (line.weekly_pence, line.one_off_pence)
    if sorted(amounts)[0] != 0 or max(amounts) <= 0:
        raise AllocationLineUnclear(
            f"The line {line.line_reference} must be either weekly or one-off, and above nought."
        )
    if line.ends_on is not None and line.ends_on < line.starts_on:
        raise AllocationLineUnclear(f"The line {line.line_reference} ends before it starts.")
