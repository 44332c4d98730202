"""Days and codes as people write them, in every sentence that is made from events."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

NAMES = {
    "care_act_2014": "Care Act 2014",
    "care_act_2014_carer": "Care Act 2014 as a carer",
    "children_act_1989_s17a": "Children Act 1989, section 17A",
    "mental_health_act_1983_s117": "Mental Health Act 1983, section 117",
    "nhs_act_2006": "National Health Service Act 2006",
    "nhs": "NHS",
}
"""Codes that are proper names."""


@lru_cache(maxsize=4096)
def day(on: date) -> str:
    """A date as people write it: 6 April 2026."""
    return f"{on.day} {on:%B %Y}"


def words(code: str) -> str:
    """A code as words, or its proper name."""
    return NAMES.get(code) or code.replace("_", " ")
