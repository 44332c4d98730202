"""What changed from one cycle to the next, and why: every penny has one cause."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from ledger.aggregates.cycle_events import CycleException, CycleLine
from ledger.aggregates.light_cycles import PaidCycle
from ledger.application import Ledger
from ledger.cycle_differences import (
    CAUSES,
    BudgetDifference,
    CycleDifferences,
    biggest_first,
    cycle_differences,
)
from ledger.entitlement import EntitlementLine, LineKind
from ledger.errors import CycleNotFound, InvalidValue
from ledger.last_cycle import differences_of
from ledger.money import for_days
from ledger.statements.cycle_report import (
    HEADER,
    MOST_ON_A_PAGE,
    NAMES,
    WIDTH,
    differences_csv,
    differences_html,
    waterfall,
)
from tests.api import Api, an_api
from tests.given import cycle_period, days, on, pay_day, said
from tests.main_job import (
    a_busy_council,
    a_caseload,
    a_ledger,
    a_row,
    approve,
    paid_on,
    prepare,
    revise,
    run_cycle,
    take_in,
    tell_budget,
)
from tests.pbledger import Pbledger

GOLDEN = Path(__file__).parent / "golden" / "differences"
APRIL, MAY = cycle_period(1), cycle_period(2)


def owed(
    first: str,
    last: str,
    weekly: int = 31_000,
    kind: LineKind = "allocation",
    line: str = "personal_care",
    **facts: Any,
) -> EntitlementLine:
    """A line worked out at a weekly rate over some days."""
    run = days(first, last)
    return EntitlementLine(
        **{
            "kind": kind,
            "line_reference": line,
            "funding_stream": "social_care",
            "cost_centre": "S4100",
            "window": run,
            "amount_pence": for_days(weekly, (run.ends_on - run.starts_on).days + 1),
            "starts_on": run.starts_on,
            "ends_on": run.ends_on,
            "weekly_pence": weekly,
            **facts,
        }
    )


def put_right(pence: int, kind: LineKind = "allocation") -> EntitlementLine:
    """An adjustment for days paid before."""
    return owed("04-06", "05-03", 0, kind, amount_pence=pence, adjustment=True)


def pays(
    *lines: EntitlementLine, budget: str = "PB1", deducted: int = 0, reissued: int = 0
) -> CycleLine:
    """What a cycle pays a budget."""
    return CycleLine(
        budget_reference=budget,
        budget_version=1,
        payment_reference=f"DP{budget}{reissued}",
        payee_reference="payee-1",
        amount_pence=reissued or sum(line.amount_pence for line in lines) - deducted,
        lines=lines,
        deductions=(("CB1", deducted),) if deducted else (),
        reissue_of="DP1" if reissued else "",
    )


def noted(*codes: str, budget: str = "PB1") -> list[CycleException]:
    return [CycleException(code, budget) for code in codes]


IN_APRIL, IN_MAY = owed("04-06", "05-03"), owed("05-04", "05-31")


def one(was: Any, now: Any, noted_was: Any = (), noted_now: Any = ()) -> BudgetDifference:
    """The only budget's difference between two cycles."""
    was, now = ([x] if isinstance(x, CycleLine) else list(x) for x in (was, now))
    (found,) = cycle_differences(
        a_cycle("C2", now, noted_now), a_cycle("C1", was, noted_was)
    ).budgets
    return found


def why(difference: BudgetDifference) -> dict[str, int]:
    return {part.cause: part.amount_pence for part in difference.causes}


# --- one budget -------------------------------------------------------------------------------


def test_the_same_again_is_unchanged():
    found = one(pays(IN_APRIL), pays(IN_MAY))
    assert (found.outcome, found.difference_pence, found.causes) == ("unchanged", 0, ())


def test_a_new_rate_is_the_allocation_and_a_new_charge_the_contribution():
    was = pays(IN_APRIL, owed("04-06", "05-03", -14_000, "contribution"))
    now = pays(owed("05-04", "05-31", 32_000), owed("05-04", "05-31", -15_000, "contribution"))
    found = one(was, now)
    assert (found.outcome, found.difference_pence) == ("changed", 0)
    assert why(found) == {"allocation": 4_000, "contribution": -4_000}


