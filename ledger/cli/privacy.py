"""A person and what is held about them: how long, who looked, holds, export and erasure."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.screen import Screen, moment
from ledger.cli.session import now, session_of
from ledger.erasure import HoldReason
from ledger.person_looks import PersonLookReason
from ledger.restricted import Ethnicity, RestrictedKind, in_words

if TYPE_CHECKING:
    from ledger.erasure import Hold

Person = Annotated[str, typer.Argument(metavar="REF", help="The person's reference.")]
Reason = Annotated[HoldReason, typer.Option(help="Why what is held must be kept.")]
What = Annotated[RestrictedKind, typer.Option(help="What it is about.")]


# --- how long, and for good -----------------------------------------------------------------


def retention(ctx: typer.Context, reference: Person) -> None:
    """Say how long what is held about a person is kept, and what stands against erasing them."""
    from ledger.erasure import erasure_of, retention_of

    session = session_of(ctx)
    with session.ledger() as ledger:
        erased = erasure_of(ledger, reference)
        found = None if erased else retention_of(ledger, reference)

    def show(screen: Screen) -> None:
        if erased is not None:
            screen.say(f"{reference} was erased at {_at(erased.erased_at)} by {erased.erased_by}.")
            return
        assert found is not None, "who was not erased is kept"
        screen.facts(
            ("Budgets", ", ".join(found.budgets) or "none"),
            ("Still open", ", ".join(found.open_budgets) or None),
            ("Last recorded", found.last_on),
            ("Kept to", found.kept_to),
        )
        rows = [_hold(hold) for hold in found.holds]
        columns = ("Hold", "Placed", "By", "Released", "By")
        screen.table(f"{len(rows)} legal hold(s)", columns, rows)

    session.answer({"erased": erased, "retention": found}, show)


def _hold(hold: Hold) -> tuple[str | None, ...]:
    released = None if hold.released_at is None else _at(hold.released_at)
    reason = hold.reason.replace("_", " ")
    return reason, _at(hold.placed_at), hold.placed_by, released, hold.released_by


def _at(recorded: str) -> str:
    return moment(datetime.fromisoformat(recorded))


def hold(ctx: typer.Context, reference: Person, reason: Reason) -> None:
    """Place a legal hold: the person is not erased while it stands."""
    from ledger.erasure import place_hold

    session = session_of(ctx)
    by = session.actor()
    with session.ledger() as ledger:
        place_hold(ledger, reference, reason, recorded_at=now(), recorded_by=by)
    session.answer(
        {"person_reference": reference, "reason": reason},
        lambda screen: screen.say(f"A legal hold on {reference} stands."),
    )


def release(ctx: typer.Context, reference: Person, reason: Reason) -> None:
    """Release a legal hold. That it stood, and who released it when, is kept."""
    from ledger.erasure import release_hold

    session = session_of(ctx)
    by = session.actor()
    with session.ledger() as ledger:
        release_hold(ledger, reference, reason, recorded_at=now(), recorded_by=by)
    session.answer(
        {"person_reference": reference, "reason": reason},
        lambda screen: screen.say(f"The legal hold on {reference} is released."),
    )


def erase(ctx: typer.Context, reference: Person) -> None:
    """Erase a person for good, once their time is over: their key is destroyed.

    The ledger and its totals stay; nothing that was sealed about the person opens again. Refused
    while a budget is open, a legal hold stands, or the time is not over.
    """
    from ledger import erasure

    session = session_of(ctx)
    by = session.actor()
    with session.ledger() as ledger:
        done = erasure.erase(ledger, reference, erased_at=now(), erased_by=by)

    def show(screen: Screen) -> None:
        screen.say(f"{reference} is erased.")
        screen.say(
            f"{done.bank_files} bank file(s) and {done.bank_reports} bank report(s) whose time was "
            "over were emptied."
        )
        screen.say("\nBackups made before today hold the key until they are destroyed in turn.")

    session.answer(done, show)


def export(
    ctx: typer.Context,
    reference: Person,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", dir_okay=False, help="A new zip file, for you alone to read."),
    ],
) -> None:
    """Write everything that is held about a person to a file, for them to read.

    A page and its letters and statements, and the same as JSON. Who exported it is recorded.
    """
    from ledger.subject_access import packed, record_export

    session = session_of(ctx)
    by, at = session.actor(), now()
    with session.ledger() as ledger:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                record_export(ledger, reference, exported_at=at, exported_by=by)
                file.write(packed(ledger, reference, at, by))
        except Exception:
            out.unlink()
            raise
    session.answer(
        {"person_reference": reference, "file": out},
        lambda screen: screen.say(f"Written to {out}. Look through it before you hand it on."),
    )


# --- what few may see -----------------------------------------------------------------------


def ethnicity(
    ctx: typer.Context,
    reference: Person,
    code: Annotated[Ethnicity, typer.Option(help="By the NHS data dictionary; Z: not stated.")],
) -> None:
    """Record a person's ethnicity as they describe it. Sealed; shown only to who looks."""
    from ledger.person_looks import record_ethnicity

    session = session_of(ctx)
    by = session.actor()
    with session.ledger() as ledger:
        record_ethnicity(ledger, reference, code, recorded_at=now(), recorded_by=by)
    session.answer(
        {"person_reference": reference},
        lambda screen: screen.say(f"The ethnicity of {reference} is recorded."),
    )


