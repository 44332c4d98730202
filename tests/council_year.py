"""A made-up council's year of payment cycles, and how each of them must tie to the penny."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from sqlalchemy import func, select

from ledger.aggregates.cycle_events import CycleLine
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank.bacs_reader import BacsFile, read_bacs
from ledger.bank_file import working_days
from ledger.bank_reports import import_report
from ledger.dates import Period
from ledger.file_looks import bank_file
from ledger.last_cycle import differences_of
from ledger.payment_run import approve_cycle, issue_cycle, settle_cycle
from ledger.projections.finance import finance_totals
from ledger.projections.journal import Postings
from ledger.projections.suspense import Suspense, suspense
from ledger.statements.breakdown import breakdown_of
from ledger.statements.statement import Statement, statement_of
from tests.bank_reports import Refused, Returned, arucs_xml, input_report_xml
from tests.council_life import NET_WEEKLY, Life
from tests.given import cycle_period
from tests.main_job import says
from tests.providers import SUNRISE, new_account

DETAILS_WRONG, DIED, ACCOUNT_CLOSED, ASKED_FOR = "0128", "2128", "B128", "C128"
"""Why payments come back, as the report has it."""


class CouncilYear:
    """The cycles of one council. `bank_pence` is what the bank paid and sent back, added up from
    the files and the reports themselves, to be set against what the ledger says."""

    def __init__(self, ledger: Ledger, rng: random.Random, life: Life) -> None:
        self.ledger, self.rng, self.life = ledger, rng, life
        self.last_pence = 0
        self.bank_pence = 0
        self.sent_back_together = 0
        self.causes: set[str] = set()
        self.exceptions = Counter[str]()

    # --- a cycle that was prepared --------------------------------------------------------

    def approve(self, number: int) -> PaymentCycle:
        """Bob looks at what changed since the last cycle, which ties, and approves."""
        reference = cycle_period(number).starts_on.isoformat()
        found = differences_of(self.ledger, reference)
        assert found.was_pence == self.last_pence
        by_cause = sum(one.difference_pence for one in found.causes)
        assert self.last_pence + by_cause == found.now_pence
        assert sum(one.now_pence for one in found.budgets) == found.now_pence
        self.last_pence = found.now_pence
        self.causes |= {one.cause for one in found.causes}
        approve_cycle(
            self.ledger,
            reference,
            total_pence=found.now_pence,
            lines_sha256=found.now.lines_sha256,
            said=says("bob", cycle_period(number).starts_on - timedelta(days=13)),
        )
        cycle = self.ledger.cycle(reference)
        self.exceptions.update(exception.code for exception in cycle.exceptions)
        return cycle

    def send(self, cycle: PaymentCycle) -> BacsFile:
        """Carol has the file made; it is read back from its bytes."""
        assert cycle.prepared is not None
        made_on = cycle.prepared.period.starts_on - timedelta(days=12)
        issue_cycle(self.ledger, cycle.reference, created_on=made_on, said=says("carol", made_on))
        return read_bacs(bank_file(self.ledger, cycle.reference))

    def refuse(self, cycle: PaymentCycle) -> None:
        """Bacs does not take the file; nothing left, and another is made of the same payments."""
        self._answer(self.ledger.cycle(cycle.reference), cycle.lines, accepted=False)

    def pay(self, cycle: PaymentCycle, lost: Sequence[CycleLine]) -> None:
        """The bank takes the file but for some payments, and pays on the pay date."""
        self._answer(self.ledger.cycle(cycle.reference), lost)
        assert cycle.prepared is not None
        settle_cycle(self.ledger, cycle.reference, said=says("dave", cycle.prepared.pay_on))
        self.bank_pence -= cycle.prepared.total_pence - sum(line.amount_pence for line in lost)

    def send_back(self, number: int, back: Sequence[CycleLine]) -> None:
        """Five days later some money comes back: wrong details, one recalled, one a death."""
        *wrong, recalled, dead = back
        first = cycle_period(number).starts_on
        day, later = first + timedelta(days=2), first + timedelta(days=4)
        codes = [DETAILS_WRONG] * len(wrong) + [ASKED_FOR, DIED]
        items = [
            Returned(line.payment_reference, line.amount_pence, code)
            for line, code in zip(back, codes, strict=True)
        ]
        report = arucs_xml(self.ledger.settings.bacs_service_user_number, items, day)
        for who in ("carol", "dave"):  # twice, as happens
            import_report(self.ledger, report, says(who, day))
        self.bank_pence += sum(item.amount_pence for item in items)
        self.life.tell(recalled.budget_reference, "refund_payment", "carol", later,
                       payment_reference=recalled.payment_reference)  # fmt: skip
        self.life.decide_death(
            number, dead.budget_reference, dead.payment_reference, first + timedelta(days=1)
        )

    def send_back_credit(self, number: int, cycle: PaymentCycle) -> None:
        """A provider's account was closed: its credit comes back, and another account is verified.

        What each person was paid with it is held, and sent again together."""
        lines = [line for line in cycle.lines if line.provider_reference == SUNRISE]
        pence = sum(line.amount_pence for line in lines)
        day = cycle_period(number).starts_on + timedelta(days=2)
        item = Returned(lines[0].bulk_reference, pence, ACCOUNT_CLOSED)
        sun = self.ledger.settings.bacs_service_user_number
        import_report(self.ledger, arucs_xml(sun, [item], day), says("carol", day))
        self.bank_pence += pence
        new_account(self.ledger, SUNRISE, "80000099", day + timedelta(days=1))
        self.sent_back_together = len(lines)

    def correct(self, number: int, lines: Iterable[CycleLine]) -> None:
        """Other account details, by which a later cycle sends the money again by itself.

        One person takes a month to answer, so that the next cycle pays them nothing."""
        slow, *others = (line.budget_reference for line in lines)
        for reference in others:
            self.life.new_account(reference, cycle_period(number).starts_on + timedelta(days=3))
        self.life.later[number + 1].append(
            lambda first: self.life.new_account(slow, first + timedelta(days=3))
        )

    def some_to_go_wrong(self, cycle: PaymentCycle) -> list[CycleLine]:
        """Payments of budgets to which nothing else happened or will."""
        steady = [line for line in cycle.lines if line.budget_reference in self.life.steady]
        lines = self.rng.sample(steady, 7)
        for line in lines:
            del self.life.steady[line.budget_reference]
        return lines

    def _answer(
        self, cycle: PaymentCycle, lost: Sequence[CycleLine], *, accepted: bool = True
    ) -> None:
        """Carol brings in the input report on the file that was sent last."""
        issued = cycle.require_issued()
        pence = sum(line.amount_pence for line in lost)
        taken = (issued.record_count - len(lost), issued.total_pence - pence)
        report = input_report_xml(
            self.ledger.settings.bacs_service_user_number,
            issued.submission_serial,
            accepted=taken if accepted else (0, 0),
            rejected=None if accepted else (issued.record_count, issued.total_pence),
            processing_on=issued.processing_on,
            errors=[Refused(line.payment_reference, line.amount_pence) for line in lost]
            if accepted
            else [],
            message="" if accepted else "FILE REJECTED",
        )
        import_report(self.ledger, report, says("carol", issued.processing_on))

    # --- to the penny ---------------------------------------------------------------------

    def tie(self, cycle: PaymentCycle, file: BacsFile, lost: Sequence[CycleLine]) -> None:
        """Run total = file total = postings = statements; what did not arrive is in suspense."""
        assert cycle.prepared is not None
        total, pay_on = cycle.prepared.total_pence, cycle.prepared.pay_on
        lost_pence = sum(line.amount_pence for line in lost)
        assert sum(line.amount_pence for line in cycle.lines) == total
        assert file.credit_total_pence == sum(c.amount_pence for c in file.contras) == total
        in_run = Counter[str]()
        for line in cycle.lines:
            in_run[line.bulk_reference or line.payment_reference] += line.amount_pence
        assert {c.reference: c.amount_pence for c in file.credits} == in_run
        for provider in {line.provider_reference for line in cycle.lines} - {""}:
            broken_down = breakdown_of(cycle, provider)
            together = sum(line.amount_pence for line in broken_down.lines)
            assert together == broken_down.totals.amount_pence == in_run[broken_down.bulk_reference]
        self.ledger.projections.catch_up()
        sums = _sums(finance_totals(self.ledger.engine, cycle.reference))
        assert sums["scheduled_pence"] == sums["issued_pence"] == total
        assert sums["confirmed_pence"] == total - lost_pence
        assert sums["rejected_pence"] == lost_pence
        assert self.posted("bank", pay_on, pay_on) == -(total - lost_pence)
        assert self.posted("payments_due") == 0, "all that was promised was paid or is held"
        stated = sum(made.totals.paid_pence for made in self.statements(Period(pay_on, pay_on)))
        assert stated == total - lost_pence
        self.held(pay_on)

    def held(self, day: date) -> Suspense:
        """Suspense at the end of a day, payment by payment as much as its account."""
        found = suspense(self.ledger.engine, day, working_days(self.ledger))
        assert found.difference_pence == 0
        return found

    def posted(self, account: str, first: date = date.min, last: date = date.max) -> int:
        """What stands on an account for some days, by the day things take effect."""
        p = Postings.table.c
        query = select(func.sum(p.amount_pence)).where(
            p.account == account, p.effective_on.between(first, last)
        )
        with self.ledger.engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def statements(self, period: Period) -> Iterator[Statement]:
        """Every budget's own statement for a period."""
        for reference in [budget.reference for budget in self.ledger.budgets()]:
            yield statement_of(reference, self.ledger.history(PersonalBudget, reference), period)

    def require_steady(self, number: int, cycle: PaymentCycle) -> None:
        """To whom nothing happened is paid four weeks exactly; who began, from the first day."""
        amounts = {line.budget_reference: line.amount_pence for line in cycle.lines}
        for reference, row in self.life.steady.items():
            weekly = (row.lines[0].weekly_pence or 0) - row.contribution_weekly_pence
            assert amounts[reference] == 4 * weekly, reference
        period = cycle_period(number)
        for reference, first in self.life.started.items():
            if first <= period.ends_on:
                weeks = ((period.ends_on - max(first, period.starts_on)).days + 1) // 7
                assert amounts[reference] == weeks * NET_WEEKLY, reference


def _sums(rows: Iterable[dict[str, object]]) -> Counter[str]:
    sums = Counter[str]()
    for row in rows:
        sums.update({name: value for name, value in row.items() if isinstance(value, int)})
    return sums
