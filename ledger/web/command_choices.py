"""What there is to choose from on a budget, for each argument that names a thing it already has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.money import format_pounds
from ledger.projections.words import begun, words
from ledger.statements.wording import days
from ledger.web.command_words import GROUNDS, answer
from ledger.web.questions import Choice

Accounts = Mapping[str, str]
"""The last digits of each account, by payee reference."""

_Finds = Callable[[PersonalBudget, Accounts], list[Choice]]


def _returns(*statuses: str) -> _Finds:
    def find(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
        return [
            (reference, f"{reference}: {days(one.period)}, {one.status}")
            for reference, one in budget.spend_returns.items()
            if one.status in statuses
        ]

    return find


def _clawbacks(*statuses: str) -> _Finds:
    def find(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
        return [
            (reference, f"{reference}: {format_pounds(one.proposed_pence)}, {one.status}")
            for reference, one in budget.clawbacks.items()
            if one.status in statuses
        ]

    return find


def _lines(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
    latest = {term.line_reference: term for term in budget.allocations}
    return [
        (reference, f"{begun(words(term.need))}, {words(term.funding_stream)}")
        for reference, term in latest.items()
    ]


def _proposed(budget: PersonalBudget, accounts: Accounts) -> list[Choice]:
    return [
        (one.payee_reference, f"{answer(one.payee_type)}, account {accounts[one.payee_reference]}, "
         f"proposed by {one.proposed_by}")
        for one in budget.proposed_payees.values()
    ]  # fmt: skip


def _payments(statuses: Collection[str]) -> _Finds:
    def find(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
        return [
            (reference, f"{reference}: {format_pounds(one.amount_pence)} for {days(one.period)}")
            for reference, one in reversed(budget.payments.items())
            if one.status in statuses
        ]

    return find


def _suspensions(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
    reasons = dict.fromkeys(t.reason_code for t in budget.suspensions if not t.is_resumed)
    return [(reason, answer(reason)) for reason in reasons if reason]


def _cases(budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
    case = budget.undecided_estate_case
    return [(case, f"{case}, opened by {budget.estate_cases[case].opened_by}")] if case else []


def _grounds(_budget: PersonalBudget, _accounts: Accounts) -> list[Choice]:
    return GROUNDS


_CHOICES: dict[tuple[str, str], _Finds] = {
    ("offer-direct-payment", "reason_code"): _grounds,
    ("submit-spend-return", "return_reference"): _returns("requested", "queried"),
    ("query-spend-return", "return_reference"): _returns("submitted"),
    ("accept-spend-return", "return_reference"): _returns("submitted", "queried"),
    ("propose-resumption", "reason_code"): _suspensions,
    ("resume-payments", "reason_code"): _suspensions,
    ("revise-allocation", "line_reference"): _lines,
    ("end-allocation", "line_reference"): _lines,
    ("switch-to-provided-services", "line_references"): _lines,
    ("resume-direct-payment", "line_references"): _lines,
    ("notify-clawback", "clawback_reference"): _clawbacks("proposed"),
    ("dispute-clawback", "clawback_reference"): _clawbacks("notified"),
    ("confirm-clawback", "clawback_reference"): _clawbacks("notified", "disputed"),
    ("receive-clawback", "clawback_reference"): _clawbacks("confirmed"),
    ("waive-clawback", "clawback_reference"): _clawbacks("confirmed"),
    ("verify-payee", "payee_reference"): _proposed,
    ("withdraw-payee", "payee_reference"): _proposed,
    ("decide-estate-case", "case_reference"): _cases,
    ("return-payment", "payment_reference"): _payments(("scheduled", "confirmed")),
    ("refund-payment", "payment_reference"): _payments(("returned", "rejected")),
}


def choices(
    command: str, argument: str, budget: PersonalBudget, accounts: Accounts
) -> list[Choice] | None:
    """What to choose from for an argument of a command; None: it is written, not chosen."""
    found = _CHOICES.get((command, argument))
    return None if found is None else found(budget, accounts)