def test_a_rate_that_rises_half_way_through_is_the_allocation_in_both_cycles():
    half = pays(owed("05-04", "05-17"), owed("05-18", "05-31", 33_000))
    assert why(one(pays(IN_APRIL), half)) == {"allocation": 4_000}
    after = pays(owed("06-01", "06-28", 33_000))
    assert why(one(half, after)) == {"allocation": 4_000}


def test_fewer_days_are_a_part_period_of_allocation_and_contribution_alike():
    was = pays(IN_APRIL, owed("04-06", "05-03", -14_000, "contribution"))
    now = pays(owed("05-04", "05-17"), owed("05-04", "05-17", -14_000, "contribution"))
    assert why(one(was, now)) == {"part_period": -2 * (31_000 - 14_000)}


def test_a_change_of_rate_and_of_days_at_once_are_told_apart():
    """The rate at the days now; the days at the old rate."""
    found = one(pays(owed("04-20", "05-03", 30_000)), pays(owed("05-04", "05-31", 33_000)))
    assert why(found) == {"allocation": 4 * 3_000, "part_period": 2 * 30_000}


def test_rounding_falls_to_the_days():
    found = one(pays(owed("04-06", "04-08", 10_000)), pays(owed("05-04", "05-08", 10_001)))
    assert found.difference_pence == 7_144 - 4_286
    assert why(found) == {"allocation": 1, "part_period": 2_857}


def test_a_line_that_begins_half_way_through_is_the_allocation_not_a_part_period():
    more = pays(IN_MAY, owed("05-18", "05-31", 7_000, line="day_care"))
    assert why(one(pays(IN_APRIL), more)) == {"allocation": 14_000}
    after = pays(owed("06-01", "06-28"), owed("06-01", "06-28", 7_000, line="day_care"))
    assert why(one(more, after)) == {"allocation": 14_000}


def test_a_contribution_that_begins_half_way_through_is_the_contribution():
    now = pays(IN_MAY, owed("05-18", "05-31", -7_000, "contribution"))
    assert why(one(pays(IN_APRIL), now)) == {"contribution": -14_000}


def test_recoding_a_line_is_no_change():
    recoded = owed("05-04", "05-31", funding_stream="nhs", cost_centre="N1")
    assert one(pays(IN_APRIL), pays(recoded)).outcome == "unchanged"


def test_arrears_are_more_days():
    found = one(pays(IN_APRIL), pays(owed("04-27", "05-03"), IN_MAY))
    assert why(found) == {"part_period": 31_000}


def test_a_suspension_takes_days_and_gives_a_retainer():
    now = pays(owed("05-04", "05-17"), owed("05-18", "05-31", 5_000, "retainer"))
    found = one(pays(IN_APRIL), now, noted_now=noted("suspended"))
    assert why(found) == {"suspension": 10_000 - 62_000}
    assert found.reasons == ("suspended",)
    back = one(now, pays(owed("06-01", "06-28")), noted_was=noted("suspended"))
    assert why(back) == {"suspension": 52_000}


def test_a_suspension_without_a_retainer_is_known_from_the_exception():
    now = pays(owed("05-04", "05-17"))
    assert why(one(pays(IN_APRIL), now, noted_now=noted("suspended"))) == {"suspension": -62_000}
    assert why(one(pays(IN_APRIL), now)) == {"part_period": -62_000}


def test_what_happens_once_comes_and_goes():
    now = pays(
        IN_MAY,
        put_right(-1_500),
        put_right(300, "contribution"),
        owed("05-10", "05-10", 0, "one_off", amount_pence=9_000),
        deducted=2_500,
    )
    happened = {"put_right": -1_200, "clawback": -2_500, "one_off": 9_000}
    assert why(one(pays(IN_APRIL), now)) == happened
    after = pays(owed("06-01", "06-28"))
    assert why(one(now, after)) == {cause: -pence for cause, pence in happened.items()}


