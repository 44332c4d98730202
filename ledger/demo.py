"""`make demo`: the main job on a made-up council, from its caseload to an auditor's replay.

Every date and moment is fixed, so that it tells the same story every time. It calls what the
command line calls; what it leaves in `demo/` can be looked at with `pbledger` from there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from ledger.access.users import User
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payments import PaymentReissued, PaymentReturned
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.provider import Provider
from ledger.application import Ledger
from ledger.bank.bacs_reader import read_bacs
from ledger.bank.files import write_whole
from ledger.bank_file import working_days
from ledger.bank_reports import import_report
from ledger.caseload import read_caseload
from ledger.caseload_import import import_caseload, verify_payees
from ledger.cli.budget import show_events
from ledger.cli.cycle_shown import cycle_document, show_exceptions, show_kinds
from ledger.cli.screen import Screen, progress
from ledger.cli.suspense import show_suspense
from ledger.dates import Period, four_weekly
from ledger.demo_data import caseload_csv, returned_credit_xml
from ledger.demo_folder import REPORT, NotOurs, make_anew, settings_in
from ledger.demo_summary import CycleStory, Summary, View, summary_page
from ledger.demo_users import ALICE, BOB, CAROL, DEV, USERS, add_users
from ledger.demo_views import AS_OF, EARLIER, FIRST_PERIOD, REVISED, views
from ledger.file_looks import bank_file
from ledger.money import format_pounds as pounds
from ledger.payment_run import approve_cycle, issue_cycle, prepare_cycle, settle_cycle
from ledger.projections.audit import sentence
from ledger.projections.balances import all_balances
from ledger.projections.postings import ACCOUNTS
from ledger.projections.suspense import suspense
from ledger.providers import propose_provider_account, register_provider
from ledger.statements.breakdown import breakdown_of
from ledger.verification import Verification, verify_ledger

STEPS = 18
EXAMPLE = Path(__file__).parents[1] / "examples" / "caseload.csv"
FIRST, SECOND = "C2026-01", "C2026-02"
SECOND_PERIOD = four_weekly(date(2026, 5, 4))
RETURNED, SUSPENDED = "PB000025", "PB000046"
"""Budgets to which something happens between the two cycles, beside the one that is revised."""

PROVIDER = "SUNRISE"


def said(who: str, day: date, hour: int = 10, effective_on: date | None = None) -> Said:
    """What someone says in an hour of a day; it takes effect that day unless told."""
    return {
        "effective_on": effective_on or day,
        "recorded_at": datetime(day.year, day.month, day.day, hour, tzinfo=UTC),
        "recorded_by": who,
    }


class Replay(NamedTuple):
    """One budget as of a day, as it was known at two moments."""

    earlier: list[Recorded]
    later: list[Recorded]
    views: list[View]


class Demo:
    """The story, step by step, told on a screen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = settings_in(folder)
        self.screen = Screen()
        self.step_number = 0
        self.budgets = 0
        self.began = perf_counter()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step: said before it begins, timed when it is done."""
        self.step_number += 1
        self.screen.say(f"\n[{self.step_number:>2}/{STEPS}] {title}")
        began = perf_counter()
        yield
        self.screen.say(f"        done in {perf_counter() - began:.2f} s")

    def tell(self, sentence: str) -> None:
        self.screen.say(f"        {sentence}")

    # --- the first cycle ------------------------------------------------------------------

    def make(self) -> None:
        with self.step("Make a ledger (SQLite)"):
            make_anew(self.folder)
            self.tell(f"{self.folder / 'ledger.db'}, and its key in {self.folder / 'ledger.key'}")

    def users(self, ledger: Ledger) -> None:
        with self.step("Say who may sign in, and with which role"):
            add_users(ledger)
            self.tell(", ".join(f"{user.name} ({_roles(user)})" for user in USERS))

    def caseload(self, ledger: Ledger) -> None:
        with self.step("Import the council's caseload"):
            content = EXAMPLE.read_bytes() if EXAMPLE.exists() else caseload_csv(250, 1)
            caseload = read_caseload(content)
            with progress("Importing", len(caseload.budgets)) as bar:
                result = import_caseload(
                    ledger,
                    caseload,
                    recorded_at=datetime(2026, 3, 23, 9, tzinfo=UTC),
                    recorded_by=ALICE,
                    progress=bar,
                )
            self.budgets = result.opened
            self.tell(f"{result.opened} budgets opened by {ALICE}, whole or not at all")
        with self.step("Have the payees checked by a second person"):
            checked = verify_payees(ledger, references=None, said=said(BOB, date(2026, 3, 24)))
            self.tell(f"{checked.verified} accounts verified by {BOB}, who proposed none of them")

    def provider(self, ledger: Ledger) -> None:
        with self.step("Say which provider holds the individual service funds"):
            day = date(2026, 3, 25)
            register_provider(ledger, PROVIDER, "Sunrise Care Ltd", said=said(ALICE, day))
            _, account = propose_provider_account(
                ledger, PROVIDER, account_name="Sunrise client account",
                sort_code="99-99-62", account_number="90000062", said=said(ALICE, day),
            )  # fmt: skip
            checked = said(BOB, day, 15)
            ledger.change(
                Provider, PROVIDER, lambda p: p.verify_account(account_reference=account, **checked)
            )
            for budget in sorted(ledger.budgets(), key=lambda budget: budget.reference):
                if budget.has_service_fund:
                    held = said(ALICE, day, 16, effective_on=budget.terms.starts_on)
                    self.change(
                        ledger, budget.reference, "hold_service_fund", held,
                        provider_reference=PROVIDER,
                    )  # fmt: skip

    def prepare(
        self, ledger: Ledger, reference: str, period: Period, pay_on: date, on: date,
    ) -> PaymentCycle:  # fmt: skip
        title = f"Prepare {reference}: {period.starts_on} to {period.ends_on}, paid on {pay_on}"
        with self.step(title):
            with progress("Preparing", self.budgets) as bar:
                cycle = prepare_cycle(
                    ledger,
                    reference,
                    period=period,
                    pay_on=pay_on,
                    said=said(ALICE, on, 14),
                    progress=bar,
                )
            found = cycle_document(cycle)
            self.tell(f"{found['line_count']} payments, {pounds(found['total_pence'])}")
            show_kinds(self.screen, found["exceptions"])
            one_of_each = {e.code: e for e in reversed(cycle.exceptions)}
            examples = [one_of_each[code] for code in found["exceptions"]]
            show_exceptions(self.screen, "One of each kind", examples)
        return cycle

    def approve_and_issue(
        self, ledger: Ledger, cycle: PaymentCycle, approved_on: date, issued_on: date
    ) -> Path:
        assert cycle.prepared is not None, "it was prepared above"
        with self.step(f"Have {cycle.reference} approved by a second person; make the bank file"):
            approve_cycle(
                ledger,
                cycle.reference,
                total_pence=cycle.prepared.total_pence,
                lines_sha256=cycle.prepared.lines_sha256,
                said=said(BOB, approved_on),
            )
            seen = f"{pounds(cycle.prepared.total_pence)}, lines {cycle.prepared.lines_sha256[:12]}"
            self.tell(f"Approved by {BOB}, who stated what he looked at: {seen}")
            made = said(CAROL, issued_on)
            path = issue_cycle(ledger, cycle.reference, created_on=issued_on, said=made)
            self.tell(f"{path}: Bacs Standard 18, {path.stat().st_size:,} bytes")
            found = breakdown_of(cycle, PROVIDER)
            together = f"{len(found.lines)} people, {pounds(found.totals.amount_pence)}"
            self.tell(f"One credit of it is to {PROVIDER}, for {together}")
        return path

    def settle(self, ledger: Ledger, reference: str, on: date) -> None:
        with self.step(f"The bank pays {reference}; every payment is confirmed"):
            cycle = settle_cycle(ledger, reference, said=said(CAROL, on))
            self.tell(f"{reference} is {cycle.status}")
            if reference == SECOND:
                for recorded in ledger.history(PersonalBudget, RETURNED):
                    if isinstance(recorded.event, PaymentReturned | PaymentReissued):
                        self.tell(f"{RETURNED}: {sentence(recorded.event)}")
                self.suspense(ledger, on)

    # --- life goes on ---------------------------------------------------------------------

    def comes_back(self, ledger: Ledger) -> None:
        """A report of returned credits, brought in as a bank sends it."""
        with self.step("Bring in what the bank sends back: one account has been closed"):
            reference = next(iter(ledger.budget(RETURNED).payments))
            sent = read_bacs(bank_file(ledger, FIRST))
            path, day = self.folder / REPORT, date(2026, 4, 8)
            write_whole(path, returned_credit_xml(sent, reference, day))
            found = import_report(ledger, path.read_bytes(), said(CAROL, day))
            self.tell(f"{path}: {found.recorded_count} of {found.item_count} items recorded")
            self.suspense(ledger, day)

    def suspense(self, ledger: Ledger, on: date) -> None:
        ledger.projections.catch_up()
        show_suspense(self.screen, suspense(ledger.engine, on, working_days(ledger)))

    def between(self, ledger: Ledger) -> None:
        """Three things happen before the second cycle."""
        with self.step("Life goes on: another account, a backdated rise, a hospital stay"):
            _, payee = ledger.propose_payee(
                RETURNED,
                payee_type="recipient",
                account_name="A New Account",
                sort_code="99-99-61",
                account_number="90000061",
                said=said(ALICE, date(2026, 4, 9)),
            )
            self.tell(f"{RETURNED}: {ALICE} put other account details forward.")
            verified = said(BOB, date(2026, 4, 10))
            self.change(ledger, RETURNED, "verify_payee", verified, payee_reference=payee)
            self.change(
                ledger, REVISED, "revise_allocation",
                said(ALICE, date(2026, 4, 21), 15, effective_on=date(2026, 4, 13)),
                line_reference="personal_care.social_care", weekly_pence=35_100,
            )  # fmt: skip
            self.change(
                ledger, SUSPENDED, "suspend_payments",
                said(ALICE, date(2026, 4, 22), effective_on=date(2026, 4, 20)),
                reason_code="hospital_stay", interim_arrangement="in_hospital_or_care_home",
                review_on=date(2026, 5, 18),
            )  # fmt: skip

    def others(self, ledger: Ledger) -> None:
        """What the recipient, and who acts for another, see and do on pages of their own."""
        with self.step("Somebody acts for a recipient, and another lets a support service look"):
            day = date(2026, 4, 23)
            self.change(
                ledger, RETURNED, "appoint_representative", said(DEV, day),
                person_reference="R000250", kind="nominated_person",
            )  # fmt: skip
            self.change(
                ledger, REVISED, "grant_access", said("R000015", day),
                organisation_reference="OPENDOOR", ends_on=date(2027, 4, 22),
            )  # fmt: skip
            self.change(
                ledger, REVISED, "request_spend_return", said(CAROL, day),
                return_reference="SR1", period=Period(date(2026, 4, 6), date(2026, 7, 5)),
                due_on=date(2026, 8, 5),
            )  # fmt: skip

    def change(
        self, ledger: Ledger, reference: str, command: str, accompanied: Said, **facts: object
    ) -> None:
        before = ledger.budget(reference).version
        budget = ledger.change(
            PersonalBudget, reference, lambda b: getattr(b, command)(**facts, **accompanied)
        )
        for recorded in ledger.history(PersonalBudget, reference):
            if before < recorded.originator_version <= budget.version:
                self.tell(f"{reference}: {sentence(recorded.event)}")

    # --- looking back ---------------------------------------------------------------------

    def balances(self, ledger: Ledger) -> dict[str, int]:
        with self.step("Show the balances"):
            ledger.projections.catch_up()
            found = all_balances(ledger.engine)
            rows = [(name, pounds(pence), ACCOUNTS[name]) for name, pence in found.items()]
            rows.append(("Together", pounds(sum(found.values())), "Every entry has two sides."))
            columns = ("Account", ">Balance", "What it holds")
            self.screen.table("The whole ledger", columns, rows)
        return found

    def replay(self, ledger: Ledger) -> Replay:
        with self.step(f"Replay {REVISED} as of {AS_OF}, as known at two moments"):
            earlier, later = (
                [
                    recorded
                    for recorded in ledger.history(PersonalBudget, REVISED)
                    if recorded.event.effective_on <= AS_OF
                    and recorded.event.recorded_at <= known_at
                ]
                for known_at in (EARLIER, datetime(2026, 5, 1, 17, tzinfo=UTC))
            )
            show_events(self.screen, f"{REVISED}, all that is known now", later)
            self.screen.say()
            self.tell(f"On 17 April only the first {len(earlier)} of these had been recorded.")
            asked = list(views(ledger))
            rows = [tuple(view) for view in asked]
            columns = ("Asked", ">As known on 17 April", ">As known on 24 April")
            self.screen.table("The same question, asked at two moments", columns, rows)
            self.screen.say()
            self.tell("The rise was recorded on 21 April and took effect on 13 April: no earlier")
            self.tell("answer was edited, and the difference is in the second cycle as a line of")
            self.tell("its own.")
        return Replay(earlier, later, asked)

    def verify(self, ledger: Ledger) -> Verification:
        with self.step("Verify everything from the log"):
            with progress("Verifying", 2 * ledger.projections.status().head) as bar:
                found = verify_ledger(ledger, bar)
            for sentence in found.sentences():
                self.tell(sentence)
        return found


def run(folder: Path) -> Verification:
    """Tell the whole story in a folder. Raises `NotOurs` before touching anything."""
    demo = Demo(folder)
    demo.make()
    with Ledger(demo.settings) as ledger:
        demo.users(ledger)
        demo.caseload(ledger)
        demo.provider(ledger)
        first = demo.prepare(ledger, FIRST, FIRST_PERIOD, date(2026, 4, 2), date(2026, 3, 26))
        demo.approve_and_issue(ledger, first, date(2026, 3, 27), date(2026, 3, 30))
        demo.settle(ledger, FIRST, date(2026, 4, 2))
        demo.comes_back(ledger)
        demo.between(ledger)
        demo.others(ledger)
        second = demo.prepare(ledger, SECOND, SECOND_PERIOD, date(2026, 5, 1), date(2026, 4, 24))
        demo.approve_and_issue(ledger, second, date(2026, 4, 27), date(2026, 4, 28))
        demo.settle(ledger, SECOND, date(2026, 5, 1))
        balances = demo.balances(ledger)
        replay = demo.replay(ledger)
        verification = demo.verify(ledger)
        with demo.step("Write a summary to print or pass on"):
            summary = Summary(
                council=demo.settings.council_name,
                cycles=[CycleStory.of(ledger.cycle(name)) for name in (FIRST, SECOND)],
                balances=balances,
                budget=REVISED,
                history=replay.later,
                known_earlier=len(replay.earlier),
                views=replay.views,
                verification=verification,
            )
            page = folder / "summary.html"
            write_whole(page, summary_page(summary).encode())
            demo.tell(str(page))
    _what_next(demo)
    return verification


def _roles(user: User) -> str:
    return ", ".join(user.roles).replace("_", " ")


def _what_next(demo: Demo) -> None:
    demo.screen.say(f"\nAll done in {perf_counter() - demo.began:.1f} s. What to try next:\n")
    program = Path(sys.executable).with_name("pbledger")
    name = os.path.relpath(program, demo.folder) if program.exists() else "pbledger"
    for command in (
        f"cd {demo.folder}",
        f"{name} budget show {REVISED} --on 2026-04-20 --known-at 2026-04-17",
        f"{name} budget show {REVISED} --on 2026-04-20",
        f"{name} budget history {RETURNED}",
        f"{name} suspense --on 2026-04-20",
        f"{name} cycle breakdown {SECOND} --provider {PROVIDER}",
        f"{name} cycle exceptions {SECOND} --code amount_differs",
        f"{name} cycle totals {SECOND}",
        f"{name} --as you cycle prepare C2026-03 --from 2026-06-01 --pay-on 2026-05-29",
        f"{name} verify",
        f"{name} serve",
        f"{name} --help",
    ):
        demo.screen.say(f"  {command}")
    demo.screen.say(f"\nand open {demo.folder / 'summary.html'} in a browser.")


def main() -> None:
    """Run the demo in `demo/` under the current folder."""
    try:
        found = run(Path("demo"))
    except NotOurs as reason:
        sys.exit(str(reason))
    sys.exit(found.difference is not None)


if __name__ == "__main__":
    main()
