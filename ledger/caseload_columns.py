"""The columns of a caseload file: what each means, and how its cells are read.

The reference page for councils is made from `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ledger.accounts import parse_account_name, parse_account_number, parse_sort_code
from ledger.csv_reading import (
    code,
    day,
    one_of,
    pounds,
    pounds_above_nought,
    reference,
    words,
)

LEGAL_BASES = (
    "care_act_2014",
    "care_act_2014_carer",
    "children_act_1989_s17a",
    "mental_health_act_1983_s117",
    "nhs_act_2006",
)
SUPPORT_REASONS = (
    "physical_access_mobility",
    "physical_personal_care",
    "sensory_visual",
    "sensory_hearing",
    "sensory_dual",
    "memory_cognition",
    "learning_disability",
    "mental_health",
    "social_substance_misuse",
    "social_asylum_seeker",
    "social_isolation_other",
)
DEPLOYMENTS = (
    "direct_payment",
    "managed_account",
    "individual_service_fund",
    "council_managed",
    "provided_service",
)
CONTRIBUTION_BASES = ("net", "gross")
PAYEE_TYPES = ("recipient", "nominated_person", "authorised_person", "managed_account")
RETURN_FREQUENCIES = ("none", "monthly", "quarterly", "six_monthly", "annual")


class CaseloadColumn(NamedTuple):
    """One column: `of` is "budget" where it repeats on each row and must agree, else "line"."""

    name: str
    of: str
    meaning: str
    read: Callable[[str], Any]
    required: bool = True
    allowed: tuple[str, ...] = ()
    field: str = ""  # its name in CaseloadBudget or CaseloadLine, where that is another


def _codes(name: str, of: str, meaning: str, allowed: tuple[str, ...]) -> CaseloadColumn:
    return CaseloadColumn(name, of, meaning, one_of(allowed), allowed=allowed)


_C = CaseloadColumn
COLUMNS: tuple[CaseloadColumn, ...] = (
    _C("budget_reference", "budget", "The budget's own reference: A-Z 0-9 - /.", reference),
    _C("recipient_reference", "budget", "The person whose budget it is: A-Z 0-9 - /.", reference),
    _C("recipient_name", "budget", "Their name, at most 140 characters.", words(140)),
    _C("date_of_birth", "budget", "Their date of birth, not after start_date.", day),
    _codes("legal_basis", "budget", "The power the budget is made under.", LEGAL_BASES),
    _codes("support_reason", "budget", "The primary support reason.", SUPPORT_REASONS),
    _C("start_date", "budget", "First day of the direct payment.", day, field="starts_on"),
    _C("paid_to", "budget", "Last day already paid by the previous system.", day, False),
    _C("agreement_version", "budget", "Which agreement was signed, at most 20 long.", words(20)),
    _C("agreement_signed_on", "budget", "The day it was signed.", day),
    _C("need", "line", "What the money is for: a code such as personal_care.", code),
    _C("funding_stream", "line", "Whose money: a code such as social_care, nhs, joint.", code),
    _codes("deployment", "line", "How the line is delivered.", DEPLOYMENTS),
    _C(
        "weekly_amount", "line", "Pounds a week; blank for a one-off.", pounds_above_nought, False,
        field="weekly_pence",
    ),
    _C(
        "one_off_amount", "line", "Pounds once; blank for a weekly line.", pounds_above_nought,
        False, field="one_off_pence",
    ),
    _C("line_start_date", "line", "First day, not before start_date.", day, field="starts_on"),
    _C("line_end_date", "line", "Last day; blank if none.", day, False, field="ends_on"),
    _C("cost_centre", "line", "Ledger code; blank is an exception later.", words(40), False),
    _C(
        "contribution_weekly", "budget", "Pounds a week the person pays; 0.00 is allowed.", pounds,
        field="contribution_weekly_pence",
    ),
    _codes("contribution_basis", "budget", "Paid net or gross of it.", CONTRIBUTION_BASES),
    _C("contribution_from", "budget", "The day this contribution takes effect.", day),
    _codes("payee_type", "budget", "Who holds the account.", PAYEE_TYPES),
    _C("account_name", "budget", "Name on the account, at most 140.", parse_account_name),
    _C("sort_code", "budget", "Six digits, with or without hyphens.", parse_sort_code),
    _C("account_number", "budget", "Eight digits; six or seven are padded.", parse_account_number),
    _codes("return_frequency", "budget", "How often spending is returned.", RETURN_FREQUENCIES),
)  # fmt: skip
FIELDS = {
    of: {column.name: column.field or column.name for column in COLUMNS if column.of == of}
    for of in ("budget", "line")
}