def look(
    ctx: typer.Context,
    reference: Person,
    what: What,
    reason: Annotated[PersonLookReason, typer.Option(help="Why you look.")],
) -> None:
    """Show what few may see of a person. Who looked, when and why is recorded first."""
    from ledger.person_looks import look_at_person

    session = session_of(ctx)
    by, at = session.actor(), now()
    with session.ledger() as ledger:
        found = look_at_person(
            ledger, reference, what=what, reason=reason, looked_at=at, looked_by=by
        )
    document = {"looked_at": at, "looked_by": by, "reason": reason, "found": found}

    def show(screen: Screen) -> None:
        rows = [
            (_at(fact.recorded_at), fact.recorded_by, fact.budget_reference, in_words(fact.value))
            for fact in found
        ]
        screen.table(what.replace("_", " ").capitalize(), ("Recorded", "By", "Budget", ""), rows)
        screen.say(f"\nRecorded: {by} looked ({reason.replace('_', ' ')}).")

    session.answer(document, show)


def looks(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Option(metavar="REF", help="At this person.")] = None,
) -> None:
    """List who looked at what few may see, or exported all of it; when and why."""
    from ledger.person_looks import person_looks_of

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = person_looks_of(ledger, person)

    def show(screen: Screen) -> None:
        rows = [
            (_at(seen.looked_at), seen.looked_by, seen.person_reference,
             seen.what.replace("_", " "), seen.reason.replace("_", " "))
            for seen in found
        ]  # fmt: skip
        screen.table(f"{len(rows)} look(s)", ("When", "Who", "Person", "What", "Why"), rows)

    session.answer({"looks": [seen._asdict() for seen in found]}, show)


def count(ctx: typer.Context, what: What) -> None:
    """Count people by what few may see of them; fewer than five are not said to be how many."""
    from ledger.person_looks import FEWEST, counted

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = counted(ledger, what)

    def show(screen: Screen) -> None:
        rows = [
            (in_words(value), f"fewer than {FEWEST}" if people is None else people)
            for value, people in found.items()
        ]
        screen.table(what.replace("_", " ").capitalize(), ("What", ">People"), rows)

    session.answer({"what": what, "counts": found}, show)


def add_to(person: typer.Typer) -> None:
    """`pbledger person retention` and so on."""
    for verb in (retention, hold, release, erase, export, ethnicity, look, looks, count):
        person.command(verb.__name__)(verb)
