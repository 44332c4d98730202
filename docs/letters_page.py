"""The page of letters: what makes one, what makes none and why, and where each stands."""

from __future__ import annotations

from docs.markdown import code, page, table
from ledger.aggregates.event_sourced import TOPICS
from ledger.letters.telling import KINDS, NO_LETTER
from ledger.outbox.register import STATES


def letters_page() -> str:
    """The kinds of letter, the events without one, and the states."""
    without = [
        (f"[{TOPICS[event]}](events.md#{TOPICS[event].replace('.', '')})", why)
        for event, why in NO_LETTER.items()
    ]
    return page(
        "Letters",
        "Every kind of event either makes a letter to the person or is listed here with the "
        "reason why it makes none. [How to send letters](../how-to/send-letters.md).",
        "What one person recorded on a budget at one moment is one letter. What is recorded with "
        "the opening of a budget, as when a caseload is brought in, makes none. Nobody is written "
        "to under the name of someone who has died.",
        "## What makes a letter",
        table(("Kind", "When"), [(code(kind), when) for kind, when in KINDS.items()]),
        "## What makes none",
        table(("Event", "Why not"), without),
        "## Where a letter stands",
        table(("State", "Meaning"), [(code(state), what) for state, what in STATES.items()]),
    )