def test_money_sent_again_stands_beside_the_payment():
    found = one(pays(IN_APRIL), [pays(IN_MAY), pays(reissued=66_820)])
    assert (found.was_pence, found.now_pence) == (124_000, 190_820)
    assert why(found) == {"reissue": 66_820}


def test_a_new_budget_is_a_first_payment_or_was_kept_out_last_time():
    found = one([], pays(IN_MAY), noted_now=noted("first_payment"))
    assert (found.outcome, why(found), found.reasons) == (
        "new",
        {"started": 124_000},
        ("first_payment",),
    )
    again = one([], pays(IN_MAY), noted("payee-not-verified", "return_overdue"))
    assert (why(again), again.reasons) == ({"started": 124_000}, ("payee-not-verified",))
    resumed = one([], pays(IN_MAY), noted("suspended"))
    assert why(resumed) == {"suspension": 124_000}


STOPPED = {
    "budget-is-closed": "stopped",
    "ended": "stopped",
    "payee-not-verified": "stopped",
    "nothing_due": "stopped",
    "suspended": "suspension",
    "negative": "put_right",
}


@pytest.mark.parametrize("code", STOPPED)
def test_a_stopped_budget_says_why(code):
    found = one(pays(IN_APRIL), [], noted_now=noted(code, "payment_returned"))
    assert (found.outcome, found.reasons) == ("stopped", (code,))
    assert why(found) == {STOPPED[code]: -124_000}


def test_a_one_off_that_is_over_is_no_end_of_weekly_money():
    gift = pays(owed("04-10", "04-10", 0, "one_off", amount_pence=9_000))
    found = one(gift, [])
    assert (found.outcome, why(found)) == ("stopped", {"one_off": -9_000})


# --- two cycles -------------------------------------------------------------------------------


def a_cycle(reference: str, lines: list[CycleLine], exceptions: Any = ()) -> PaidCycle:
    """A prepared cycle of these lines."""
    period = APRIL if reference == "C1" else MAY
    cycle = PaidCycle(reference)
    cycle.prepare(
        period=period, pay_on=pay_day(period), lines=lines, exceptions=exceptions, **said()
    )
    return cycle


def ties(found: CycleDifferences) -> None:
    """Last total + changes = this total: by budget, by outcome and by cause."""
    assert found.was_pence + found.difference_pence == found.now_pence
    for parts in (found.budgets, found.outcomes, found.causes):
        assert sum(part.difference_pence for part in parts) == found.difference_pence
    for total in found.causes:
        assert total.rises_pence + total.falls_pence == total.difference_pence
        assert total.rises_pence >= 0 >= total.falls_pence
        together = sum(budget.by_cause(total.cause) for budget in found.budgets)
        assert together == total.difference_pence
    assert sum(budget.was_pence for budget in found.budgets) == found.was_pence
    assert sum(budget.now_pence for budget in found.budgets) == found.now_pence
    for budget in found.budgets:
        assert budget.was_pence + budget.difference_pence == budget.now_pence
        assert sum(part.amount_pence for part in budget.causes) == budget.difference_pence
        assert all(part.amount_pence for part in budget.causes)


def two_cycles() -> CycleDifferences:
    """One budget of each kind, April against May."""

    def april(n: int) -> CycleLine:
        return pays(IN_APRIL, budget=f"PB{n}")

    may = IN_MAY
    was = [*(april(n) for n in range(1, 9)), pays(IN_APRIL, put_right(2_000), budget="PB9")]
    now = [
        pays(may, budget="PB1"),
        pays(owed("05-04", "05-31", 32_000), budget="PB2"),
        pays(may, owed("05-04", "05-31", -5_000, "contribution"), budget="PB3"),
        pays(owed("05-04", "05-14"), budget="PB4"),
        pays(owed("05-04", "05-17"), owed("05-18", "05-31", 5_000, "retainer"), budget="PB5"),
        pays(may, put_right(-1_234), budget="PB6", deducted=2_500),
        pays(may, owed("05-10", "05-10", 0, "one_off", amount_pence=45_000), budget="PB7"),
        pays(may, budget="PB9"),
        pays(reissued=124_000, budget="PB9"),
        pays(owed("05-11", "05-31", 20_000), budget="=PB10"),
    ]
    exceptions = [
        *noted("suspended", budget="PB5"),
        *noted("ended", budget="PB4"),
        *noted("budget-is-closed", "ended", budget="PB8"),
        *noted("first_payment", budget="=PB10"),
    ]
    return cycle_differences(a_cycle("C2", now, exceptions), a_cycle("C1", was))


