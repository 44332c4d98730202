"""Writing letters that were noted: read from the log as it was, to whom the person now is.

A letter says what was known when its event was recorded, in today's words, and goes to today's
address. So two events of a month ago still make two letters, each true of its day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ledger.aggregates.event_sourced import stream_id
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.bank_file import working_days
from ledger.calendar_cycles import pay_calendar
from ledger.config import Settings
from ledger.contacts import ContactDetails
from ledger.dates import day_in_england
from ledger.documents import Council
from ledger.errors import BeyondBankHolidayData
from ledger.letters.advice import NextPayDay
from ledger.letters.letter import Letter
from ledger.letters.pages import Envelope, letter_html, letter_text
from ledger.letters.telling import Told, has_died, no_calendar, told
from ledger.outbox.reading import budget_stream, histories
from ledger.people import PayeeDetails, PersonDetails
from ledger.private import Private

ERASED = "The person was erased."
DIED = "The person has died."
NO_CONTACT = "No contact details are known."
WANTS_NONE = "The person wants no letters."
NOTHING = "There is nothing to tell."


class Noted(NamedTuple):
    """A letter to be written. An advice has a payment reference, any other letter none."""

    letter_reference: str
    budget_reference: str
    version: int
    payment_reference: str


class Finished(Private, frozen=True, kw_only=True):
    """A letter ready to go, or why it is not to go (`held_by`)."""

    letter_reference: str
    letter: Letter
    html: str
    text: str
    name: str
    contact: ContactDetails | None
    held_by: str = ""

    @property
    def channel(self) -> str | None:
        return self.contact.channel if self.contact else None


def finished(ledger: Ledger, noted: Sequence[Noted]) -> dict[str, Finished | str]:
    """Each letter by its reference, or why there is none: its person was erased."""
    letters, died = _told(ledger, noted)
    people, contacts, payees = _people_of(ledger, letters.values())
    council = council_of(ledger.settings)
    found: dict[str, Finished | str] = {}
    for one in noted:
        letter = letters.get(one.letter_reference)
        if letter is None:
            found[one.letter_reference] = NOTHING
        elif (person := people.get(letter.person_reference)) is None:
            found[one.letter_reference] = ERASED
        else:
            contact = contacts.get(letter.person_reference)
            payee = payees.get(letter.payee_reference)
            envelope = Envelope(
                letter_reference=one.letter_reference,
                name=person.name,
                address=contact.address if contact else (),
                account_ending=payee.account_number[-4:] if payee else "",
                large_print=contact is not None and contact.large_print,
            )
            found[one.letter_reference] = Finished(
                letter_reference=one.letter_reference,
                letter=letter,
                html=letter_html(letter, council, envelope),
                text=letter_text(letter, council, envelope),
                name=person.name,
                contact=contact,
                held_by=DIED if one.budget_reference in died else _held_by(contact),
            )
    return found


def _told(ledger: Ledger, noted: Iterable[Noted]) -> tuple[dict[str, Letter], set[str]]:
    """The letters by their references, and the budgets whose person has died since."""
    by_budget: defaultdict[str, list[Noted]] = defaultdict(list)
    for one in noted:
        by_budget[one.budget_reference].append(one)
    next_pay_day = next_pay_day_of(ledger)
    file_made_on = _file_made_on(ledger)
    letters: dict[str, Letter] = {}
    died: set[str] = set()
    for _, budget_reference, history in histories(ledger, map(budget_stream, by_budget)):
        wanted = by_budget[budget_reference]
        versions = {one.version for one in wanted if not one.payment_reference}
        payments = {one.payment_reference for one in wanted if one.payment_reference}
        found = told(budget_reference, history, versions, payments, next_pay_day)
        if has_died(found.budget):
            died.add(budget_reference)
        for one in wanted:
            letter = (
                _advice(found, one, file_made_on)
                if one.payment_reference
                else found.letters.get(one.version)
            )
            if letter is not None:
                letters[one.letter_reference] = letter
    return letters, died


def _advice(found: Told, noted: Noted, file_made_on: Callable[[str, int], date]) -> Letter | None:
    """An advice, of the day on which its bank file was made."""
    advice = found.advices.get(noted.payment_reference)
    if advice is None:
        return None
    cycle_reference = found.budget.payments[noted.payment_reference].cycle_reference
    made_on = file_made_on(cycle_reference, noted.version)
    return msgspec.structs.replace(advice, on=made_on)


def _file_made_on(ledger: Ledger) -> Callable[[str, int], date]:
    """The day in England on which an event of a cycle was recorded, by reference and version."""
    events: Any = ledger.events  # the library's own type knows nothing of ours

    @lru_cache(maxsize=64)
    def recorded_on(cycle_reference: str, version: int) -> date:
        stream = stream_id(PaymentCycle.STREAM, cycle_reference)
        (issued,) = events.get(stream, gt=version - 1, lte=version)
        return day_in_england(issued.event.recorded_at)

    return recorded_on


def _people_of(
    ledger: Ledger, letters: Iterable[Letter]
) -> tuple[dict[str, PersonDetails], dict[str, ContactDetails], dict[str, PayeeDetails]]:
    letters = list(letters)
    persons = {letter.person_reference for letter in letters}
    payees = {letter.payee_reference for letter in letters} - {""}
    return (
        ledger.people.persons(persons),
        ledger.contacts.of(persons),
        ledger.people.payees(list(payees)),
    )


def _held_by(contact: ContactDetails | None) -> str:
    if contact is None:
        return NO_CONTACT
    return WANTS_NONE if contact.channel == "none" else ""


def council_of(settings: Settings) -> Council:
    """Who writes."""
    return Council(
        settings.council_name,
        settings.council_address,
        settings.council_phone,
        settings.council_email,
        settings.council_complaints,
    )


def next_pay_day_of(ledger: Ledger) -> NextPayDay:
    """The pay day after a pay day by the council's pay calendar; None where it has none."""
    calendar = pay_calendar(ledger.settings)
    if calendar is None:
        return no_calendar
    days = working_days(ledger)

    @lru_cache(maxsize=64)
    def following(pay_on: date) -> date | None:
        try:
            pay_days = (calendar.pay_on(period, days) for period in calendar.periods())
            return next((day for day in pay_days if day > pay_on), None)
        except BeyondBankHolidayData:
            return None

    return following
