"""The ledger: its store, its people, and how one aggregate is loaded, changed and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    Mapper,
    OperationalError,
)
from msgspec import Struct
from sqlalchemy import Engine, inspect

from ledger import database, migrations, store
from ledger.aggregates.bank_report import BankReport
from ledger.aggregates.event_sourced import EventSourced, Recorded, Said, stream_id
from ledger.aggregates.mass_change import MassChange
from ledger.aggregates.payees import PayeeSource, PayeeType
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Tried, tried
from ledger.aggregates.provider import Provider
from ledger.bank.confirmation_of_payee import provider
from ledger.commands import Command
from ledger.config import Settings
from ledger.contacts import Contacts
from ledger.errors import (
    BudgetNotFound,
    ConcurrentChange,
    CycleNotFound,
    LedgerNotInitialised,
    MassChangeNotFound,
    PersonAlreadyKnown,
    ProviderNotFound,
    Refusal,
    ReportNotFound,
    StoreUnavailable,
    VersionConflict,
)
from ledger.keyring import Keyring
from ledger.modulus_tables import ModulusTables
from ledger.payee_names import PayeeNames
from ledger.payee_proposals import Proposal
from ledger.people import People, PersonDetails
from ledger.projections import all_projections
from ledger.provider_details import ProviderDetails
from ledger.restricted import Restricted
from ledger.store import Beside, PostgresRecorder, SQLiteRecorder

TAggregate = TypeVar("TAggregate", bound=EventSourced)

ATTEMPTS = 5
_NOT_FOUND: dict[str, type[Refusal]] = {
    PersonalBudget.STREAM: BudgetNotFound,
    PaymentCycle.STREAM: CycleNotFound,
    MassChange.STREAM: MassChangeNotFound,
    BankReport.STREAM: ReportNotFound,
    Provider.STREAM: ProviderNotFound,
}


class Ledger(Application[UUID]):
    """One council's ledger. Use it as a context manager; it holds database connections."""

    name = "stored"  # the event table is `stored_events`, on both databases
    recorder: PostgresRecorder | SQLiteRecorder

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = database.connect(settings.database_url)
        if not _is_made(self.engine):
            self.engine.dispose()
            raise LedgerNotInitialised(
                f"There is no ledger in {self.engine.url!r} yet; run `pbledger init` first."
            )
        self.keyring = Keyring.of(settings)
        super().__init__(database.environment(settings.database_url))
        self.people = People(self.engine, self.keyring)
        self.payee_names = PayeeNames(self.people, provider(settings.confirmation_of_payee))
        self.contacts = Contacts(self.people)
        self.restricted = Restricted(self.people)
        self.provider_details = ProviderDetails(self.engine, self.keyring)
        self.modulus_tables = ModulusTables(self.engine)
        self.projections = all_projections(self.engine, self.recorder)

    @classmethod
    def initialise(cls, settings: Settings) -> None:
        """Make the key file, unless the key is a setting, and every table; what is there stays.

        All tables or none, and several processes may do it at once. On PostgreSQL run it as
        the owner of the tables, not as the application's role.
        """
        engine = database.connect(settings.database_url)
        # A ledger without its key file is not given a new key: nothing sealed would ever open.
        Keyring.of(settings, create=not _is_made(engine))
        with (
            database.factory(settings.database_url, cls.name) as made,
            database.initialising(engine) as connection,
        ):
            recorder: Any = made.application_recorder()
            recorder.create(connection)
            migrations.upgrade(connection)
            all_projections(engine, recorder).create(connection)
        engine.dispose()

    def construct_mapper(self) -> Mapper[UUID]:
        return store.EventMapper()

    def close(self) -> None:
        super().close()
        self.engine.dispose()

    # --- one aggregate --------------------------------------------------------------------

    def load(
        self, kind: type[TAggregate], reference: str, known_at: datetime | None = None
    ) -> TAggregate:
        """Fold one aggregate from its events, all of them or those known at a moment.

        Raises the refusal of that kind, such as `BudgetNotFound`.
        """
        found = self.find(kind, reference, known_at)
        if found is None:
            not_found = _NOT_FOUND[kind.STREAM]
            raise not_found(
                f"There is no {kind.STREAM.replace('-', ' ')} {reference}.", reference=reference
            )
        return found

    def find(
        self, kind: type[TAggregate], reference: str, known_at: datetime | None = None
    ) -> TAggregate | None:
        """The same, or None if there is no such aggregate."""
        history = self.history(kind, reference)
        known = (h for h in history if known_at is None or h.event.recorded_at <= known_at)
        return kind.project(None, known)

    def history(self, kind: type[EventSourced], reference: str) -> Iterator[Recorded]:
        """Every event of one aggregate in order; none if there is no such aggregate."""
        stream, after = stream_id(kind.STREAM, reference), 0
        while True:
            some = list(self.events.get(stream, gt=after, limit=kind.READ_AT_ONCE))
            yield from some  # type: ignore[misc]
            if len(some) < kind.READ_AT_ONCE:
                return
            after = some[-1].originator_version

    def budget(self, reference: str, known_at: datetime | None = None) -> PersonalBudget:
        """One personal budget, as known now or at a moment."""
        return self.load(PersonalBudget, reference, known_at)

    def cycle(self, reference: str) -> PaymentCycle:
        """One payment cycle."""
        return self.load(PaymentCycle, reference)

    def change(
        self,
        kind: type[TAggregate],
        reference: str,
        decide: Callable[[TAggregate], None],
        *,
        create: bool = False,
        expected_version: int | None = None,
        beside: Callable[[TAggregate, Sequence[Recorded]], Sequence[Beside]] | None = None,
        dry_run: bool = False,
    ) -> TAggregate:
        """Load, decide, save; if someone else saved first, do it again on what is there now.

        With `expected_version` nothing is repeated: `VersionConflict` if it has moved on.
        `beside` is given the aggregate and its new events, and makes the rows saved with them.
        With `dry_run` nothing is saved; the aggregate is returned as it would be.
        """
        for _ in range(ATTEMPTS):
            if create:
                aggregate = self.find(kind, reference) or kind(reference)
            else:
                aggregate = self.load(kind, reference)
            require_version(reference, aggregate.version, expected_version)
            decide(aggregate)
            events = aggregate.collect_events()
            if dry_run:
                return aggregate
            rows = list(beside(aggregate, events)) if beside else []
            if isinstance(aggregate, PersonalBudget) and (grounds := aggregate.collect_grounds()):
                rows.append(self.restricted.set_apart(aggregate, grounds, events))
            try:
                self.append(events, rows)
            except IntegrityError:
                continue
            return aggregate
        raise ConcurrentChange(f"{reference} is being changed by others; try again.")

    def give(self, command: Command, budget: PersonalBudget, arguments: Struct, said: Said) -> None:
        """Give a budget a command. A provider that it names must be there and not have ended."""
        provider_reference = getattr(arguments, "provider_reference", None)
        if provider_reference is not None:
            self.load(Provider, provider_reference).require_in_use(said["effective_on"])
        command.give(budget, arguments, said)

    def try_out(
        self,
        reference: str,
        decide: Callable[[PersonalBudget], None],
        on: date,
        *,
        create: bool = False,
        expected_version: int | None = None,
    ) -> Tried:
        """What commands taking effect on a day would do to a budget; nothing is recorded."""
        budget = self.find(PersonalBudget, reference)
        if budget is None:
            if not create:
                raise BudgetNotFound(f"There is no personal budget {reference}.")
            budget = PersonalBudget(reference)
        require_version(reference, budget.version, expected_version)
        return tried(budget, decide, on)

    def append(self, events: Sequence[Recorded], beside: Sequence[Beside] = ()) -> None:
        """Save events and rows in one transaction. `IntegrityError`: a stream moved on."""
        if not events and not beside:
            return
        try:
            self.recorder.insert_events(store.encoded(events), beside=beside)
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable(str(error)) from error

    # --- many aggregates ------------------------------------------------------------------

    def budgets(self, only: Iterable[str] | None = None) -> Iterator[PersonalBudget]:
        """Every budget (or those named), folded one at a time from one ordered read."""
        ids = None
        if only is not None:
            ids = [stream_id(PersonalBudget.STREAM, reference) for reference in only]
        yield from self._folded(PersonalBudget, ids)

    def providers(self) -> Iterator[Provider]:
        """Every provider, in no order."""
        references = self.provider_details.names()
        yield from self._folded(Provider, [stream_id(Provider.STREAM, r) for r in references])

    def other_budgets(self, known: Iterable[str]) -> Iterator[PersonalBudget]:
        """Every budget but those named."""
        named = {stream_id(PersonalBudget.STREAM, reference).hex for reference in known}
        streams = self.recorder.versions(PersonalBudget.STREAM)
        others = [UUID(stream) for stream in streams if stream not in named]
        yield from self._folded(PersonalBudget, others)

    def _folded(self, kind: type[TAggregate], ids: Sequence[UUID] | None) -> Iterator[TAggregate]:
        with closing(self.recorder.read_streams(kind.STREAM, ids)) as rows:
            for _, stream in groupby(rows, key=itemgetter(0)):
                aggregate: TAggregate | None = None
                for _, topic, state in stream:
                    event = store.decode(topic, state)
                    if aggregate is None:
                        aggregate = kind(event.reference)  # type: ignore[attr-defined]
                    aggregate.apply(event)
                assert aggregate is not None, "a group is never empty"
                yield aggregate

    # --- people and payees ----------------------------------------------------------------

    def register_person(
        self, details: PersonDetails, recorded_at: datetime, also: Sequence[Beside] = ()
    ) -> None:
        """Seal a person's name and date of birth; the same person again changes nothing.

        Raises `PersonAlreadyKnown` if the reference is another person's.
        """
        for _ in range(ATTEMPTS):
            if self.people.existing([details.person_reference]):
                if self.people.person(details.person_reference) != details:
                    raise PersonAlreadyKnown(
                        f"{details.person_reference} is already here with other details."
                    )
                rows = []
            else:
                rows = self.people.sealed_people([details], recorded_at)
            try:
                self.append([], [Beside("people", rows), *also])
            except IntegrityError:
                continue
            return
        raise ConcurrentChange(f"{details.person_reference} is being changed; try again.")

    def propose_payee(
        self,
        reference: str,
        *,
        sort_code: str,
        account_number: str,
        said: Said,
        payee_type: PayeeType | None = None,
        account_name: str | None = None,
        roll_number: str = "",
        source: PayeeSource = "person",
        expected_version: int | None = None,
        also: Callable[[PersonalBudget, Sequence[Recorded]], Sequence[Beside]] | None = None,
    ) -> tuple[PersonalBudget, str]:
        """Seal account details and propose them, in one transaction; returns their reference.

        The number is checked by the modulus table in force on the day of recording, and the name
        by confirmation of payee if a service is set. Type and name are those of the payee in use
        where they are left out: when the bank advises of another account
        (`source="bank_advice"`), they stay.
        """
        budget = self.budget(reference)
        require_version(reference, budget.version, expected_version)
        proposal = Proposal(
            self.people,
            self.payee_names,
            self.modulus_tables,
            budget,
            sort_code=sort_code,
            account_number=account_number,
            payee_type=payee_type,
            account_name=account_name,
            roll_number=roll_number,
            source=source,
            said=said,
        )
        proposal.ask(budget)
        budget = self.change(
            PersonalBudget,
            reference,
            proposal.decide,
            expected_version=expected_version,
            beside=lambda b, events: [*proposal.rows(), *(also(b, events) if also else ())],
        )
        return budget, proposal.details.payee_reference

    def load_modulus_table(
        self,
        weights: str,
        *,
        version: str,
        effective_from: date,
        substitutions: str | None,
        loaded_at: datetime,
        loaded_by: str,
    ) -> bool:
        """Keep a modulus weight table for good; False if the very same is here already.

        Raises `WeightTableUnreadable`, or `ModulusTableConflict` if the version is another's.
        """
        for _ in range(ATTEMPTS):
            row = self.modulus_tables.row(
                weights, version, effective_from, substitutions, loaded_at, loaded_by
            )
            if row is None:
                return False
            try:
                self.append([], [Beside("modulus_tables", [row])])
            except IntegrityError:
                continue
            return True
        raise ConcurrentChange("Modulus tables are being loaded by someone else; try again.")


def said(effective_on: date, recorded_at: datetime, recorded_by: str) -> Said:
    """What accompanies every command."""
    return {"effective_on": effective_on, "recorded_at": recorded_at, "recorded_by": recorded_by}


def require_version(reference: str, version: int, expected_version: int | None) -> None:
    """Refuse with `VersionConflict` what has moved on from the version that was looked at."""
    if expected_version is not None and version != expected_version:
        raise VersionConflict(
            f"{reference} is at version {version}, not {expected_version}.", version=version
        )


def _is_made(engine: Engine) -> bool:
    """Whether there is a ledger. Asking leaves nothing behind: SQLite would make an empty file."""
    path = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and not path.exists():
        if not path.parent.is_dir():
            raise StoreUnavailable(f"There is no folder {path.parent} for the ledger.")
        return False
    return inspect(engine).has_table("stored_events")
