"""A closed accounting period keeps its figures; the adjustment falls into the open one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from ledger.aggregates.accounting_periods import AccountingPeriodClosed, AccountingPeriods
from ledger.application import Ledger
from ledger.errors import (
    AccountingPeriodAlreadyClosed,
    AccountingPeriodNotOver,
    ReadTablesOutOfDate,
)
from ledger.projections import APPENDING, KEYED, Projections
from ledger.projections.accounts import (
    accounting_periods,
    prior_period_adjustments,
    trial_balance,
)
from ledger.projections.following import positions
from ledger.projections.journal import Postings
from ledger.projections.tables import read_tables
from ledger.store import decode
from tests.api import Api, an_api
from tests.given import given, on, replayed
from tests.main_job import (
    a_busy_council,
    a_ledger,
    close_accounts,
    example_caseload,
    log_of,
    rows_of,
    run_cycle,
    take_in,
    tell_budget,
)
from tests.pbledger import Pbledger

DAY = timedelta(days=1)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def with_a_clawback(ledger: Ledger, reference: str, pence: int = 10_000_000) -> None:
    """So that money can be received on any day at all: a debt that is never paid off."""
    said: dict[str, Any] = {"clawback_reference": "CB1"}
    tell_budget(ledger, reference, "propose_clawback", amount_pence=pence, cause_code="surplus",
                **said)  # fmt: skip
    tell_budget(ledger, reference, "notify_clawback", respond_by=on("04-20"), **said)
    tell_budget(ledger, reference, "confirm_clawback", amount_pence=pence, recovery="repayment",
                effective_on=on("04-21"), by="bob", **said)  # fmt: skip


def receive(ledger: Ledger, receipt: str, pence: int, day: date) -> None:
    """Money of the first budget's clawback came in on a day."""
    tell_budget(ledger, "PB000001", "receive_clawback", clawback_reference="CB1",
                receipt_reference=receipt, amount_pence=pence, effective_on=day)  # fmt: skip


@pytest.fixture
def council(ledger: Ledger) -> Ledger:
    """Three budgets, one cycle paid in April, and a debt on the first of them."""
    take_in(ledger, example_caseload(3))
    run_cycle(ledger, 1)
    with_a_clawback(ledger, "PB000001")
    return ledger


def of_days(ledger: Ledger, first: str, last: str, **asked: Any) -> list[dict[str, Any]]:
    ledger.projections.catch_up()
    return trial_balance(ledger.engine, on(first), on(last), **asked)


def earlier(ledger: Ledger, first: str, last: str, **asked: Any) -> list[dict[str, Any]]:
    ledger.projections.catch_up()
    return prior_period_adjustments(ledger.engine, on(first), on(last), **asked)


# --- the command --------------------------------------------------------------------------


def test_a_period_that_is_over_is_closed():
    given(AccountingPeriods()).when(
        "close", closed_to=on("04-30"), effective_on=on("05-05"), by="fay"
    ).then(AccountingPeriodClosed, closed_to=on("04-30"), recorded_by="fay")


def test_the_same_day_again_records_nothing():
    closed = {"closed_to": on("04-30"), "effective_on": on("05-05")}
    given(AccountingPeriods(), ("close", closed)).when("close", **closed).nothing()


def test_what_is_closed_is_never_opened_again():
    closed = {"closed_to": on("04-30"), "effective_on": on("05-05")}
    given(AccountingPeriods(), ("close", closed)).when(
        "close", closed_to=on("04-29"), effective_on=on("05-06")
    ).refused(AccountingPeriodAlreadyClosed, closed_to="2026-04-30")


@pytest.mark.parametrize("closed_to", ["05-05", "05-06", "2199-12-31"])
def test_a_period_that_is_not_over_is_not_closed(closed_to: str):
    given(AccountingPeriods()).when(
        "close", closed_to=on(closed_to), effective_on=on("05-05")
    ).refused(AccountingPeriodNotOver)


