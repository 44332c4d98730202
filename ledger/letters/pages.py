"""A letter to hand on: as a page to read or print, and as plain text for who sends it on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from ledger.documents import Council, page
from ledger.letters.letter import Letter
from ledger.private import Private
from ledger.projections.words import day
from ledger.statements.wording import pounds

if TYPE_CHECKING:
    from jinja2 import Template

GIVE_THE_NUMBER = "Tell us this number when you get in touch."
NOT_A_BENEFIT = "A care direct payment is money for your care and support. It is not a benefit."


class Envelope(Private, frozen=True, kw_only=True):
    """Whom one letter goes to, and what of them it shows. `account_ending` is four digits."""

    letter_reference: str
    name: str
    address: tuple[str, ...] = ()
    account_ending: str = ""
    large_print: bool = False


def facts(letter: Letter, envelope: Envelope) -> list[tuple[str, str]]:
    """The facts that stand apart, the account among them."""
    known = [fact for part in letter.parts for fact in part.facts]
    if letter.payee_reference and envelope.account_ending:
        known.insert(2, ("Account", f"the one ending {envelope.account_ending}"))
    return known


def to_do(letter: Letter) -> list[str]:
    """What the person is asked to do, each thing once."""
    return list(dict.fromkeys(step for part in letter.parts for step in part.to_do))


def disagree(letter: Letter) -> str:
    """How to disagree, each way once; nothing where there is no decision to disagree with."""
    return " ".join(dict.fromkeys(part.disagree for part in letter.parts if part.disagree))


# --- HTML -------------------------------------------------------------------------------------


def letter_html(letter: Letter, council: Council, envelope: Envelope) -> str:
    """The letter as a page: one file, no script, nothing fetched, for screen and A4."""
    return _template().render(
        letter=letter,
        council=council,
        envelope=envelope,
        facts=facts(letter, envelope),
        to_do=to_do(letter),
        disagree=disagree(letter),
        give_the_number=GIVE_THE_NUMBER,
        not_a_benefit=NOT_A_BENEFIT,
    )


@cache
def _template() -> Template:
    return page("letter.html", pounds=pounds, day=day)


class Written(msgspec.Struct, frozen=True):
    """One advice of a cycle that was written to a file, as the index names it."""

    budget_reference: str
    payment_reference: str
    amount_pence: int
    file_name: str
    large_print: bool
    reachable: bool


def index_html(cycle_reference: str, council: Council, written: Iterable[Written]) -> str:
    """The page that lists the advices of a cycle, for whoever prints them. It names nobody."""
    rows = list(written)
    return _index().render(
        cycle=cycle_reference,
        council=council,
        rows=rows,
        total_pence=sum(row.amount_pence for row in rows),
    )


@cache
def _index() -> Template:
    return page("advices.html", pounds=pounds)


# --- plain text -------------------------------------------------------------------------------


def letter_text(letter: Letter, council: Council, envelope: Envelope) -> str:
    """All that the page says below its greeting, in the marks of GOV.UK Notify.

    A heading begins with "# " and an item of a list with "* "; there are no tables.
    """
    return "\n\n".join(_blocks(letter, council, envelope))


def _blocks(letter: Letter, council: Council, envelope: Envelope) -> Iterator[str]:
    for number, part in enumerate(letter.parts):
        if number:
            yield f"# {part.subject}"
        yield from part.paragraphs
        if part.listed:
            yield _list(part.listed)
        yield from part.afterwards
    known = facts(letter, envelope)
    if known:
        yield _list(f"{name}: {what}" for name, what in known)
    for part in letter.parts:
        if part.table is not None:
            yield f"# {part.table.caption}"
            rows = [(f"{r.what}, {r.detail}", r.amount_pence) for r in part.table.rows]
            rows.append((part.table.total, part.table.total_pence))
            yield _list(f"{what}: {pounds(pence)}" for what, pence in rows)
    if steps := to_do(letter):
        yield "# What to do"
        yield _list(steps)
    if how := disagree(letter):
        yield "# If you disagree"
        yield f"{how} {council.complaints}"
    yield "# If you have a question"
    if council.ways:
        yield _list(f"{name}: {way}" for name, way in council.ways)
    else:
        yield "Get in touch with the council."
    yield f"Your personal budget is {letter.budget_reference}. {GIVE_THE_NUMBER}"
    yield NOT_A_BENEFIT


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"* {item}" for item in items)
