"""The items of banks' reports that fit no payment: recorded on the one that someone finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, get_args

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.bank_report import BankReport, QueuedItem, ReportKind
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.light_cycles import CycleToIssue
from ledger.aggregates.payments import BankRejection, ReturnReason
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.errors import (
    ConcurrentChange,
    InterestInBudget,
    InvalidValue,
    PaymentNotFound,
    PaymentNotIssued,
    ReportItemDiffers,
)
from ledger.money import format_pounds
from ledger.report_items import payments_named
from ledger.store import Beside

About = list[tuple[PersonalBudget, str]]
"""A payment on its budget, or every payment of a credit to a provider, each on its budget."""


def match_item(
    ledger: Ledger,
    reference: str,
    item: int,
    *,
    budget_reference: str,
    payment_reference: str,
    reason_code: str = "",
    said: Said,
    own: Collection[str] = (),
    beside: Callable[[BankReport], Sequence[Beside]] | None = None,
) -> BankReport:
    """Record a queued item on the payment that someone found it to be about.

    Of a credit to a provider give the provider and the credit's own reference: it is recorded on
    every payment of it. `reason_code` is given where the bank's own is none that the ledger knows.

    The payment was sent, in the file that the report is about; is of the item's amount, where it
    has one; and did not come back before, or the money of the item would be lost. What a bank did
    not take, its cycle knows too. Nobody does so on their `own` budgets: those whose recipient
    they are, or act for. Raises `ReportItemDiffers`, `PaymentNotFound`, `PaymentNotIssued`,
    `InterestInBudget`, `InvalidValue` for a code that the ledger does not know, and the refusals
    of the budget.
    """
    ledger.projections.catch_up()
    for _ in range(ATTEMPTS):
        report = ledger.load(BankReport, reference)
        queued = report.require_queued(item)
        about = _about(ledger, budget_reference, payment_reference)
        if theirs := [budget.reference for budget, _ in about if budget.reference in own]:
            raise InterestInBudget(f"{said['recorded_by']} has an interest in {theirs[0]}.")
        _require_alike(report, queued, about, payment_reference)
        recorded = _record(ledger, report, about, reason_code or queued.code, said)
        report.match(
            item=item,
            budget_reference=budget_reference,
            payment_reference=payment_reference,
            **said,
        )
        try:
            events = [*report.collect_events(), *recorded]
            ledger.append(events, beside(report) if beside else ())
        except IntegrityError:
            continue
        return report
    raise ConcurrentChange(f"{reference} is being changed by others; try again.")


def _about(ledger: Ledger, whose_reference: str, payment_reference: str) -> About:
    places = payments_named(ledger, [payment_reference]).get(payment_reference, [])
    if any(place.is_in_credit for place in places):
        places = [place for place in places if place.provider_reference == whose_reference]
        budgets = {b.reference: b for b in ledger.budgets(p.budget_reference for p in places)}
        about = [(budgets[place.budget_reference], place.payment_reference) for place in places]
    else:
        about = [(ledger.budget(whose_reference), payment_reference)]
    if not about or any(name not in budget.payments for budget, name in about):
        raise PaymentNotFound(f"{whose_reference} has no payment {payment_reference}.")
    return about


def _require_alike(
    report: BankReport, queued: QueuedItem, about: About, payment_reference: str
) -> None:
    """The bank knows the payment by this reference, in this file, and of this amount."""
    assert report.imported is not None, "a loaded report was brought in"
    payments = [budget.payments[name] for budget, name in about]
    bulk_reference, cycle_reference = payments[0].bulk_reference, payments[0].cycle_reference
    if bulk_reference not in ("", payment_reference):
        raise ReportItemDiffers(
            f"{payment_reference} was paid as part of the credit {bulk_reference} to "
            f"{payments[0].provider_reference}; the bank knows that alone."
        )
    whole_pence = sum(payment.amount_pence for payment in payments)
    if queued.amount_pence not in (0, whole_pence):
        raise ReportItemDiffers(
            f"Item {queued.item} is {format_pounds(queued.amount_pence)}; {payment_reference} is "
            f"{format_pounds(whole_pence)}."
        )
    if report.imported.cycle_reference not in ("", cycle_reference):
        raise ReportItemDiffers(
            f"{report.reference} is about {report.imported.cycle_reference}; {payment_reference} "
            f"was paid with {cycle_reference}."
        )


def _record(
    ledger: Ledger, report: BankReport, about: About, code: str, said: Said
) -> list[Recorded]:
    """What the item comes to on each payment that it is about, and on their cycle."""
    assert report.imported is not None, "a loaded report was brought in"
    kind, reported_on = report.imported.kind, report.imported.effective_on
    payments = [budget.payments[name] for budget, name in about]
    cycle = ledger.load(CycleToIssue, payments[0].cycle_reference)
    if cycle.issued is None:
        raise PaymentNotIssued(f"{about[0][1]} was in no file that the bank was sent.")
    on_its_day: Said = {**said, "effective_on": max(reported_on, payments[0].pay_on)}
    for budget, name in about:
        version = budget.version
        _put(kind, budget, name, code, on_its_day)
        if budget.version == version:
            raise ReportItemDiffers(
                f"{name} came back before: dismiss the item if it is the same money, or find the "
                "payment that it is about."
            )
    if kind != "returned_credits":
        cycle.acknowledge(
            report_reference=report.reference,
            submission_serial=cycle.issued.submission_serial,
            is_taken=False,
            rejected_count=len(payments),
            rejected_pence=sum(payment.amount_pence for payment in payments),
            **on_its_day,
        )
    budgets = {budget.reference: budget for budget, _ in about}
    events = [event for budget in budgets.values() for event in budget.collect_events()]
    return [*events, *cycle.collect_events()]


def _put(
    kind: ReportKind, budget: PersonalBudget, payment_reference: str, code: str, said: Said
) -> None:
    if kind == "returned_credits":
        reason: ReturnReason = _known(code, get_args(ReturnReason))
        budget.return_payment(payment_reference=payment_reference, reason_code=reason, **said)
    elif kind in ("input_report", "status_report"):
        rejection: BankRejection = _known(code, get_args(BankRejection))
        budget.reject_payment(payment_reference=payment_reference, reason_code=rejection, **said)
    else:
        raise ReportItemDiffers("Advice of another account is put forward by hand.")


def _known(code: str, codes: tuple[Any, ...]) -> Any:
    if code not in codes:
        raise InvalidValue(
            f"reason_code: {code!r} is none of {', '.join(codes)}; say which it is.",
            field="reason_code",
        )
    return code