def test_a_day_is_over_at_midnight_in_england():
    accounts = given(AccountingPeriods())
    summer = {"recorded_at": datetime(2026, 6, 30, 22, 59, tzinfo=UTC), "effective_on": on("06-30")}
    accounts.when("close", closed_to=on("06-30"), **summer).refused(AccountingPeriodNotOver)
    summer["recorded_at"] += timedelta(minutes=1)
    accounts.when("close", closed_to=on("06-30"), **summer).then(AccountingPeriodClosed)


# --- the rule -----------------------------------------------------------------------------


def test_what_comes_late_falls_on_the_first_open_day_and_the_closed_period_stays(council: Ledger):
    receive(council, "R1", 100, on("04-22"))
    april = of_days(council, "04-01", "04-30", by_funding=True)
    whole = of_days(council, "2000-01-01", "04-30")
    close_accounts(council, "04-30")

    receive(council, "R2", 250, on("04-22"))  # late
    receive(council, "R3", 30, on("05-02"))
    assert of_days(council, "04-01", "04-30", by_funding=True) == april
    assert of_days(council, "2000-01-01", "04-30") == whole

    (bank,) = (row for row in of_days(council, "05-01", "05-31") if row["account"] == "bank")
    (before,) = (row for row in whole if row["account"] == "bank")
    assert bank["opening_pence"] == before["closing_pence"]
    assert (bank["debit_pence"], bank["credit_pence"], bank["posting_count"]) == (280, 0, 2)
    assert bank["closing_pence"] == bank["opening_pence"] + 280

    late = earlier(council, "05-01", "05-31")
    assert [(row["account"], row["amount_pence"]) for row in late] == [
        ("bank", 250),
        ("clawback_debtors", -250),
    ]
    assert {
        (row["budget_reference"], row["effective_on"], row["accounted_on"]) for row in late
    } == {("PB000001", on("04-22"), on("05-01"))}
    assert earlier(council, "05-01", "05-31", after=1, limit=1) == late[1:]
    assert earlier(council, "04-01", "05-31") == [], "by both dates it is in this longer period"
    assert council.projections.verify() is None


def test_a_balance_as_of_a_day_still_goes_by_when_things_take_effect(council: Ledger):
    from ledger.projections.balances import balances_of

    close_accounts(council, "04-30")
    receive(council, "R1", 250, on("04-22"))
    council.projections.catch_up()
    stream = council.budget("PB000001").id.hex
    as_of_april = balances_of(council.engine, stream, on("04-30"))
    receive(council, "R2", 70, on("04-30"))
    council.projections.catch_up()
    after = balances_of(council.engine, stream, on("04-30"))
    assert after["clawback_debtors"] == as_of_april["clawback_debtors"] - 70


def test_a_busy_council_balances_and_a_close_freezes_every_figure(ledger: Ledger):
    a_busy_council(ledger, budgets=12)
    days = ("2026-04-25", "2026-05-10")
    for by_funding in (False, True):
        rows = of_days(ledger, *days, by_funding=by_funding)
        assert sum(row["opening_pence"] for row in rows) == 0
        assert sum(row["closing_pence"] for row in rows) == 0
        debits = sum(row["debit_pence"] for row in rows)
        assert debits == sum(row["credit_pence"] for row in rows) > 0
        for row in rows:
            moved = row["debit_pence"] - row["credit_pence"]
            assert row["closing_pence"] == row["opening_pence"] + moved
    assert len(earlier(ledger, *days)) > 0
    assert all(row["budget_reference"] for row in earlier(ledger, *days))
    frozen = of_days(ledger, "2026-04-25", "2026-05-31")
    close_accounts(ledger, "2026-05-31")
    run_cycle(ledger, 3)  # of which all takes effect in May and June
    assert of_days(ledger, "2026-04-25", "2026-05-31") == frozen
    assert ledger.projections.verify() is None


