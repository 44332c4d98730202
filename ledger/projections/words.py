"""Codes, days and reasons in the plain words that the audit, statements and letters share."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from ledger.dates import Period

RETURN_REASONS = {
    "0": "the account details are not valid",
    "2": "the account holder has died",
    "3": "the account was transferred",
    "5": "there is no such account",
    "B": "the account is closed",
    "C": "the council asked for it back",
}
"""What the Bacs ARUCS codes mean."""

REJECTION_REASONS = {
    "AC01": "the account details are not valid",
    "AC04": "the account is closed",
    "AC06": "the account is blocked",
    "AG01": "the account takes no such payments",
    "AM05": "it took it for a duplicate",
    "BE01": "the name is not that of the account holder",
    "MD07": "the account holder has died",
    "RC01": "there is no such sort code",
    "RR04": "of a regulation",
    "input_error": "of an error in what it was sent",
    "other": "of a reason of its own",
}
"""What the codes of a payment that the bank did not take mean, after "because"."""


@lru_cache(maxsize=4096)
def day(on: date) -> str:
    """A date as people write it: 6 April 2026."""
    return f"{on.day} {on:%B %Y}"


def from_to(period: Period) -> str:
    """The days of a period: 6 April 2026 to 3 May 2026."""
    return f"{day(period.starts_on)} to {day(period.ends_on)}"


def words(code: str) -> str:
    """A code as words, or its proper name."""
    return NAMES.get(code) or code.replace("_", " ")


def begun(text: str) -> str:
    """Words as a sentence begins; unlike `capitalize` it leaves the NHS as it is."""
    return text[:1].upper() + text[1:]


NAMES = {
    "care_act_2014": "Care Act 2014",
    "care_act_2014_carer": "Care Act 2014 as a carer",
    "children_act_1989_s17a": "Children Act 1989, section 17A",
    "mental_health_act_1983_s117": "Mental Health Act 1983, section 117",
    "nhs_act_2006": "National Health Service Act 2006",
    "nhs": "NHS",
}
"""Codes that are proper names."""