def test_two_cycles_tie():
    found = two_cycles()
    ties(found)
    assert {total.outcome: total.budget_count for total in found.outcomes} == {
        "new": 1,
        "stopped": 1,
        "changed": 7,
        "unchanged": 1,
    }
    assert {total.cause for total in found.causes} == set(CAUSES)
    assert [b.budget_reference for b in biggest_first(found.budgets)][:2] == ["PB8", "PB9"]
    only = biggest_first(found.budgets, "clawback")
    assert [b.budget_reference for b in only] == ["PB6"]


def test_the_first_cycle_of_all_is_all_new():
    found = cycle_differences(a_cycle("C1", [pays(IN_APRIL)]), None)
    ties(found)
    assert (found.was, found.was_pence, found.now_pence) == (None, 0, 124_000)
    assert [total.outcome for total in found.outcomes] == ["new"]


def test_a_cycle_prepared_again_pays_what_was_listed_last():
    cycle = a_cycle("C2", [pays(IN_MAY), pays(IN_MAY, budget="PB2")], noted("suspended"))
    lines = [pays(owed("05-04", "05-31", 32_000))]
    cycle.prepare(period=MAY, pay_on=pay_day(MAY), lines=lines, exceptions=(), **said())
    found = cycle_differences(cycle, a_cycle("C1", [pays(IN_APRIL)]))
    ties(found)
    assert [(b.budget_reference, why(b)) for b in found.budgets] == [("PB1", {"allocation": 4_000})]
    assert found.budgets[0].reasons == ()


KINDS: tuple[LineKind, ...] = ("allocation", "allocation", "contribution", "retainer", "one_off")


@st.composite
def any_line(draw: st.DrawFn, first: date) -> EntitlementLine:
    """Any line a cycle could have, and some that it could not."""
    kind: LineKind = draw(st.sampled_from(KINDS))
    starts_on = first + timedelta(days=draw(st.integers(0, 34)) - 7)
    ends_on = starts_on + timedelta(days=draw(st.integers(0, 27)))
    weekly = draw(st.integers(1, 99_999)) * (-1 if kind == "contribution" else 1)
    facts: dict[str, Any] = {}
    if kind == "one_off" or draw(st.integers(0, 4)) == 0:
        facts = {"amount_pence": draw(st.integers(-50_000, 50_000)), "weekly_pence": 0}
        facts["adjustment"] = kind != "one_off"
    line = draw(st.sampled_from(("a", "b")))
    return owed(starts_on.isoformat(), ends_on.isoformat(), weekly, kind, line, **facts)


@st.composite
def any_payments(draw: st.DrawFn, first: date) -> list[CycleLine]:
    payment = st.builds(
        lambda budget, lines, deducted, reissued: (
            pays(budget=budget, reissued=reissued)
            if reissued
            else pays(*lines, budget=budget, deducted=deducted)
        ),
        st.sampled_from([f"PB{n}" for n in range(6)]),
        st.lists(any_line(first), max_size=5),
        st.sampled_from((0, 0, 1, 2_500)),
        st.sampled_from((0, 0, 0, 66_820)),
    )
    return draw(st.lists(payment, max_size=8))


ANY_NOTED = st.lists(
    st.builds(
        lambda code, n: CycleException(code, f"PB{n}"),
        st.sampled_from(("suspended", "ended", "negative", "first_payment", "budget-is-closed")),
        st.integers(0, 5),
    ),
    max_size=6,
)