def test_who_closed_which_period_when_and_where_in_the_log(council: Ledger):
    assert accounting_periods(council.engine) == []
    close_accounts(council, "04-30")
    receive(council, "R1", 1, on("05-01"))
    close_accounts(council, "05-31", by="gil")
    close_accounts(council, "05-31", by="hal")  # again: nothing
    council.projections.catch_up()
    last = len(log_of(council))
    assert accounting_periods(council.engine) == [
        {
            "starts_on": None,
            "ends_on": on("04-30"),
            "closed_at": "2026-05-01T10:00:00.000000+00:00",
            "closed_by": "fay",
            "position": last - 2,
        },
        {
            "starts_on": on("05-01"),
            "ends_on": on("05-31"),
            "closed_at": "2026-06-01T10:00:00.000000+00:00",
            "closed_by": "gil",
            "position": last,
        },
    ]
    audited = max(rows_of(council, ["audit"])["audit"])
    assert audited[-1] == (
        "The accounts were closed to 31 May 2026; what is recorded later is accounted for after it."
    )
    assert replayed(AccountingPeriods, list(council.history(AccountingPeriods, "accounts"))).version


# --- the same however the log is followed --------------------------------------------------


def expected(ledger: Ledger) -> dict[int, date]:
    """The day on which each event is accounted for, told from the log alone."""
    open_from, found = date.min, {}
    for position, _, _, topic, state in log_of(ledger):
        event = decode(topic, state)
        if isinstance(event, AccountingPeriodClosed):
            open_from = event.closed_to + DAY
        found[position] = max(event.effective_on, open_from)
    return found


def accounted(ledger: Ledger) -> dict[int, date]:
    """The same as the read table has it."""
    query = select(Postings.table.c.position, Postings.table.c.accounted_on)
    with ledger.engine.connect() as connection:
        return {row.position: row.accounted_on for row in connection.execute(query)}


def followed_anew(ledger: Ledger, batch: int) -> dict[str, list[tuple[Any, ...]]]:
    """The read tables emptied, and caught up in batches of a size."""
    with ledger.engine.begin() as connection:
        for table in read_tables.sorted_tables:
            connection.execute(table.delete())
        connection.execute(update(positions).values(position=0))
    Projections(ledger.engine, ledger.recorder, APPENDING, KEYED, batch=batch).catch_up()
    return rows_of(ledger)


steps = st.lists(
    st.tuples(st.just("close"), st.integers(1, 20)) | st.tuples(st.just("receive"),
                                                                 st.integers(-40, 40)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(steps=steps, batch=st.integers(2, 9))
def test_batches_and_rebuilding_make_no_difference(
    council: Ledger, steps: list[tuple[str, int]], batch: int
):
    """Closes and late money in any order. The log goes on from example to example."""
    for what, number in steps:
        accounts = council.find(AccountingPeriods, "accounts") or AccountingPeriods()
        closed_to = accounts.closed_to or on("06-30")
        if what == "close":
            close_accounts(council, closed_to + number * DAY)
        else:
            receive(council, f"R{len(log_of(council))}", 1, closed_to + number * DAY)
    Projections(council.engine, council.recorder, APPENDING, KEYED, batch=1).catch_up()
    one_by_one = rows_of(council)
    assert accounted(council).items() <= expected(council).items()
    assert followed_anew(council, 10_000) == one_by_one
    assert followed_anew(council, batch) == one_by_one
    projections = Projections(council.engine, council.recorder, APPENDING, KEYED, batch=batch)
    projections.rebuild()
    assert rows_of(council) == one_by_one
    assert projections.verify() is None


def test_closing_while_others_record_and_follow(council: Ledger):
    """Whatever comes first in the log, no figure of a closed period changes afterwards."""
    council.projections.catch_up()

    def pay_in() -> None:
        for number in range(20):
            receive(council, f"R{number}", 1, on("04-22"))
            council.projections.catch_up()

    with ThreadPoolExecutor(3) as pool:
        paid_in = pool.submit(pay_in)
        closed = [pool.submit(close_accounts, council, "04-30") for _ in range(2)]
        paid_in.result()
        for done in closed:
            done.result()
    council.projections.catch_up()
    assert council.load(AccountingPeriods, "accounts").version == 1
    assert accounted(council).items() <= expected(council).items()
    assert council.projections.verify() is None


def test_an_event_that_cannot_be_applied_after_a_close_is_taken_up_where_it_stopped(
    council: Ledger,
):
    """What was closed in the batch that stopped is known to the next one."""
    from uuid import uuid4

    from eventsourcing.persistence import StoredEvent

    from ledger.aggregates.event_sourced import EVENT_TYPES, EventType
    from ledger.errors import ProjectionStopped

    close_accounts(council, "04-30")
    unheard = "personal-budget.unheard-of.v9"
    (_, _, _, _, state) = log_of(council)[-1]
    state = state.replace(b"2026-04-30", b"2026-05-01")
    council.recorder.insert_events([StoredEvent(uuid4(), 1, unheard, state)])
    receive(council, "R1", 250, on("04-22"))
    with pytest.raises(ProjectionStopped):
        council.projections.catch_up()
    known = EVENT_TYPES["accounting-periods.closed.v1"]
    EVENT_TYPES[unheard] = EventType(unheard, known.cls, known.decode)
    try:
        council.projections.catch_up()
        assert accounted(council).items() <= expected(council).items()
        assert set(accounted(council).values()) >= {on("05-02")}
        assert council.projections.verify() is None
    finally:
        del EVENT_TYPES[unheard]


# --- tampering, and tables of an earlier version -------------------------------------------


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE postings SET accounted_on = '2026-04-30' WHERE accounted_on = '2026-05-01'",
         "postings"),
        ("UPDATE accounting_periods SET closed_to = '2026-03-31'", "accounting_periods"),
        ("DELETE FROM accounting_periods", "accounting_periods"),
    ],
)  # fmt: skip
def test_what_was_moved_into_a_closed_period_is_noticed(
    council: Ledger, statement: str, table: str
):
    close_accounts(council, "04-30")
    receive(council, "R1", 250, on("04-22"))
    council.projections.catch_up()
    with council.engine.begin() as connection:
        connection.execute(text(statement))
    found = council.projections.verify()
    assert found is not None
    assert found.table == table


