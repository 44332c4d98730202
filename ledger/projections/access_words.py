"""What was done about who acts, who may look and who may not act, in plain English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.aggregates import consents, interests, representatives
from ledger.aggregates.event_sourced import Event
from ledger.projections.words import day, words

_SEES = {
    "status": "how the account stands, without amounts",
    "status_and_amounts": "how the account stands, with amounts",
}
_HAS = {
    "own_budget": "it is their own",
    "acts_for_recipient": "they act for the recipient",
    "relative": "it is a relative’s",
}

ACCESS_SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    representatives.RepresentativeAppointed: lambda e: (
        f"{e.person_reference} acts for the recipient from {day(e.effective_on)}, "
        f"as {'an' if e.kind[0] == 'a' else 'a'} {words(e.kind)}."
    ),
    representatives.RepresentativeEnded: lambda e: (
        f"{e.person_reference} no longer acts for the recipient."
    ),
    consents.AccessGranted: lambda e: (
        f"The {'recipient' if e.given_by == 'recipient' else 'person acting for the recipient'} "
        f"lets {e.organisation_reference} see {_SEES[e.facts]}, from {day(e.effective_on)} to "
        f"{day(e.ends_on)}."
    ),
    consents.AccessRevoked: lambda e: (
        f"{e.organisation_reference} may no longer see how the account stands."
    ),
    interests.InterestDeclared: lambda e: (
        f"{e.user_name} has an interest in this budget ({_HAS[e.kind]}) and may not act on it."
    ),
    interests.InterestEnded: lambda e: f"{e.user_name} no longer has an interest in this budget.",
}
"""What each kind of event about access says."""
