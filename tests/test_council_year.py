"""A council of 2,000 budgets lives through thirteen cycles and a year end, tied to the penny."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ledger.aggregates.cycle_events import CyclePrepared
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.bank_reports import import_report
from ledger.cycle_differences import CAUSES
from ledger.dates import Period
from ledger.jobs import JOBS
from ledger.projections.accounts import prior_period_adjustments, trial_balance
from ledger.verification import verify_ledger
from tests.bank_reports import Returned, arucs_xml
from tests.clocked_scheduler import ASKED
from tests.council_life import Life
from tests.council_year import CouncilYear
from tests.given import FIRST_DAY, cycle_period, on
from tests.main_job import close_accounts, says, settings_for
from tests.test_scheduler import RUNNING, WAITING, hear

SEED = int(os.environ.get("LEDGER_YEAR_SEED", random.SystemRandom().randrange(10**6)))
BUDGETS = int(os.environ.get("LEDGER_YEAR_BUDGETS", "2000"))
CYCLES = 13
LAST_TO_COME_BACK = 10  # so that by the end of the year all of it has been seen to
PROVIDER_CLOSED_ACCOUNT = 5
FILE_REFUSED = 8
SCHEDULER_KILLED = 6
BANK_HOLIDAY = date(2026, 10, 16)  # a Friday on which the eighth cycle would be paid
YEAR = Period(date(2026, 4, 1), date(2027, 3, 31))


@contextmanager
def a_council(database_url: str, folder: Path) -> Iterator[Ledger]:
    settings = settings_for(database_url, folder).model_copy(
        update={
            "pay_cadence": "four_weekly",
            "pay_calendar_from": FIRST_DAY,
            "added_bank_holidays": BANK_HOLIDAY.isoformat(),
            "hold_changed_payee": "one_cycle",
        }
    )
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        yield ledger


def due(number: int) -> datetime:
    """When the scheduler is to prepare a cycle: two weeks before its period."""
    day = cycle_period(number).starts_on - timedelta(days=14)
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


@pytest.mark.timeout(600)
def test_thirteen_cycles_and_a_year_end_tie_to_the_penny(database_url, tmp_path):
    print(f"LEDGER_YEAR_SEED={SEED}")
    rng = random.Random(SEED)
    with a_council(database_url, tmp_path) as ledger:
        life = Life(ledger, rng, BUDGETS)
        year = CouncilYear(ledger, rng, life)
        for number in range(1, CYCLES + 1):
            if number == SCHEDULER_KILLED:
                prepared_though_killed(ledger, tmp_path / "clock", due(number), rng)
            else:
                JOBS["prepare-cycles"].run(ledger, due(number))
            one_cycle(year, number)
            life.between(number)
        assert year.causes == set(CAUSES), "there was a bit of everything"
        assert year.sent_back_together > BUDGETS // 50
        sent_again = 5 * LAST_TO_COME_BACK + year.sent_back_together
        assert year.exceptions["payment_reissued"] == sent_again
        assert {"payee_held", "suspended", "ended", "negative"} <= year.exceptions.keys()
        assert {"payee-not-verified", "returned-payment-not-settled"} <= year.exceptions.keys()
        print(dict(year.exceptions))
        year_end(year)


def one_cycle(year: CouncilYear, number: int) -> None:
    """Approved, sent, paid; some comes back; and every sum there is of it is the same."""
    cycle = year.approve(number)
    assert cycle.prepared is not None
    if number == FILE_REFUSED:
        assert cycle.prepared.pay_on == BANK_HOLIDAY - timedelta(days=1)
        year.send(cycle)
        year.refuse(cycle)
    file = year.send(cycle)
    wrong = year.some_to_go_wrong(cycle) if number <= LAST_TO_COME_BACK else []
    lost, back = wrong[:2], wrong[2:]
    year.require_steady(number, cycle)
    year.pay(cycle, lost)
    year.tie(cycle, file, lost)
    if wrong:
        year.send_back(number, back)
        year.correct(number, wrong[:-2])
    if number == PROVIDER_CLOSED_ACCOUNT:
        year.send_back_credit(number, cycle)
    year.ledger.projections.catch_up()
    year.held(cycle_period(number).starts_on + timedelta(days=5))


# --- the scheduler --------------------------------------------------------------------------


def prepared_though_killed(
    ledger: Ledger, clock: Path, moment: datetime, rng: random.Random
) -> None:
    """Two schedulers run; the leader is killed, and its successor too, amidst preparing."""
    clock.write_text((moment - timedelta(days=1)).isoformat())
    with schedulers(ledger, clock) as start:
        leader = start()
        wait_for(leader, RUNNING)
        second = start()
        wait_for(second, WAITING)
        clock.write_text(moment.isoformat())
        leader.kill()
        died = time.monotonic()
        for _ in ("catch-up", "prepare-cycles"):
            wait_for(second, ASKED)
        assert time.monotonic() - died < 30
        third = start()
        time_to_live = rng.uniform(0, 0.5)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(time_to_live)
        second.kill()
        wait_for(third, RUNNING)
        third.send_signal(signal.SIGTERM)
    reference = cycle_period(SCHEDULER_KILLED).starts_on.isoformat()
    history = [recorded.event for recorded in ledger.history(PaymentCycle, reference)]
    assert sum(isinstance(event, CyclePrepared) for event in history) == 1


@contextmanager
def schedulers(ledger: Ledger, clock: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts schedulers whose clock is a file; none is left at the end."""
    given = {name: getattr(ledger.settings, name) for name in ledger.settings.model_fields_set}
    environment = {f"LEDGER_{name}".upper(): str(value) for name, value in given.items()}
    environment["LEDGER_SCHEDULER_RETRY_SECONDS"] = "1"
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.clocked_scheduler", str(clock)],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    while hear(process) != line:
        pass


# --- the year end ---------------------------------------------------------------------------


def year_end(year: CouncilYear) -> None:
    """The accounts are closed: they balance, agree with every statement, and stay as they are."""
    ledger, life = year.ledger, year.life
    ledger.projections.catch_up()
    assert year.held(YEAR.ends_on).items == (), "nothing is left in suspense"
    assert year.posted("bank") == year.bank_pence + life.received_pence
    paid = received = 0
    for made in year.statements(YEAR):
        paid += made.totals.paid_pence
        received += made.totals.received_pence
    assert (received - paid, received) == (year.posted("bank"), life.received_pence)
    close_accounts(ledger, YEAR.ends_on)
    ledger.projections.catch_up()
    closed = trial_balance(ledger.engine, YEAR.starts_on, YEAR.ends_on, by_funding=True)
    assert sum(row["closing_pence"] for row in closed) == 0
    bring_in_late(year)
    assert trial_balance(ledger.engine, YEAR.starts_on, YEAR.ends_on, by_funding=True) == closed
    april = (date(2027, 4, 1), date(2027, 4, 30))
    adjusted = prior_period_adjustments(ledger.engine, *april)
    assert {row["account"] for row in adjusted} == {"bank", "returned_payments"}
    assert verify_ledger(ledger).difference is None


def bring_in_late(year: CouncilYear) -> None:
    """A report of March is found in April, when the year is closed."""
    cycle = year.ledger.cycle(cycle_period(CYCLES).starts_on.isoformat())
    line, found_on = year.some_to_go_wrong(cycle)[0], on("2027-04-06")
    item = Returned(line.payment_reference, line.amount_pence)
    sun = year.ledger.settings.bacs_service_user_number
    import_report(year.ledger, arucs_xml(sun, [item], YEAR.ends_on), says("carol", found_on))
    year.ledger.projections.catch_up()
