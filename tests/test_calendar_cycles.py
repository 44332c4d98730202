"""Cycles from the pay calendar: prepared once and in order, whoever else is at it or is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from ledger.aggregates.cycle_events import CyclePrepared
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.calendar_cycles import (
    CycleStanding,
    calendar_outlook,
    outlook,
    pay_calendar,
    prepare_due_cycles,
)
from ledger.config import Settings
from ledger.dates import Period, england
from ledger.errors import ApproverPreparedCycle, InvalidValue, ReferenceUsedForOtherFacts
from ledger.pay_calendar import PayCalendar
from ledger.payment_run import cancel_cycle
from tests.given import FIRST_DAY, cycle_period, on
from tests.main_job import (
    a_caseload,
    a_row,
    approve,
    log_of,
    prepare,
    says,
    settings_for,
    take_in,
)
from tests.test_kill import Runner

ROOT = Path(__file__).parent.parent
SEED = int(os.environ.get("LEDGER_KILL_SEED", random.SystemRandom().randrange(10**6)))
CALENDAR = {"pay_cadence": "four_weekly", "pay_calendar_from": FIRST_DAY}
FIRST, SECOND, THIRD = "2026-04-06", "2026-05-04", "2026-06-01"


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{on(day)}T09:00:00+00:00").astimezone(UTC)


@contextmanager
def a_council(database_url: str, folder: Path, **settings: object):
    """Three budgets of £167.05 a week net, and a pay calendar of four weeks from 6 April."""
    with_calendar = settings_for(database_url, folder).model_copy(update=CALENDAR | settings)
    Ledger.initialise(with_calendar)
    with Ledger(with_calendar) as ledger:
        take_in(ledger, a_caseload(*(a_row(number) for number in (1, 2, 3))))
        yield ledger


def preparations(ledger: Ledger) -> dict[str, int]:
    """How often each cycle was prepared."""
    return Counter(
        recorded.event.reference
        for reference in (FIRST, SECOND, THIRD, "C2026-01")
        for recorded in ledger.history(PaymentCycle, reference)
        if isinstance(recorded.event, CyclePrepared)
    )


# --- the job ------------------------------------------------------------------------------


def test_a_due_period_is_prepared_once_and_anyone_may_approve_but_the_scheduler(
    database_url, tmp_path
):
    with a_council(database_url, tmp_path) as ledger:
        assert prepare_due_cycles(ledger, at("03-22")) == []
        assert prepare_due_cycles(ledger, at("03-23")) == [FIRST]
        assert prepare_due_cycles(ledger, at("03-23")) == []
        cycle = ledger.cycle(FIRST)
        assert cycle.status == "prepared"
        assert cycle.prepared is not None
        assert (cycle.prepared.period, cycle.prepared.pay_on) == (cycle_period(1), on("04-02"))
        assert cycle.prepared.total_pence == 3 * 4 * (31_000 - 14_295)
        with pytest.raises(ApproverPreparedCycle):
            approve(ledger, cycle, by="scheduler")
        assert approve(ledger, ledger.cycle(FIRST)).status == "approved"
        assert preparations(ledger) == {FIRST: 1}


def test_missed_runs_are_caught_up_in_order_each_with_its_own_money(database_url, tmp_path):
    """Three periods were missed. Each is prepared when the one before is approved, so that no
    money stands in two cycles and every preparation can be approved as it is."""
    with a_council(database_url, tmp_path) as ledger:
        today = at("05-20")
        totals = []
        for reference in (FIRST, SECOND, THIRD):
            assert prepare_due_cycles(ledger, today) == [reference]
            assert prepare_due_cycles(ledger, today) == []
            cycle = ledger.cycle(reference)
            assert cycle.prepared is not None
            totals.append(cycle.prepared.total_pence)
            approve(ledger, cycle)
        assert prepare_due_cycles(ledger, today) == []
        assert totals == [3 * 4 * (31_000 - 14_295)] * 3
        assert preparations(ledger) == {FIRST: 1, SECOND: 1, THIRD: 1}


@pytest.mark.parametrize(
    ("sent_as", "pay_on"),
    [
        ({}, "04-08"),  # two working days before the Thursday, over Easter
        ({"bank_file_format": "pain.001.001.09"}, "04-08"),
        ({"bank_file_format": "pain.001.001.09", "pain001_service_level": "URNS"}, "04-02"),
        ({"pain001_service_level": "URNS"}, "04-08"),  # of no account to a Bacs file
    ],
)
def test_a_cycle_that_is_late_pays_on_the_first_day_it_can(sqlite_url, tmp_path, sent_as, pay_on):
    with a_council(sqlite_url, tmp_path, **sent_as) as ledger:
        prepare_due_cycles(ledger, at("04-01"))
        prepared = ledger.cycle(FIRST).prepared
        assert prepared is not None
        assert prepared.pay_on == on(pay_on)


def test_cycles_of_other_people_are_left_alone(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        prepare(ledger, 1)  # Alice's own, C2026-01
        assert prepare_due_cycles(ledger, at("04-20")) == []
        approve(ledger, ledger.cycle("C2026-01"))
        assert prepare_due_cycles(ledger, at("04-20")) == [SECOND]
        assert preparations(ledger) == {"C2026-01": 1, SECOND: 1}


def test_a_rejected_cycle_waits_for_its_people_and_a_cancelled_one_for_nobody(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        prepare_due_cycles(ledger, at("03-23"))
        ledger.change(PaymentCycle, FIRST, lambda c: c.reject(reason_code="other", **says("bob")))
        assert prepare_due_cycles(ledger, at("04-20")) == []
        waits_for = calendar_outlook(ledger, on("04-20")).waits_for
        assert waits_for is not None
        assert (waits_for.reference, waits_for.status) == (FIRST, "rejected")
        cancel_cycle(ledger, FIRST, said=says("bob"))
        assert prepare_due_cycles(ledger, at("04-20")) == [SECOND]
        assert preparations(ledger) == {FIRST: 1, SECOND: 1}


def test_an_off_cycle_run_is_no_cycle_of_the_calendar(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        prepare(ledger, 1, reference="RUN-1", only=["PB000001"])
        assert prepare_due_cycles(ledger, at("03-23")) == [FIRST]


def test_an_off_cycle_run_that_took_the_reference_is_said(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        prepare(ledger, 1, reference=FIRST, only=["PB000001"])
        with pytest.raises(ReferenceUsedForOtherFacts, match="another reference"):
            prepare_due_cycles(ledger, at("03-23"))


def test_a_cycle_without_payments_holds_nothing_up(sqlite_url, tmp_path):
    with a_council(
        sqlite_url, tmp_path, pay_cadence="weekly", pay_calendar_from=on("03-23")
    ) as ledger:
        assert prepare_due_cycles(ledger, at("03-24")) == ["2026-03-23", "2026-03-30", FIRST]


def test_without_a_calendar_nothing_is_prepared(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path, pay_cadence="none") as ledger:
        assert prepare_due_cycles(ledger, at("06-30")) == []


def test_a_cadence_without_a_first_day_is_refused():
    with pytest.raises(InvalidValue, match="LEDGER_PAY_CALENDAR_FROM"):
        pay_calendar(Settings(_env_file=None, pay_cadence="weekly"))  # type: ignore[call-arg]


@pytest.mark.parametrize("pay_day", ["", "friday", "11", "-1", "1.5"])
def test_a_pay_day_is_a_friday_or_a_number_of_working_days(pay_day):
    with pytest.raises(ValueError, match="pay_day"):
        Settings(_env_file=None, pay_day=pay_day)  # type: ignore[call-arg]


# --- what is missing, apart from any ledger -------------------------------------------------


def standing(number: int, status: str, kind: str = "regular", lines: int = 3) -> CycleStanding:
    period = cycle_period(number)
    return CycleStanding(f"C{number}", kind, status, period, period.starts_on, lines)


@pytest.mark.parametrize(
    ("cycles", "missing", "waits_for"),
    [
        ([], [FIRST, SECOND, THIRD], None),
        ([standing(1, "prepared")], [SECOND, THIRD], "C1"),
        ([standing(1, "rejected")], [SECOND, THIRD], "C1"),
        ([standing(1, "prepared", lines=0)], [SECOND, THIRD], None),
        ([standing(1, "cancelled")], [SECOND, THIRD], None),
        ([standing(1, "approved")], [SECOND, THIRD], None),
        ([standing(2, "settled")], [THIRD], None),  # it paid what was owed before, too
        ([standing(1, "rejected"), standing(2, "issued")], [THIRD], None),
        ([standing(1, "approved", "off_cycle")], [FIRST, SECOND, THIRD], None),
        ([standing(9, "prepared")], [FIRST, SECOND, THIRD], "C9"),
    ],
)
def test_what_is_missing(cycles, missing, waits_for):
    due = PayCalendar("four_weekly", FIRST_DAY).due(on("06-01"), england())
    found = outlook(due, cycles)
    assert [one.reference for one in found.missing] == missing
    assert (found.waits_for and found.waits_for.reference) == waits_for


@pytest.mark.parametrize("cadence", ["weekly", "four_weekly", "calendar_monthly"])
def test_a_process_that_sleeps_at_random_prepares_every_period_once(cadence):
    """Two and a half years of hours, over every change of the clocks and 29 February."""
    rng = random.Random(SEED)
    calendar, working = PayCalendar(cadence, FIRST_DAY), england()
    cycles: list[CycleStanding] = []
    day = date(2026, 3, 1)
    while day < date(2028, 11, 1):
        for one in outlook(calendar.due(day, working), cycles).missing:
            cycles.append(
                CycleStanding(one.reference, "regular", "approved", one.period, one.pay_on, 1)
            )
        day += timedelta(days=rng.choice((0, 1, 1, 2, 40)))
    periods = [cycle.period for cycle in cycles]
    expected: list[Period] = list(islice(calendar.periods(), len(periods)))
    assert periods == expected
    assert len(periods) > 30


# --- killed, and two at once ----------------------------------------------------------------


@pytest.fixture(scope="module")
def runners() -> Iterator[list[Runner]]:
    """Three programs that each fork a process to run the job on 20 May; see tests/killable.py."""
    command = [sys.executable, "-m", "tests.killable"]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, bufsize=1)
            )
            for _ in range(3)
        ]
        yield [Runner(process) for process in made]
        for process in made:
            assert process.stdin is not None
            process.stdin.close()


def test_killed_anywhere_and_run_again_it_prepares_once(database_url, tmp_path, runners):
    rng, runner = random.Random(SEED), runners[0]
    with a_council(database_url, tmp_path) as ledger:
        runner.start("prepare due", database_url, tmp_path)
        assert runner.end() == 0
        approve(ledger, ledger.cycle(FIRST))
        boundaries = len(json.loads((tmp_path / "boundaries.json").read_text()))
        killed = 0
        for reference in (SECOND, THIRD):
            for kill_at in sorted(rng.sample(range(boundaries), 4)):
                runner.start("prepare due", database_url, tmp_path, kill_at)
                killed += runner.end() == -signal.SIGKILL
                assert preparations(ledger).get(reference, 0) <= 1
            prepare_due_cycles(ledger, at("05-20"))
            assert preparations(ledger)[reference] == 1
            approve(ledger, ledger.cycle(reference))
        assert sum(preparations(ledger).values()) == 3
        print(f"seed {SEED}, {killed} kills, {boundaries} boundaries")
        assert killed > 0


def test_processes_at_once_one_killed_prepare_once(database_url, tmp_path, runners):
    rng = random.Random(SEED)
    with a_council(database_url, tmp_path) as ledger:
        for reference in (FIRST, SECOND, THIRD):
            numbers = [runner.start("prepare due", database_url, tmp_path) for runner in runners]
            if not runners[0].ends_within(rng.uniform(0, 0.3)):
                os.kill(numbers[0], signal.SIGKILL)
            ended = [runner.end() for runner in runners]
            assert ended[1:] == [0, 0]
            assert preparations(ledger)[reference] == 1
            approve(ledger, ledger.cycle(reference))
        topics = Counter(row[3] for row in log_of(ledger))
        assert topics["payment-cycle.prepared.v1"] == 3