def test_read_tables_of_the_version_before_are_noticed_and_made_anew(council: Ledger):
    close_accounts(council, "04-30")
    receive(council, "R1", 250, on("04-22"))
    council.projections.catch_up()
    now = rows_of(council)
    before = Projections(council.engine, council.recorder, APPENDING[:2], KEYED)
    assert before.shape != council.projections.shape
    with council.engine.begin() as connection:
        connection.execute(text("DROP TABLE accounting_periods"))
        connection.execute(text("ALTER TABLE postings DROP COLUMN accounted_on"))
        connection.execute(update(positions).values(shape=before.shape))
    assert council.projections.status().out_of_date
    with pytest.raises(ReadTablesOutOfDate):
        council.projections.catch_up()
    council.projections.rebuild()
    assert rows_of(council) == now
    assert not council.projections.status().out_of_date


def test_a_close_in_anothers_history_is_noticed(council: Ledger):
    from uuid import uuid4

    from eventsourcing.persistence import StoredEvent

    from ledger.verification import verify_ledger

    close_accounts(council, "04-30")
    (_, _, _, topic, state) = log_of(council)[-1]
    council.recorder.insert_events([StoredEvent(uuid4(), 1, topic, state)])
    found = verify_ledger(council)
    assert "is in another's history" in (found.difference or "")


# --- from the command line -----------------------------------------------------------------


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path) -> Pbledger:
    """A ledger with a cycle that was approved: £ promised on 2 April 2026."""
    program = Pbledger(database_url, tmp_path).with_cycle(5)
    program.done(f"--as bob cycle approve C1 {program.stated()}")
    return program


