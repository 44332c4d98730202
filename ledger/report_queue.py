"""The items of banks' reports that fit no payment: recorded on the one that someone finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.bank_report import BankReport, ReportKind
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payments import BankRejection, ReturnReason
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.errors import ConcurrentChange, InvalidValue, PaymentNotFound, ReportItemDiffers
from ledger.report_items import payments_named
from ledger.store import Beside


def match_item(
    ledger: Ledger,
    reference: str,
    item: int,
    *,
    budget_reference: str,
    payment_reference: str,
    reason_code: str = "",
    said: Said,
    beside: Callable[[BankReport], Sequence[Beside]] | None = None,
) -> BankReport:
    """Record a queued item on the payment that someone found it to be about.

    The payment must be of the same amount, where the item has one. Of a credit to a provider
    give the provider and the credit's own reference: it is recorded on every payment of it.
    `reason_code` is given where the bank's own is none that the ledger knows. Raises
    `ReportItemDiffers` and the refusals of the budget.
    """
    ledger.projections.catch_up()
    for _ in range(ATTEMPTS):
        report = ledger.load(BankReport, reference)
        assert report.imported is not None, "a loaded report was brought in"
        queued = report.require_queued(item)
        about = _about(ledger, budget_reference, payment_reference)
        whole = sum(budget.payments[name].amount_pence for budget, name in about)
        if queued.amount_pence not in (0, whole):
            raise ReportItemDiffers(
                f"Item {item} is {queued.amount_pence} pence; {payment_reference} is {whole}."
            )
        code = reason_code or queued.code
        for budget, name in about:
            day = max(report.imported.effective_on, budget.payments[name].pay_on)
            _record(report.imported.kind, budget, name, code, {**said, "effective_on": day})
        report.match(
            item=item,
            budget_reference=budget_reference,
            payment_reference=payment_reference,
            **said,
        )
        events = report.collect_events()
        for budget, _ in about:
            events += budget.collect_events()
        try:
            ledger.append(events, beside(report) if beside else ())
        except IntegrityError:
            continue
        return report
    raise ConcurrentChange(f"{reference} is being changed by others; try again.")


def _about(
    ledger: Ledger, whose_reference: str, payment_reference: str
) -> list[tuple[PersonalBudget, str]]:
    """The payment of a budget, or every payment of a credit to a provider, each on its budget."""
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


def _record(
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
