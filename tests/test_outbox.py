"""The outbox: each letter queued once and sent once, whoever runs it, whatever goes wrong."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from ledger import jobs
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.contacts import new_contact
from ledger.durable import durable, people
from ledger.errors import LetterNotFound, LetterUnreadable, SealBroken
from ledger.letter_tables import letters
from ledger.outbox import queueing, sending
from ledger.outbox.cycle_advices import advice_of, advices_of
from ledger.outbox.queueing import position_of, queue_letters
from ledger.outbox.register import entries, entry, shown, standing, try_again
from ledger.outbox.sending import send_letters
from ledger.outbox.writing import DIED, ERASED, NO_CONTACT, WANTS_NONE, Finished
from tests.given import cycle_period, on
from tests.letters import (
    NOW,
    a_council,
    ask_for_return,
    only_letter,
    states,
    suspend,
    wants_letters,
    with_letters,
)
from tests.main_job import (
    approve,
    issue,
    new_payee,
    prepare,
    says,
    tell_budget,
)
from tests.test_kill import ROOT, Runner


def later(**by: int) -> datetime:
    return NOW + timedelta(**by)


def queue_and_send(ledger: Ledger, now: datetime = NOW) -> Counter[str]:
    queue_letters(ledger, now)
    return send_letters(ledger, now)


def pages(folder: Path) -> list[Path]:
    return sorted((folder / "letters").rglob("*.html"))


# --- queueing -------------------------------------------------------------------------------


def test_a_letter_is_queued_once_and_what_was_brought_in_makes_none(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        assert queue_letters(ledger, NOW) == 0
        suspend(ledger, 1)
        suspend(ledger, 2)
        assert queue_letters(ledger, NOW) == 2
        assert queue_letters(ledger, NOW) == 0
        assert {one.kind for one in entries(ledger)} == {"payments_suspended"}
        assert position_of(ledger).position == ledger.recorder.max_notification_id()


def test_several_who_queue_at_once_queue_each_letter_once(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(queueing, "EVENTS_AT_A_TIME", 3)
    monkeypatch.setattr(queueing, "LINES_AT_A_TIME", 2)
    with a_council(database_url, tmp_path, budgets=7) as ledger:
        issue(ledger, approve(ledger, prepare(ledger, 1)))
        for number in range(1, 8):
            suspend(ledger, number)
        begin = threading.Barrier(4)
        queued: list[int] = []

        def queue() -> None:
            with Ledger(ledger.settings) as own:
                begin.wait(30)
                queued.append(queue_letters(own, NOW))

        threads = [threading.Thread(target=queue) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kinds = Counter(one.kind for one in entries(ledger))
        assert kinds == {"remittance_advice": 7, "payments_suspended": 7}
        assert sum(queued) == 14, "each was queued by one of them"


@pytest.mark.parametrize("before", [0, 1])
def test_what_one_letter_tells_is_never_cut_in_two(database_url, tmp_path, monkeypatch, before):
    """Two things recorded at one moment are one letter, wherever a batch of the log ends."""
    with a_council(database_url, tmp_path) as ledger:
        queue_letters(ledger, NOW)
        monkeypatch.setattr(queueing, "EVENTS_AT_A_TIME", 2)
        for _ in range(before):
            tell_budget(ledger, "PB000002", "sign_agreement", template_version="2026-2")

        def decide(budget: PersonalBudget) -> None:
            said = says("ann", "04-20")
            budget.suspend_payments(
                reason_code="other",
                interim_arrangement="family_or_friends",
                review_on=on("05-20"),
                **said,
            )
            budget.request_spend_return(
                return_reference="SR1", period=cycle_period(1), due_on=on("05-31"), **said
            )

        ledger.change(PersonalBudget, "PB000001", decide)
        assert queue_letters(ledger, NOW) == 1
        send_letters(ledger, NOW)
        page = shown(ledger, only_letter(ledger).letter_reference).content
        assert "has stopped for now" in page
        assert "<h2>Tell us how you spent your care direct payment</h2>" in page


@pytest.mark.parametrize("setting", [{"letters": "none"}, {"letters_from": on("04-21")}])
def test_what_happens_while_letters_are_off_or_before_they_begin_makes_none(
    sqlite_url, tmp_path, setting
):
    with a_council(sqlite_url, tmp_path, **setting) as ledger:
        suspend(ledger, 1)
        issue(ledger, approve(ledger, prepare(ledger, 1)))
        assert queue_letters(ledger, NOW) == 0
    with Ledger(with_letters(sqlite_url, tmp_path)) as ledger:
        assert queue_letters(ledger, NOW) == 0, "also not later"
        suspend(ledger, 2)
        assert queue_letters(ledger, NOW) == 1


BEFORE_LETTERS = {
    "people",
    "payee_details",
    "returned_names",
    "payee_looks",
    "financial_assessments",
    "bank_files",
    "bank_reports",
    "modulus_tables",
    "idempotency_keys",
}


def test_what_was_recorded_before_there_were_letters_makes_none(database_url, tmp_path):
    """A ledger that is brought to this version begins at the end of its log."""
    with a_council(database_url, tmp_path) as ledger:
        suspend(ledger, 1)
        head = ledger.recorder.max_notification_id()
        with ledger.engine.begin() as connection:
            for table in durable.tables.keys() - BEFORE_LETTERS:
                connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
        Ledger.initialise(ledger.settings)
        assert position_of(ledger) == (head, 0)
        assert queue_letters(ledger, NOW) == 0


def test_a_history_that_cannot_be_told_holds_up_no_other(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger, 1)
        suspend(ledger, 2)
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER stored_events_no_update")
            connection.exec_driver_sql(
                "UPDATE stored_events SET state = replace(state, 'hospital_stay', 'account_query')"
                " WHERE rowid = (SELECT max(rowid) FROM stored_events)"
            )
            connection.exec_driver_sql(
                "UPDATE stored_events SET topic = 'personal-budget.spend-return-accepted.v1', "
                """state = replace(state, '"reason_code"', '"return_reference":"SR","x"')"""
                " WHERE rowid = (SELECT max(rowid) FROM stored_events)"
            )
        queue_and_send(ledger)
        assert states(ledger) == {"PB000001": "sent", "PB000002": "failed"}
        failed = next(one for one in entries(ledger) if one.state == "failed")
        assert (failed.kind, failed.fault) == ("letter", "It cannot be written: KeyError.")


def test_two_things_told_apart_at_the_same_moment_are_both_told(sqlite_url, tmp_path):
    """A program may give one moment to several changes; none is lost because one was told."""
    with a_council(sqlite_url, tmp_path) as ledger:
        for due in ("05-30", "05-31"):
            ask_for_return(ledger, 1, cycle_period(1), due)
            assert queue_and_send(ledger) == {"sent": 1}
        told = [shown(ledger, one.letter_reference).content for one in entries(ledger)]
        assert sum("31 May 2026" in page for page in told) == 1


# --- sending --------------------------------------------------------------------------------


def test_letters_are_written_to_a_folder_and_kept_as_they_were_sent(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        suspend(ledger)
        assert queue_and_send(ledger) == {"sent": 1}
        [page] = pages(tmp_path)
        one = only_letter(ledger)
        assert page == tmp_path / "letters" / "2026-04-21" / f"{one.letter_reference}.html"
        assert (one.state, one.channel, one.attempts) == ("sent", "post", 1)
        assert one.provider_id == page.relative_to(tmp_path / "letters").as_posix()
        assert one.sha256 == hashlib.sha256(page.read_bytes()).hexdigest()
        assert page.stat().st_mode & 0o077 == 0
        assert "Siân O&#39;Connor 1" in page.read_text()
        assert "12 Mill Lane" in page.read_text()
        wants_letters(ledger, "R000001", large_print=True)
        assert shown(ledger, one.letter_reference) == (page.read_text(), True, True)
        assert queue_and_send(ledger, later(days=9)) == {}
        assert len(pages(tmp_path)) == 1


def test_the_database_holds_no_letter_that_can_be_read(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        queue_and_send(ledger)
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert b"payments_suspended" in raw
    for secret in ("Siân", "Connor", "Mill Lane", "EX2 3AB", "example.org", "hospital stay"):
        assert secret.encode() not in raw


def test_who_is_not_to_be_written_to_gets_nothing_and_the_reason_is_kept(database_url, tmp_path):
    with a_council(database_url, tmp_path, budgets=5) as ledger:
        for number in range(1, 6):
            suspend(ledger, number)
        queue_letters(ledger, NOW)
        wants_letters(ledger, "R000001", "none")
        tell_budget(ledger, "PB000002", "close", reason_code="died", effective_on=on("04-22"))
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql(
                "DELETE FROM contact_details WHERE person_reference = 'R000003'"
            )
            connection.execute(delete(people).where(people.c.person_reference == "R000004"))
        assert send_letters(ledger, NOW) == {"not_sent": 4, "sent": 1}
        assert {one.budget_reference: one.fault for one in entries(ledger)} == {
            "PB000001": WANTS_NONE,
            "PB000002": DIED,
            "PB000003": NO_CONTACT,
            "PB000004": ERASED,
            "PB000005": None,
        }
        wants_letters(ledger, "R000003")
        assert try_again(ledger, NOW) == 4
        assert send_letters(ledger, NOW) == {"not_sent": 3, "sent": 1}
        assert len(pages(tmp_path)) == 2


def test_a_letter_says_what_was_known_on_its_day_to_where_the_person_now_lives(
    sqlite_url, tmp_path
):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        tell_budget(ledger, "PB000001", "resume_payments", effective_on=on("04-27"))
        ledger.contacts.record(
            new_contact("R000001", "post", ("Flat 9", "Newtown", "NT1 1AA")), NOW, "ann"
        )
        queue_and_send(ledger)
        stopped, started = (
            shown(ledger, one.letter_reference).content
            for one in sorted(entries(ledger), key=lambda one: one.version)
        )
        assert "has stopped for now" in stopped
        assert "starts again" in started
        assert "Flat 9" in stopped
        assert "Mill Lane" not in stopped


def test_an_erased_persons_letters_can_no_longer_be_read(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        suspend(ledger)
        queue_and_send(ledger)
        reference = only_letter(ledger).letter_reference
        with ledger.engine.begin() as connection:
            connection.execute(delete(people).where(people.c.person_reference == "R000001"))
        with pytest.raises(LetterUnreadable):
            shown(ledger, reference)
        assert entry(ledger, reference).state == "sent"


def test_a_letter_altered_in_the_database_is_noticed(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger, 1)
        suspend(ledger, 2)
        queue_and_send(ledger)
        first, second = entries(ledger)
        with ledger.engine.begin() as connection:
            mine = letters.c.letter_reference == first.letter_reference
            connection.execute(update(letters).where(mine).values(sha256=second.sha256))
        with pytest.raises(SealBroken):
            shown(ledger, first.letter_reference)


def test_a_folder_that_cannot_be_written_to_is_tried_again_and_then_given_up(sqlite_url, tmp_path):
    (tmp_path / "letters").write_text("in the way")
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        moment = NOW
        assert queue_and_send(ledger, moment) == {"queued": 1}
        one = only_letter(ledger)
        assert one.fault is not None
        assert one.fault.startswith("The folder for letters: ")
        assert send_letters(ledger, moment) == {}, "not at once"
        came_of_it = []
        for wait in sending.WAITS:
            moment += wait + timedelta(seconds=1)
            came_of_it.append(dict(send_letters(ledger, moment)))
        assert came_of_it == [*[{"queued": 1}] * (len(sending.WAITS) - 1), {"failed": 1}]
        assert only_letter(ledger).attempts == len(sending.WAITS) + 1
        assert send_letters(ledger, moment + timedelta(days=30)) == {}
        (tmp_path / "letters").unlink()
        assert try_again(ledger, moment) == 1
        assert send_letters(ledger, moment) == {"sent": 1}


def test_what_was_sent_is_never_put_back(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        queue_and_send(ledger)
        reference = only_letter(ledger).letter_reference
        assert try_again(ledger, NOW, [reference]) == 0
        with pytest.raises(LetterNotFound):
            try_again(ledger, NOW, ["0" * 32])


def test_one_letter_that_cannot_be_written_holds_up_no_other(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path, budgets=5) as ledger:
        for number in range(1, 6):
            suspend(ledger, number)
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE people SET name_sealed = zeroblob(60) WHERE person_reference = 'R000003'"
            )
        assert queue_and_send(ledger) == {"sent": 4, "failed": 1}
        failed = next(one for one in entries(ledger) if one.state == "failed")
        assert failed.budget_reference == "PB000003"
        assert "Sealed data did not open" in (failed.fault or "")


def test_killed_anywhere_and_run_again_each_letter_is_sent_once(database_url, tmp_path):
    """By itself, before one call after another that touches the world."""
    command = [sys.executable, "-m", "tests.killable"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    moment, killed, kill_at, made = NOW, 0, 0, 0
    with (
        a_council(database_url, tmp_path) as ledger,
        subprocess.Popen(command, cwd=ROOT, bufsize=1, **pipes) as process,
    ):
        runner, ended = Runner(process), -signal.SIGKILL
        while ended == -signal.SIGKILL:
            for number in (1, 2, 3):
                ask_for_return(ledger, number, cycle_period(1), f"{2027 + kill_at}-05-31")
            runner.start(f"letters {moment.isoformat()}", database_url, tmp_path, kill_at)
            ended = runner.end()
            killed += ended == -signal.SIGKILL
            wants_letters(ledger, "R000001", large_print=bool(kill_at % 2))
            queue_and_send(ledger, moment + timedelta(minutes=1))
            assert queue_and_send(ledger, moment + timedelta(hours=1)).keys() <= {"sent"}
            moment += timedelta(days=1)
            kill_at, made = kill_at + 4, made + 3
            found = entries(ledger)
            assert {one.state for one in found} == {"sent"}
            written = {path.stem: path.read_text() for path in pages(tmp_path)}
            assert written.keys() == {one.letter_reference for one in found}
            assert len(written) == len(pages(tmp_path)) == made
            for one in found[:3]:
                kept = shown(ledger, one.letter_reference).content
                assert kept == written[one.letter_reference], "kept is what was really sent"
        assert process.stdin is not None
        process.stdin.close()
    print(f"{database_url.partition(':')[0]}: {killed} kills, every letter sent once")
    assert killed > 3


def test_several_who_send_at_once_send_each_letter_once(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "AT_A_TIME", 4)
    with a_council(database_url, tmp_path, budgets=20) as ledger:
        for number in range(1, 21):
            suspend(ledger, number)
        queue_letters(ledger, NOW)
        begin = threading.Barrier(3)
        counts: list[Counter[str]] = []

        def send() -> None:
            with Ledger(ledger.settings) as own:
                begin.wait(30)
                counts.append(send_letters(own, NOW))

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts, Counter()) == {"sent": 20}
        assert {one.attempts for one in entries(ledger)} == {1}
        assert len(pages(tmp_path)) == 20


def test_a_run_that_may_take_no_longer_leaves_the_rest_for_the_next(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        queue_letters(ledger, NOW)
        assert send_letters(ledger, NOW, most_seconds=0) == {}
        assert send_letters(ledger, NOW, most_seconds=60) == {"sent": 1}


# --- remittance advices -----------------------------------------------------------------------


def test_each_payment_of_an_issued_cycle_has_one_advice(database_url, tmp_path):
    calendar: Any = {"pay_cadence": "four_weekly", "pay_calendar_from": cycle_period(1).starts_on}
    with a_council(database_url, tmp_path, **calendar) as ledger:
        cycle = approve(ledger, prepare(ledger, 1))
        assert queue_letters(ledger, NOW) == 0, "nobody is advised before the file is made"
        issue(ledger, cycle)
        assert queue_and_send(ledger) == {"sent": 3}
        found = {one.payment_reference: one for one in entries(ledger)}
        assert found.keys() == {line.payment_reference for line in cycle.lines}
        for line in cycle.lines:
            page = shown(ledger, found[line.payment_reference].letter_reference).content
            assert "Your care direct payment of £668.20" in page
            assert "<dd>the one ending 000" in page
            assert "<dt>Next payment due on</dt><dd>1 May 2026</dd>" in page
            assert "<p>26 March 2026</p>" in page, "the day of the file, not of the approval"
        assert queue_and_send(ledger) == {}


def test_money_sent_again_has_an_advice_of_its_own(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        cycle = approve(ledger, prepare(ledger, 1))
        issue(ledger, cycle)
        queue_and_send(ledger)
        returned = cycle.lines[0]
        tell_budget(
            ledger,
            returned.budget_reference,
            "return_payment",
            payment_reference=returned.payment_reference,
            reason_code="B",
            effective_on=on("04-08"),
        )
        new_payee(ledger, returned.budget_reference, "12345678")
        again = prepare(
            ledger,
            1,
            reference="C2026-01R",
            pay_on=on("04-24"),
            only=[returned.budget_reference],
            reissue=[returned.payment_reference],
        )
        issue(ledger, approve(ledger, again))
        queue_and_send(ledger)
        mine = entries(ledger, budget_reference=returned.budget_reference)
        assert Counter(one.kind for one in mine) == {
            "remittance_advice": 2,
            "payment_returned": 1,
            "account_changed": 1,
        }
        [advice] = (
            one for one in mine if one.payment_reference == again.lines[0].payment_reference
        )
        page = shown(ledger, advice.letter_reference).content
        assert "The payment of 2 April 2026, sent again" in page
        assert "the one ending 5678" in page


def test_the_advices_of_a_cycle_can_be_made_all_at_once(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path) as ledger:
        cycle = approve(ledger, prepare(ledger, 1))
        issue(ledger, cycle)
        made = list(advices_of(ledger, cycle.reference))
        assert [payment for payment, _, _, _ in made] == [
            line.payment_reference for line in cycle.lines
        ]
        queue_letters(ledger, NOW)
        queued = {one.payment_reference: one.letter_reference for one in entries(ledger)}
        for payment, pence, _, letter in made:
            assert isinstance(letter, Finished)
            assert letter.letter_reference == queued[payment], "the same letter, not another"
            (table,) = (part.table for part in letter.letter.parts)
            assert table is not None
            assert table.total_pence == pence
            alone = advice_of(ledger, cycle.reference, payment)
            assert isinstance(alone, Finished)
            assert alone.html == letter.html


# --- the job --------------------------------------------------------------------------------


def test_the_job_queues_and_sends_and_says_so(sqlite_url, tmp_path):
    job = jobs.JOBS["letters"]
    with a_council(sqlite_url, tmp_path) as ledger:
        job.run(ledger, NOW)
        suspend(ledger)
        assert job.to_do(ledger, NOW) == ["1 event(s) are to be read for letters."]
        assert job.run(ledger, NOW) == [
            "1 letter(s) were queued.",
            "1 x sent: Taken on: written to the folder, or by GOV.UK Notify.",
        ]
        assert (job.to_do(ledger, NOW), job.run(ledger, NOW)) == ([], [])
        assert standing(ledger, NOW) == (
            {"queued": 0, "sent": 1, "failed": 0, "not_sent": 0},
            0,
            0,
        )


def test_the_job_does_nothing_where_letters_are_off(sqlite_url, tmp_path):
    with a_council(sqlite_url, tmp_path, letters="none") as ledger:
        suspend(ledger)
        job = jobs.JOBS["letters"]
        assert (job.to_do(ledger, NOW), job.run(ledger, NOW)) == ([], [])