def test_closing_from_the_command_line(pbledger: Pbledger):
    balance = "accounts show --from 2026-04-01 --to 2026-04-30"
    tried = pbledger.json("--as fay accounts close --to 2026-04-30 --dry-run")
    assert pbledger.json("accounts periods") == {"periods": []}
    shown = pbledger.json(balance)
    assert tried["dry_run"] is True
    assert tried["open_from"] == "2026-05-01"
    assert tried["trial_balance"] == shown["trial_balance"]
    assert tried["posting_count"] == sum(r["posting_count"] for r in shown["trial_balance"]) > 0

    said = pbledger.done("--as fay accounts close --to 2026-04-30")
    assert said == (
        "The accounts are closed to 2026-04-30. What is recorded from now on is accounted for on "
        "2026-05-01 or later.\n"
    )
    pbledger.done("--as ann cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-01")
    pbledger.done("--as ann cycle cancel C1")  # which takes effect today
    (period,) = pbledger.json("accounts periods")["periods"]
    assert (period["starts_on"], period["ends_on"], period["closed_by"]) == (
        None, "2026-04-30", "fay",
    )  # fmt: skip
    assert "2026-04-30" in pbledger.done("accounts periods")
    assert pbledger.json(balance) == shown
    again = pbledger.json("--as fay accounts close --to 2026-04-30 --dry-run")
    assert again["posting_count"] == 0


def test_what_the_command_line_refuses(pbledger: Pbledger):
    pbledger.refused("accounting-period-not-over", "--as fay accounts close --to 2199-01-01")
    pbledger.refused(
        "accounting-period-not-over", "--as fay accounts close --to 2199-01-01 --dry-run"
    )
    pbledger.refused("invalid-value", "--as fay accounts close --to 1066-10-14")
    pbledger.done("--as fay accounts close --to 2026-04-30")
    pbledger.refused(
        "accounting-period-already-closed", "--as fay accounts close --to 2026-04-29 --dry-run"
    )
    pbledger.misused("accounts close --to 2026-05-31")
    pbledger.refused("invalid-period", "accounts show --from 2026-05-01 --to 2026-04-30")


def test_showing_and_writing_what_came_late(pbledger: Pbledger):
    pbledger.done("--as fay accounts close --to 2026-04-30")
    line = pbledger.json("cycle lines C1")["lines"][0]
    budget, payment = line["budget_reference"], line["payment_reference"]
    pbledger.done("--as cat cycle issue C1 --effective-on 2026-03-30")
    pbledger.done(f"--as ann budget return-payment {budget} --payment-reference {payment} "
                  "--reason-code B --effective-on 2026-04-07")  # fmt: skip
    days = "accounts show --from 2026-05-01 --to 2026-05-31"
    pounds = f"{line['amount_pence'] // 100}.{line['amount_pence'] % 100:02d}"
    shown = pbledger.done(days)
    assert "Postings that take effect before 2026-05-01: 4\n" in shown
    assert shown.count(f"  {budget}  2026-04-0") == 4
    late = list(csv.DictReader(io.StringIO(pbledger.done(f"{days} --csv adjustments"))))
    assert [(row["budget_reference"], row["account"], row["amount_pounds"]) for row in late] == [
        (budget, "payments_due", pounds),
        (budget, "bank", f"-{pounds}"),
        (budget, "bank", pounds),
        (budget, "returned_payments", f"-{pounds}"),
    ]
    rows = list(csv.DictReader(io.StringIO(pbledger.done(f"{days} --by-funding --csv balance"))))
    assert rows[0].keys() == {"account", "funding_stream", "cost_centre", "opening_pounds",
                              "debit_pounds", "credit_pounds", "closing_pounds"}  # fmt: skip
    (bank,) = (row for row in rows if row["account"] == "bank")
    assert (bank["opening_pounds"], bank["debit_pounds"], bank["closing_pounds"]) == (
        "0.00", pounds, "0.00",
    )  # fmt: skip
    assert pbledger.done("accounts show --from 2027-01-01 --to 2027-01-31 --csv adjustments") == (
        "budget_reference,effective_on,accounted_on,account,funding_stream,cost_centre,"
        "amount_pounds,recorded_at,position\n"
    )


# --- over HTTP -----------------------------------------------------------------------------