@settings(max_examples=100)
@for_all(any_payments(APRIL.starts_on), any_payments(MAY.starts_on), ANY_NOTED, ANY_NOTED)
def test_causes_always_add_up_whatever_was_paid(was, now, noted_was, noted_now):
    found = cycle_differences(a_cycle("C2", now, noted_now), a_cycle("C1", was, noted_was))
    ties(found)
    back = cycle_differences(a_cycle("C1", was, noted_was), a_cycle("C2", now, noted_now))
    ties(back)
    assert back.difference_pence == -found.difference_pence


@for_all(
    rates=st.tuples(st.integers(1, 99_999), st.integers(1, 99_999)),
    run=st.tuples(st.integers(1, 28), st.integers(1, 28)),
)
def test_rate_and_days_are_each_to_the_penny_what_they_say(rates, run):
    def paid(first: date, rate: int, number: int) -> CycleLine:
        last = first + timedelta(days=number - 1)
        return pays(owed(first.isoformat(), last.isoformat(), rate))

    found = one(paid(APRIL.starts_on, rates[0], run[0]), paid(MAY.starts_on, rates[1], run[1]))
    causes = why(found)
    by_rate, by_days = causes.get("allocation", 0), causes.get("part_period", 0)
    assert abs(7 * by_rate - (rates[1] - rates[0]) * run[1]) <= 7, "a penny at most"
    assert abs(7 * by_days - rates[0] * (run[1] - run[0])) <= 10, "a penny and a half at most"
    if run[0] == run[1]:
        assert by_days == 0
    if rates[0] == rates[1]:
        assert by_rate == 0


# --- to hand on -------------------------------------------------------------------------------


def pence(pounds: str) -> int:
    """Pence from a cell of a CSV."""
    return int(pounds.replace(".", "") or 0)


@pytest.mark.parametrize("name", ["two_cycles.csv", "two_cycles.html", "first_cycle.html"])
def test_the_document_is_the_golden_file(name):
    made = two_cycles()
    if name.startswith("first"):
        made = cycle_differences(a_cycle("C1", [pays(IN_APRIL)]), None)
    document = (
        differences_csv(made) if name.endswith("csv") else differences_html(made, "Example Council")
    )
    assert document.encode() == (GOLDEN / name).read_bytes()


def test_every_column_of_the_csv_adds_up_to_the_totals():
    made = two_cycles()
    rows = list(csv.DictReader(io.StringIO(differences_csv(made))))
    assert tuple(rows[0]) == HEADER
    assert rows[0]["budget"] == "'=PB10", "no spreadsheet calculates it"
    column = {name: sum(pence(row[name]) for row in rows) for name in HEADER[2:-1]}
    assert (column["was"], column["now"]) == (made.was_pence, made.now_pence)
    assert column["difference"] == made.difference_pence
    for total in made.causes:
        assert column[total.cause] == total.difference_pence


@settings(max_examples=50)
@for_all(any_payments(APRIL.starts_on), any_payments(MAY.starts_on))
def test_the_waterfall_stays_in_its_picture(was, now):
    bars = waterfall(cycle_differences(a_cycle("C2", now), a_cycle("C1", was)))
    assert (bars[0].name, bars[-1].name) == ("Last total", "This total")
    for bar in bars:
        assert bar.width >= 2
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert 0 <= bar.ends_at <= WIDTH


def test_a_page_lists_the_biggest_and_says_how_many_more():
    was = [pays(IN_APRIL, budget=f"PB{n:04d}") for n in range(MOST_ON_A_PAGE + 3)]
    now = [
        pays(owed("05-04", "05-31", 31_001 + n), budget=f"PB{n:04d}")
        for n in range(MOST_ON_A_PAGE + 3)
    ]
    page = differences_html(cycle_differences(a_cycle("C2", now), a_cycle("C1", was)), "X & Sons")
    assert page.count('scope="row">PB') == MOST_ON_A_PAGE
    assert "3 more are in the CSV" in page
    assert "X &amp; Sons" in page
    assert "PB0002" not in page, "the smallest are left out"
    assert "<script" not in page


def test_every_cause_has_a_name_and_a_meaning():
    assert NAMES.keys() == CAUSES.keys()


