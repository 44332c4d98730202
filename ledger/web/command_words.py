"""The commands of a budget as its forms put them: what each argument asks for, and the answers.

What a command does is said by its own docstring; here stands only what a form adds to it.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.aggregates.care_decisions import LAWFUL_EXCLUSIONS
from ledger.projections.words import RETURN_REASONS, begun, words


class Asked(NamedTuple):
    """What a form asks for, and the hint under it."""

    label: str
    hint: str = ""


FROM = Asked("From which day does it count?")

ASKED: dict[str, Asked] = {
    "reference": Asked("Reference of the budget", "1 to 20 of A to Z, 0 to 9, - and /"),
    "effective_on": FROM,
    "recipient_reference": Asked("Reference of the person", "As your care system has it."),
    "legal_basis": Asked("Under which law is it?"),
    "primary_support_reason": Asked("What is the main reason for support?"),
    "paid_elsewhere_to": Asked(
        "Until when has an earlier system paid?",
        "The last day it paid for. Leave it empty if none did.",
    ),
    "occasion": Asked("When was it offered?"),
    "outcome": Asked("What came of it?"),
    "reason_code": Asked("Why?"),
    "template_version": Asked("Which version of the agreement was signed?", "Such as 2026-1"),
    "return_frequency": Asked("How often are spend returns due?"),
    "return_reference": Asked("Spend return"),
    "period": Asked("For which days?"),
    "due_on": Asked("By which day is it due?"),
    "opening_balance_pence": Asked("Balance at the start", "Below nought: -12.50"),
    "money_in_pence": Asked("Money that came in"),
    "spending_pence": Asked("Money spent"),
    "closing_balance_pence": Asked("Balance at the end", "Below nought: -12.50"),
    "query_code": Asked("What is the question?"),
    "interim_arrangement": Asked("How is the person supported meanwhile?"),
    "review_on": Asked("On which day is it to be reviewed?"),
    "retainer_weekly_pence": Asked(
        "How much is still paid a week?", "Leave it empty if nothing is."
    ),
    "expires_on": Asked(
        "What is its last day?", "Leave it empty if it lasts until someone resumes payments."
    ),
    "arrears_due": Asked("Is what was held back owed as well?"),
    "lines": Asked("Allocation line"),
    "weekly_budget_pence": Asked(
        "The whole budget a week", "If you give it, all lines must add up to it."
    ),
    "line_reference": Asked("Allocation line"),
    "line_references": Asked("Which allocation lines?", "Choose none for all of them."),
    "weekly_pence": Asked("How much a week?"),
    "deployment": Asked("How is it delivered?"),
    "cost_centre": Asked("Cost centre"),
    "at_own_request": Asked("Did the person ask for it?"),
    "basis": Asked("How is the contribution collected?"),
    "full_cost": Asked("Does the person pay the full cost?"),
    "order": Asked(
        "Against which deliveries, in which order?",
        "One on each line, such as direct_payment. Leave it empty for lines paid to a payee only.",
    ),
    "invoice_reference": Asked("Reference of the invoice"),
    "receipt_reference": Asked("Reference of the receipt"),
    "amount_pence": Asked("Amount"),
    "clawback_reference": Asked("Clawback"),
    "cause_code": Asked("Why is money asked back?"),
    "respond_by": Asked("Until when may the person answer?"),
    "recovery": Asked("How does it come back?"),
    "instalment_pence": Asked(
        "How much is taken from each payment?", "Only if it is taken from payments."
    ),
    "per_payment_pence": Asked(
        "At most how much from each payment?", "0.00 takes nothing for now; empty: no cap."
    ),
    "payee_reference": Asked("Account details"),
    "override_reason": Asked(
        "Why are they right all the same?", "Only if confirmation of payee did not confirm them."
    ),
    "case_reference": Asked("Estate case"),
    "reported_by": Asked("Who reported the death?"),
    "payment_reference": Asked("Payment"),
    "died_on": Asked("On which day did the recipient die?", "Only if it was the recipient."),
    "person_reference": Asked("Reference of who acts", "As your care system has it."),
    "kind": Asked("How is it so?"),
    "organisation_reference": Asked("Which organisation?", "Its reference, such as OPENDOOR."),
    "facts": Asked("What may it see?"),
    "given_by": Asked("Who says so?"),
    "user_name": Asked("Whose interest is it?", "The name that what they do is recorded under."),
    "provider_reference": Asked("Which provider?", "Its reference, such as SUNRISE."),
    "need": Asked("Need", "Such as personal care"),
    "funding_stream": Asked("Who funds it?", "Such as social care, or nhs"),
    "starts_on": Asked("First day"),
    "ends_on": Asked("Last day", "Leave it empty until further notice."),
    "one_off_pence": Asked("Or how much once?", "Paid once, on the first day."),
    "chargeable": Asked(
        "Can the person’s contribution be set against it?",
        "NHS money, section 117 after-care and carers’ support are free whatever you say.",
    ),
}
"""What each argument asks for, by its name."""

ASKED_OF: dict[tuple[str, str], Asked] = {
    ("close", "effective_on"): Asked("What is the budget’s last day?"),
    ("end-allocation", "effective_on"): Asked("What is the line’s last day?"),
    ("open", "effective_on"): Asked("From which day is it open?"),
    ("sign-agreement", "effective_on"): Asked("On which day was it signed?"),
    ("suspend-payments", "effective_on"): Asked("From which day are they suspended?"),
    ("resume-payments", "effective_on"): Asked("From which day are they paid again?"),
    ("propose-resumption", "effective_on"): Asked("From which day should they be paid again?"),
    ("submit-spend-return", "effective_on"): Asked("On which day was it sent in?"),
    ("resume-payments", "reason_code"): Asked("Which suspension ends?"),
    ("propose-resumption", "reason_code"): Asked("Which suspension ends?"),
    ("offer-direct-payment", "reason_code"): Asked(
        "On which ground in law is it refused?", "Only if a direct payment was refused."
    ),
    ("request-spend-return", "return_reference"): Asked("Reference of the spend return"),
    ("propose-clawback", "clawback_reference"): Asked("Reference of the clawback"),
    ("appoint-representative", "kind"): Asked("As what do they act?"),
    ("declare-interest", "kind"): Asked("Which interest is it?"),
    ("grant-access", "ends_on"): Asked("What is the last day?", "At most a year on."),
    ("open-estate-case", "case_reference"): Asked("Reference of the estate case"),
}
"""The same where a command asks for it in words of its own."""

ANSWERS: dict[str, str] = {
    "net": "taken off the payment",
    "gross": "invoiced separately",
    "status": "whether payments are being made, without amounts",
    "status_and_amounts": "the same, and how much the next payment is",
    "excluded": "refused: not permitted in law",
    "repayment": "the person pays it back",
    "deduction": "by instalments from payments",
    **RETURN_REASONS,
}
"""Answers that are more than their code in words."""

GROUNDS = [(code, f"{words(code)} ({source})") for code, source in LAWFUL_EXCLUSIONS.items()]
"""The grounds on which a direct payment may be refused."""


def asked(command: str, argument: str) -> Asked:
    """What a command's form asks for one argument."""
    return ASKED_OF.get((command, argument), ASKED.get(argument, Asked(argument)))


def answer(code: str) -> str:
    """One answer to choose, in words."""
    return begun(ANSWERS.get(code) or words(code))