CLOSE = "/v1/accounts/close"
MAY = {"from": "2026-05-01", "to": "2026-05-31"}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A server on a ledger with a cycle that was paid in April."""
    with an_api(database_url, tmp_path) as api:
        take_in(api.ledger, example_caseload(3))
        run_cycle(api.ledger, 1)
        with_a_clawback(api.ledger, "PB000001")
        yield api


def test_closing_over_http(api: Api):
    april = api.get("/v1/accounts/trial-balance", **{"from": "2026-04-01", "to": "2026-04-30"})
    before = api.stored()
    tried = api.post(CLOSE, {"closed_to": "2026-04-30", "dry_run": True}, key="k").done()
    assert tried["would_close"] == april["accounts"]
    assert api.stored() == before, "not even the key"

    closed = api.post(CLOSE, {"closed_to": "2026-04-30"}, by="fay", key="k").done()
    assert closed.json == {"closed_to": "2026-04-30", "open_from": "2026-05-01", "dry_run": False,
                           "would_close": None}  # fmt: skip
    again = api.post(CLOSE, {"closed_to": "2026-04-30"}, by="fay", key="k").done()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == closed.content
    other = api.post(CLOSE, {"closed_to": "2026-05-01"}, by="fay", key="k")
    other.refused("idempotency-key-reused", 409)
    api.post(CLOSE, {"closed_to": "2026-04-30"}, by="gil").done()  # it is so already
    assert api.stored() == (before[0] + 1, before[1] + 2)

    periods = api.get("/v1/accounts/periods").done()
    assert (periods["version"], periods.headers["etag"][:3]) == (1, '"1.')
    (period,) = periods["periods"]
    assert period["closed_by"] == "fay"
    assert datetime.fromisoformat(period["closed_at"]).tzinfo is not None
    assert period["position"] == before[0] + 1

    receive(api.ledger, "R1", 250, on("04-22"))
    assert api.get("/v1/accounts/trial-balance",
                   **{"from": "2026-04-01", "to": "2026-04-30"}).json == april.json  # fmt: skip
    first = api.get("/v1/accounts/adjustments", **MAY, limit=1).done()
    assert first["next_after"] == 1
    (bank,) = first["adjustments"]
    assert (bank["budget_reference"], bank["account"], bank["amount_pence"]) == (
        "PB000001", "bank", 250,
    )  # fmt: skip
    second = api.get("/v1/accounts/adjustments", **MAY, after=1).done()
    assert [a["amount_pence"] for a in second["adjustments"]] == [-250]
    assert second["next_after"] is None
    funded = api.get("/v1/accounts/trial-balance", **MAY, by_funding="true").done()
    assert funded["period"] == {"starts_on": "2026-05-01", "ends_on": "2026-05-31"}
    assert {a["funding_stream"] for a in funded["accounts"]} > {""}


def test_what_is_refused_over_http(api: Api):
    before = api.stored()
    for dry_run in (True, False):
        api.post(CLOSE, {"closed_to": "2199-01-01", "dry_run": dry_run}).refused(
            "accounting-period-not-over", 422
        )
        api.post(CLOSE, {"closed_to": "9999-12-31", "dry_run": dry_run}).refused(
            "invalid-value", 422
        )
        api.post(CLOSE, {"closed_to": "2026-04-30", "dry_run": dry_run}, If_Match='"1"').refused(
            "version-conflict", 412
        )
    api.post(CLOSE, {"closed_to": "2026-04-31"}).refused("body-invalid", 422)
    api.post(CLOSE, {}).refused("body-invalid", 422)
    api.request("POST", CLOSE, json={}).refused("not-signed-in", 401)
    assert api.stored() == before
    api.post(CLOSE, {"closed_to": "2026-04-30"}, If_Match='"0"').done()
    for dry_run in (True, False):
        api.post(CLOSE, {"closed_to": "2026-04-29", "dry_run": dry_run}).refused(
            "accounting-period-already-closed", 409
        )
    ask = "/v1/accounts/trial-balance"
    api.get(ask).refused("body-invalid", 422)
    api.get(ask, **{"from": "2026-04-31", "to": "2026-05-01"}).refused("invalid-date", 422)
    api.get(ask, **{"from": "2026-05-01", "to": "2026-04-01"}).refused("invalid-period", 422)
    api.get(ask, **{"from": "0001-01-01", "to": "2026-04-01"}).refused("invalid-value", 422)