# --- in a ledger ------------------------------------------------------------------------------


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def suspend(ledger: Ledger, reference: str, day: str) -> None:
    tell_budget(
        ledger,
        reference,
        "suspend_payments",
        reason_code="hospital_stay",
        interim_arrangement="in_hospital_or_care_home",
        review_on=on("06-01"),
        effective_on=on(day),
    )


def test_april_against_may_in_a_small_council(ledger: Ledger):
    """Five budgets in April. By May one is dearer and put right from 20 April, one is charged
    more, one is closed, one is suspended, and one begins."""
    take_in(ledger, a_caseload(*(a_row(n) for n in range(1, 6)), a_row(6, starts_on=on("05-18"))))
    april = run_cycle(ledger, 1)
    revise(ledger, "PB000002", 32_000, "2026-04-20")
    tell_budget(
        ledger,
        "PB000003",
        "assess_contribution",
        weekly_pence=15_295,
        basis="net",
        effective_on=on("05-04"),
    )
    tell_budget(ledger, "PB000004", "close", reason_code="moved_away", effective_on=on("05-03"))
    suspend(ledger, "PB000005", "04-30")
    prepare(ledger, 2)

    found = differences_of(ledger, "C2026-02")
    ties(found)
    assert found.was is not None
    assert april.prepared is not None
    assert (found.was.reference, found.was_pence) == ("C2026-01", april.prepared.total_pence)
    four_weeks = 4 * (31_000 - 14_295)
    rows = {b.budget_reference: (b.outcome, why(b), b.reasons) for b in found.budgets}
    assert rows == {
        "PB000001": ("unchanged", {}, ()),
        "PB000002": ("changed", {"allocation": 4_000, "put_right": 2_000}, ()),
        "PB000003": ("changed", {"contribution": -4_000}, ()),
        "PB000004": ("stopped", {"stopped": -four_weeks}, ("budget-is-closed", "ended")),
        "PB000005": ("stopped", {"suspension": -four_weeks}, rows["PB000005"][2]),
        "PB000006": ("new", {"started": four_weeks // 2}, ("first_payment",)),
    }
    assert "suspended" in rows["PB000005"][2]


def test_the_last_cycle_is_the_regular_one_approved_for_an_earlier_period(ledger: Ledger):
    take_in(ledger, a_caseload(a_row(1), a_row(2)))
    prepare(ledger, 1)
    alone = differences_of(ledger, "C2026-01")
    assert alone.was is None
    assert [total.outcome for total in alone.outcomes] == ["new"]
    prepare(ledger, 2)
    assert differences_of(ledger, "C2026-02").was is None, "the first was never approved"
    approve(ledger, prepare(ledger, 1))
    approve(ledger, prepare(ledger, 2, reference="ONE", only=["PB000001"]))
    prepare(ledger, 3)
    last = differences_of(ledger, "C2026-03").was
    assert last is not None
    assert last.reference == "C2026-01", "an off-cycle run is passed over"
    named = differences_of(ledger, "C2026-03", against="ONE").was
    assert named is not None
    assert named.off_cycle
    with pytest.raises(CycleNotFound):
        differences_of(ledger, "C2026-03", against="NONE")
    with pytest.raises(InvalidValue):
        differences_of(ledger, "C2026-03", against="C2026-03")


def test_a_busy_council_ties(ledger: Ledger):
    a_busy_council(ledger, 60)
    found = differences_of(ledger, "C2026-02")
    ties(found)
    assert {t.cause for t in found.causes} >= {"stopped", "put_right", "clawback"}
    ties(differences_of(ledger, "C2026-02", against="C2026-01R"))
    prepare(ledger, 3, pay_on=paid_on(3))
    found = differences_of(ledger, "C2026-03")
    ties(found)
    assert found.was is not None
    assert found.was.reference == "C2026-02"


# --- the command line -------------------------------------------------------------------------


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path) -> Pbledger:
    """Two cycles; between them one budget was put up by £10.00 a week."""
    pbledger = Pbledger(database_url, tmp_path).with_cycle()
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    payment = pbledger.json("cycle lines C1")["lines"][0]
    line = next(owed for owed in payment["lines"] if owed["kind"] == "allocation")
    weekly = line["weekly_pence"] + 1_000
    pbledger.done(
        f"--as ann budget revise-allocation {payment['budget_reference']} "
        f"--line-reference {line['line_reference']} "
        f"--weekly {weekly // 100}.{weekly % 100:02d} --effective-on 2026-05-04"
    )
    pbledger.done("--as ann cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-01")
    return pbledger


def test_the_command_line_says_what_changed(pbledger: Pbledger, tmp_path: Path):
    assert "pbledger cycle differences C2" in pbledger.done("cycle show C2")
    text = pbledger.done("cycle differences C2")
    document = pbledger.json("cycle differences C2 --cause allocation")
    found = msgspec.convert(document, CycleDifferences)
    assert found.was is not None
    assert found.was.reference == "C1"
    assert 4_000 in {budget.by_cause("allocation") for budget in found.budgets}
    assert text.index("Last total") < text.index("By cause") < text.index("the biggest first")
    assert "allocation +£40.00" in pbledger.done("cycle differences C2 --cause allocation")
    backwards = pbledger.json("cycle differences C1 --against C2")
    assert backwards["difference_pence"] == -found.difference_pence

    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    assert "Written to" in pbledger.done(f"cycle differences C2 --csv {table} --html {page}")
    assert table.read_bytes().startswith(b"\xef\xbb\xbfbudget,outcome,was,now,")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert pbledger.done("cycle differences C2 --csv -").startswith("budget,outcome,")
    pbledger.misused("cycle differences C2 --csv - --html -")
    pbledger.misused("cycle differences C2 --cause weather")
    pbledger.refused("cycle-not-found", "cycle differences C9")
    pbledger.refused("cycle-not-found", "cycle differences C2 --against C9")


# --- over HTTP --------------------------------------------------------------------------------


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Three budgets in April; by May two are dearer, by £10.00 and £20.00 a week."""
    with an_api(database_url, tmp_path) as api:
        take_in(api.ledger, a_caseload(a_row(1), a_row(2), a_row(3)))
        run_cycle(api.ledger, 1)
        revise(api.ledger, "PB000002", 32_000, "2026-05-04")
        revise(api.ledger, "PB000003", 33_000, "2026-05-04")
        prepare(api.ledger, 2)
        yield api


def test_over_http_in_pages_as_csv_and_to_print(api):
    path = "/v1/cycles/C2026-02/differences"
    first = api.get(path, limit=1).done()
    assert first["was_pence"] + first["difference_pence"] == first["now_pence"]
    assert (first["was"]["reference"], first["difference_pence"]) == ("C2026-01", 12_000)
    assert [cause["cause"] for cause in first["causes"]] == ["allocation"]
    assert (first["budget_count"], first["next_after"]) == (2, 1)
    (dearest,) = first["budgets"]
    assert dearest == {
        "budget_reference": "PB000003",
        "outcome": "changed",
        "was_pence": 66_820,
        "now_pence": 74_820,
        "difference_pence": 8_000,
        "causes": [{"cause": "allocation", "amount_pence": 8_000}],
        "reasons": [],
    }
    second = api.get(path, limit=1, after=1).done()
    assert [b["budget_reference"] for b in second["budgets"]] == ["PB000002"]
    assert second["next_after"] is None
    assert api.get(path, cause="clawback").done()["budgets"] == []

    table = api.get(path, format="csv").done()
    assert table.type.startswith("text/csv")
    assert len(list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))) == 3
    page = api.get(path, format="html").done()
    assert page.type.startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"PB000003" in page.content

    backwards = api.get("/v1/cycles/C2026-01/differences", against="C2026-02").done()
    assert backwards["difference_pence"] == -12_000
    api.get("/v1/cycles/NONE/differences").refused("cycle-not-found", 404)
    api.get(path, against="NONE").refused("cycle-not-found", 404)
    assert api.get(path, cause="weather").status == 422
    assert api.get(path, against="C2026-02").status == 422
