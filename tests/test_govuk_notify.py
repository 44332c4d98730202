"""GOV.UK Notify, spoken to over HTTP: nobody gets a letter twice, and no address gets out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ledger.application import Ledger
from ledger.errors import InvalidValue
from ledger.outbox.queueing import queue_letters
from ledger.outbox.register import entries, shown, try_again
from ledger.outbox.sending import DOWN_AFTER, WAITS, send_letters
from tests.letters import (
    ADDRESS,
    API_KEY,
    NOW,
    Notify,
    a_council,
    a_notify,
    by_notify,
    only_letter,
    states,
    suspend,
    wants_letters,
)

FIRST_WAIT = NOW + WAITS[0] + timedelta(seconds=1)


@pytest.fixture
def notify():
    with a_notify() as notify:
        yield notify


def a_council_of(notify: Notify, url: str, folder: Path, budgets: int = 1, **facts: Any) -> Any:
    return a_council(url, folder, budgets, **by_notify(notify, **facts))


def queue_and_send(ledger: Ledger) -> dict[str, int]:
    queue_letters(ledger, NOW)
    return send_letters(ledger, NOW)


def test_an_email_has_the_letter_in_it(database_url, tmp_path, notify):
    with a_council_of(notify, database_url, tmp_path, channel="email") as ledger:
        suspend(ledger)
        assert queue_and_send(ledger) == {"sent": 1}
        one = only_letter(ledger)
        [sent] = notify.sent
        assert (sent["kind"], sent["email_address"]) == ("email", "r000001@example.org")
        assert sent["reference"] == one.letter_reference
        assert (one.provider_id, one.channel) == (sent["id"], "email")
        said = sent["personalisation"]
        assert said["subject"] == "Your care direct payment has stopped for now"
        assert said["name"] == "Siân O'Connor 1"
        assert "\n\n# What to do\n\n* Tell us when you know" in said["body"]
        assert "O'Connor" not in said["body"]
        kept = shown(ledger, one.letter_reference)
        assert (kept.is_page, kept.was_sent) == (False, True)
        assert said["body"] in kept.content
        assert notify.asked == [], "the first time there is nothing to ask for"
        assert not (tmp_path / "letters").exists()


def test_a_letter_by_post_has_the_address_after_the_name(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path) as ledger:
        suspend(ledger)
        assert queue_and_send(ledger) == {"sent": 1}
        [sent] = notify.sent
        assert sent["kind"] == "letter"
        lines = [sent["personalisation"][f"address_line_{number}"] for number in range(1, 5)]
        assert lines == ["Siân O'Connor 1", *ADDRESS]


def test_what_notify_cannot_do_goes_to_the_folder(sqlite_url, tmp_path, notify):
    """Large print, and a channel without a template."""
    with a_council_of(notify, sqlite_url, tmp_path, 3, notify_email_template="") as ledger:
        for number in (1, 2, 3):
            suspend(ledger, number)
        wants_letters(ledger, "R000001", large_print=True)
        wants_letters(ledger, "R000002", "email")
        assert queue_and_send(ledger) == {"sent": 3}
        assert [sent["personalisation"]["name"] for sent in notify.sent] == ["Siân O'Connor 3"]
        pages = [path.read_text() for path in (tmp_path / "letters").rglob("*.html")]
        assert len(pages) == 2
        assert sum("font-size: 18pt" in page for page in pages) == 1


def test_an_answer_that_was_lost_is_asked_for_and_nobody_gets_two(database_url, tmp_path, notify):
    with a_council_of(notify, database_url, tmp_path, channel="email") as ledger:
        suspend(ledger)
        notify.then = "lost"
        assert queue_and_send(ledger) == {"queued": 1}
        assert only_letter(ledger).fault == "GOV.UK Notify did not answer."
        notify.then = "taken"
        assert send_letters(ledger, NOW) == {}, "not at once"
        assert send_letters(ledger, FIRST_WAIT) == {"sent": 1}
        one = only_letter(ledger)
        assert notify.asked == [one.letter_reference]
        assert [sent["id"] for sent in notify.sent] == [one.provider_id], "sent once"
        assert (one.attempts, one.fault) == (2, None)


def test_it_is_asked_for_also_where_it_would_now_go_another_way(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path, channel="email") as ledger:
        suspend(ledger)
        notify.then = "lost"
        queue_and_send(ledger)
        notify.then = "taken"
        wants_letters(ledger, "R000001", large_print=True)
        assert send_letters(ledger, FIRST_WAIT) == {"sent": 1}
        assert only_letter(ledger).provider_id == notify.sent[0]["id"]
        assert not (tmp_path / "letters").exists()


def test_what_never_arrived_is_sent_again(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path, channel="email") as ledger:
        suspend(ledger)
        notify.then = 500
        assert queue_and_send(ledger) == {"queued": 1}
        assert only_letter(ledger).fault == "GOV.UK Notify had a fault of its own (500)."
        notify.then = "taken"
        assert send_letters(ledger, FIRST_WAIT) == {"sent": 1}
        assert (len(notify.asked), len(notify.sent)) == (1, 1)


def test_a_letter_that_notify_gave_up_can_be_sent_again(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path, channel="email") as ledger:
        suspend(ledger)
        notify.then, notify.status = "lost", "permanent-failure"
        queue_and_send(ledger)
        notify.then = "taken"
        assert send_letters(ledger, FIRST_WAIT) == {"sent": 1}
        assert len(notify.sent) == 2


def test_a_wrong_address_fails_for_good_and_holds_up_no_other(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path, 4, channel="email") as ledger:
        for number in range(1, 5):
            suspend(ledger, number)
        notify.then, notify.refused_to = 400, "r000002@example.org"
        assert queue_and_send(ledger) == {"sent": 3, "failed": 1}
        assert states(ledger)["PB000002"] == "failed"
        failed = next(one for one in entries(ledger) if one.state == "failed")
        assert failed.fault == "GOV.UK Notify refused it (400): the address, or the template."
        assert send_letters(ledger, NOW + timedelta(days=9)) == {}, "not again by itself"
        wants_letters(ledger, "R000002", "post")
        assert try_again(ledger, NOW, [failed.letter_reference]) == 1
        assert send_letters(ledger, NOW) == {"sent": 1}
        assert notify.sent[-1]["kind"] == "letter"


@pytest.mark.parametrize("status", [429, 503])
def test_a_notify_that_takes_nothing_ends_the_run_and_costs_few_tries(
    sqlite_url, tmp_path, notify, status
):
    with a_council_of(notify, sqlite_url, tmp_path, 6, channel="email") as ledger:
        for number in range(1, 7):
            suspend(ledger, number)
        notify.then = status
        assert queue_and_send(ledger) == {"queued": DOWN_AFTER}
        assert sorted(one.attempts for one in entries(ledger)) == [0, 0, 0, 1, 1, 1]
        notify.then = "taken"
        assert send_letters(ledger, NOW) == {"sent": 3}
        assert send_letters(ledger, FIRST_WAIT) == {"sent": 3}


def test_a_key_that_notify_does_not_accept_is_said(sqlite_url, tmp_path, notify):
    other = SecretStr(API_KEY[:-1] + "1")
    with a_council_of(notify, sqlite_url, tmp_path, notify_api_key=other) as ledger:
        suspend(ledger)
        assert queue_and_send(ledger) == {"queued": 1}
        fault = only_letter(ledger).fault
        assert fault == "GOV.UK Notify does not accept the API key (403)."


def test_nobody_at_the_address_is_no_answer(sqlite_url, tmp_path):
    with a_notify() as gone:
        settings = by_notify(gone)
    with a_council(sqlite_url, tmp_path, 1, **settings) as ledger:
        suspend(ledger)
        assert queue_and_send(ledger) == {"queued": 1}
        assert only_letter(ledger).fault == "GOV.UK Notify did not answer."


@pytest.mark.parametrize("key", [None, SecretStr(""), SecretStr("secret"), SecretStr(API_KEY[:-1])])
def test_settings_that_are_not_whole_send_nothing(sqlite_url, tmp_path, notify, key):
    with a_council_of(notify, sqlite_url, tmp_path, notify_api_key=key) as ledger:
        suspend(ledger)
        queue_letters(ledger, NOW)
        with pytest.raises(InvalidValue, match="LEDGER_NOTIFY_API_KEY") as refusal:
            send_letters(ledger, NOW)
        assert "secret" not in str(refusal.value)
        assert states(ledger) == {"PB000001": "queued"}


def test_the_key_is_not_shown_with_the_settings(sqlite_url, tmp_path, notify):
    with a_council_of(notify, sqlite_url, tmp_path) as ledger:
        assert API_KEY not in repr(ledger.settings)
