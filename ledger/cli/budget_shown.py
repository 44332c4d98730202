"""A budget as `budget show` gives it: to programs as a document, to people as tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ledger.aggregates.payees import Payee, answered
from ledger.aggregates.payments import PaymentDue
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.cli.screen import Screen, moment
from ledger.dates import Period
from ledger.money import format_pounds
from ledger.terms import CHANNELS, FOR_EVER, Channel, SuspensionTerm

if TYPE_CHECKING:
    from ledger.application import Ledger

_DAY = timedelta(days=1)


def budget_document(
    ledger: Ledger, budget: PersonalBudget, on: date, known_at: datetime | None
) -> dict[str, Any]:
    """Everything about a budget that bears on a day, without personal data."""
    assert budget.opened is not None, "a loaded budget has been opened"
    contribution = budget.contribution_on(on)
    accounts = ledger.people.shown(payee.payee_reference for payee in budget.own_payees)
    return {
        "reference": budget.reference,
        "version": budget.version,
        "on": on,
        "known_at": known_at,
        "recipient_reference": budget.opened.recipient_reference,
        "legal_basis": budget.opened.legal_basis,
        "primary_support_reason": budget.opened.primary_support_reason,
        "opened_on": budget.opened.effective_on,
        "paid_elsewhere_to": budget.opened.paid_elsewhere_to,
        "closed_on": budget.closed.effective_on if budget.closed else None,
        "offer_outcome": budget.offer_outcome,
        "agreement_version": budget.agreement.template_version if budget.agreement else None,
        "return_frequency": budget.agreement.return_frequency if budget.agreement else None,
        "payee": _payee(budget.payee, accounts) if budget.payee else None,
        "proposed_payees": [_payee(p, accounts) for p in budget.proposed_payees.values()],
        "weekly_budget_pence": budget.weekly_budget_pence(on),
        "lines_in_force": budget.lines_in_force(on),
        "contribution": contribution._asdict() if contribution else None,
        "suspensions": [suspension_document(t) for t in budget.suspensions if t.in_force_on(on)],
        "resumptions_proposed": [
            {"reason_code": p.reason_code, "suspended_from": p.suspended_from,
             "resume_on": p.effective_on, "arrears_due": p.arrears_due,
             "proposed_by": p.recorded_by}
            for p in budget.resumptions_proposed.values()
        ],
        "service_fund": {
            "provider_reference": budget.fund_provider or None,
            "paid_from": budget.funded_from if budget.fund_provider else None,
        } if budget.has_service_fund else None,
        "due": _due(budget, on),
        "payments": [
            {"payment_reference": reference, "status": p.status, "pay_on": p.pay_on,
             "period": p.period, "amount_pence": p.amount_pence,
             "deducted_pence": p.deducted_pence,
             "deductions": budget.deductions_from(reference),
             "channel": p.channel, "provider_reference": p.provider_reference or None,
             "bulk_reference": p.bulk_reference or None, "cycle_reference": p.cycle_reference}
            for reference, p in budget.payments.items()
        ],
        "spend_returns": [
            {"return_reference": reference, "status": r.status, "period": r.period,
             "due_on": r.due_on, "overdue": r.overdue_on(on)}
            for reference, r in budget.spend_returns.items()
        ],
        "clawbacks": [
            {"clawback_reference": reference, "status": c.status, "cause_code": c.cause_code,
             "proposed_pence": c.proposed_pence, "outstanding_pence": c.outstanding_pence,
             "respond_by": c.respond_by}
            for reference, c in budget.clawbacks.items()
        ],
        "deduction_cap_pence": budget.deduction_cap_pence,
    }  # fmt: skip


def suspension_document(term: SuspensionTerm) -> dict[str, Any]:
    """A suspension as programs read it: without a last day it lasts until it is resumed."""
    return {
        **msgspec.structs.asdict(term),
        "ends_on": None if term.ends_on == FOR_EVER else term.ends_on,
    }


def _payee(payee: Payee, accounts: Mapping[str, str]) -> dict[str, Any]:
    """A payee; of the account only what a screen may show."""
    return {
        "payee_reference": payee.payee_reference,
        "payee_type": payee.payee_type,
        "account": accounts.get(payee.payee_reference),
        "provider_reference": payee.provider_reference or None,
        "proposed_by": payee.proposed_by,
        "modulus_check": payee.modulus_check,
        "modulus_table_version": payee.modulus_table_version or None,
        "name_check": payee.name_check,
        "name_checked_with": payee.name_checked_with or None,
        "verified_on": payee.verified_on,
    }


def _due(budget: PersonalBudget, on: date) -> list[dict[str, Any]]:
    """What is owed to the day, and to the end of the four weeks after what was paid last.

    By each channel that the budget has."""
    first = budget.terms.starts_on
    if budget.last_payment is not None:
        first = budget.last_payment.period.ends_on + _DAY
    periods = [Period(first, first + timedelta(days=27))]
    if on >= budget.terms.starts_on and on != periods[0].ends_on:
        periods.insert(0, Period(on, on))
    channels = [c for c in CHANNELS if c == "direct_payment" or budget.has_service_fund]
    return [
        _due_to(budget, period, channel)
        for channel in channels
        for period in sorted(periods, key=lambda p: p.ends_on)
    ]


def _due_to(budget: PersonalBudget, period: Period, channel: Channel) -> dict[str, Any]:
    due: PaymentDue = budget.payment_due(period, channel)
    gates = budget.failed_gates(period, period.starts_on, channel=channel)
    return {
        "to": period.ends_on,
        "channel": channel,
        "amount_pence": due.amount_pence,
        "owed_pence": due.owed_pence,
        "deducted_pence": due.deducted_pence,
        "stopped_by": [r.code for r in gates],
        "lines": due.lines,
    }


# --- for people -----------------------------------------------------------------------------


def words(code: str | None) -> str | None:
    """A code as words, or its proper name; nothing stays nothing."""
    from ledger.projections import words as said

    return None if code is None else said.words(code).replace("-", " ")


def _shown(payee: dict[str, Any]) -> str:
    """Who is paid and where, with what the checks said; nothing of a check never made."""
    from ledger.projections.payee_words import modulus

    where = f"account {payee['account']}"
    if payee["provider_reference"]:
        where = f"the provider {payee['provider_reference']}"
    parts = [f"{words(payee['payee_type'])}, {where}"]
    if payee["modulus_check"]:
        parts.append(modulus(payee["modulus_check"], payee["modulus_table_version"] or ""))
    if payee["name_check"]:
        parts.append(answered(payee["name_check"], payee["name_checked_with"]))
    return "; ".join(parts)


def _fund(fund: dict[str, Any] | None) -> str | None:
    """Who holds the service fund; nothing where there is none."""
    if fund is None:
        return None
    if fund["provider_reference"] is None:
        return "no provider named who holds it"
    return f"held by {fund['provider_reference']}, paid from {fund['paid_from']}"


def _most(contribution: dict[str, Any]) -> str:
    if contribution["full_cost"]:
        return "the full cost"
    return f"{format_pounds(contribution['weekly_pence'])} a week"


def _suspended(term: dict[str, Any]) -> str:
    retainer = format_pounds(term["retainer_weekly_pence"])
    how = f"down to {retainer} a week" if term["retainer_weekly_pence"] else "in full"
    until = f"to {term['ends_on']}" if term["ends_on"] else "until resumed"
    arranged = words(term["interim_arrangement"])
    meanwhile = f"; meanwhile {arranged}" if arranged else ""
    return (
        f"from {term['starts_on']} {until}, {how}: {words(term['reason_code'])}{meanwhile}; "
        f"to be reviewed {term['review_on']}"
    )


def _to_resume(proposed: dict[str, Any]) -> str:
    arrears = " with arrears" if proposed["arrears_due"] else ""
    return (
        f"from {proposed['resume_on']}{arrears}, proposed by {proposed['proposed_by']} "
        f"({words(proposed['reason_code'])})"
    )


def show_budget(screen: Screen, found: dict[str, Any]) -> None:
    """The document as people read it."""
    payee = found["payee"]
    known = f", as known at {moment(found['known_at'])}" if found["known_at"] else ""
    screen.say(f"Personal budget {found['reference']} on {found['on']}{known}\n")
    contribution = found["contribution"]
    screen.facts(
        ("Recipient", found["recipient_reference"]),
        ("Legal basis", words(found["legal_basis"])),
        ("Support reason", words(found["primary_support_reason"])),
        ("Opened", found["opened_on"]),
        ("Paid elsewhere to", found["paid_elsewhere_to"]),
        ("Closed", found["closed_on"]),
        ("Offer", found["offer_outcome"] or "not made"),
        ("Agreement", found["agreement_version"] or "not signed"),
        ("Spend returns", words(found["return_frequency"])),
        ("Payee", _shown(payee) if payee else "none verified"),
        ("Its reference", payee["payee_reference"] if payee else None),
        *(
            fact
            for p in found["proposed_payees"]
            for fact in (
                ("Payee proposed", f"by {p['proposed_by']}: {_shown(p)}"),
                ("Its reference", p["payee_reference"]),
            )
        ),
        ("Service fund", _fund(found["service_fund"])),
        (
            "Contribution",
            f"{_most(contribution)}, {contribution['basis']}, from {contribution['starts_on']}"
            if contribution
            else "none assessed",
        ),
        *(("Suspended", _suspended(t)) for t in found["suspensions"]),
        *(("To resume", _to_resume(p)) for p in found["resumptions_proposed"]),
        ("Version", found["version"]),
    )  # fmt: skip
    _show_terms(screen, found)
    _show_what_came_of_it(screen, found)


def _show_terms(screen: Screen, found: dict[str, Any]) -> None:
    screen.table(
        f"Allocation in force: {format_pounds(found['weekly_budget_pence'])} a week",
        ("Line", "Delivered as", ">A week", ">Once", "From", "To", "Cost centre"),
        [
            (
                t.line_reference,
                words(t.deployment),
                format_pounds(t.weekly_pence) if t.weekly_pence else "",
                format_pounds(t.one_off_pence) if t.one_off_pence else "",
                t.starts_on,
                t.ends_on,
                t.cost_centre,
            )
            for t in found["lines_in_force"]
        ],
    )
    screen.table(
        "Owed and not yet promised",
        ("To the end of", ">Amount", "What stands in the way"),
        [
            (
                f"{due['to']}{'' if due['channel'] == 'direct_payment' else ', service fund'}",
                format_pounds(due["amount_pence"]),
                ", ".join(str(words(code)) for code in due["stopped_by"]),
            )
            for due in found["due"]
        ],
    )


def _show_what_came_of_it(screen: Screen, found: dict[str, Any]) -> None:
    screen.table(
        "Payments",
        ("Payment", "From", "To", "Paid on", ">Amount", "Status", "Cycle"),
        [
            (
                p["payment_reference"],
                p["period"].starts_on,
                p["period"].ends_on,
                p["pay_on"],
                format_pounds(p["amount_pence"]),
                p["status"],
                p["cycle_reference"],
            )
            for p in found["payments"]
        ],
    )
    if found["spend_returns"]:
        screen.table(
            "Spend returns",
            ("Return", "From", "To", "Due", "Status"),
            [
                (
                    r["return_reference"],
                    r["period"].starts_on,
                    r["period"].ends_on,
                    r["due_on"],
                    "overdue" if r["overdue"] else r["status"],
                )
                for r in found["spend_returns"]
            ],
        )
    if found["clawbacks"]:
        screen.table(
            "Clawbacks",
            ("Clawback", "Because", ">Proposed", ">Outstanding", "Answer by", "Status"),
            [
                (
                    c["clawback_reference"],
                    words(c["cause_code"]),
                    format_pounds(c["proposed_pence"]),
                    format_pounds(c["outstanding_pence"]),
                    c["respond_by"],
                    c["status"],
                )
                for c in found["clawbacks"]
            ],
        )
    _show_recovery(screen, found)


def _show_recovery(screen: Screen, found: dict[str, Any]) -> None:
    taken = [(p["payment_reference"], d) for p in found["payments"] for d in p["deductions"]]
    if taken:
        screen.table(
            "Taken from payments for clawback",
            ("Payment", "Clawback", ">Taken", ">Left to recover"),
            [
                (
                    reference,
                    d.clawback_reference,
                    format_pounds(d.amount_pence),
                    format_pounds(d.left_pence),
                )
                for reference, d in taken
            ],
        )
    if found["deduction_cap_pence"] is not None:
        cap = format_pounds(found["deduction_cap_pence"])
        screen.say(f"\nAt most {cap} is taken from a payment for all clawbacks together.")
