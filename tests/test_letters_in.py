"""The ways in to letters: the command line, and HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.api import BUDGET, CYCLE, NAME, SUSPENSION, Api, an_api, approve, make_payable, prepare
from tests.letters import ADDRESS
from tests.pbledger import Pbledger

SUSPEND = (
    "--as ann budget suspend-payments PB000001 --reason-code other "
    "--interim-arrangement none_needed --review-on 2026-06-01 --effective-on 2026-04-20"
)


def a_pbledger(database_url: str, folder: Path, budgets: int = 3, **settings: str) -> Pbledger:
    """The program on some budgets, one of whose people is written to by post."""
    pbledger = Pbledger(database_url, folder)
    pbledger.environment |= {"LEDGER_OUTBOX_FOLDER": str(folder / "letters"), **settings}
    pbledger.with_budgets(budgets)
    lines = [word for line in ADDRESS for word in ("--address-line", line)]
    pbledger.done("--as ann person contact R000001 --channel post", *lines)
    return pbledger


def test_letters_are_sent_listed_and_shown_on_the_command_line(database_url, tmp_path):
    pbledger = a_pbledger(database_url, tmp_path)
    assert pbledger.done("letters send") == "0 letter(s) were queued.\n"
    pbledger.done(SUSPEND)
    said = pbledger.done("letters list")
    assert "0 letter(s)" in said
    assert "1 event(s) have not been read for letters yet." in said
    assert pbledger.json("letters send") == {
        "letters": "files",
        "queued": 1,
        "states": {"sent": 1},
    }
    [one] = pbledger.json("letters list --state sent --budget PB000001")["letters"]
    assert (one["kind"], one["state"], one["channel"]) == ("payments_suspended", "sent", "post")
    assert "In all: 0 queued, 1 sent, 0 failed, 0 not_sent." in pbledger.done("letters list")
    page = (tmp_path / "letters" / one["provider_id"]).read_text()
    assert pbledger.done(f"letters show {one['letter_reference']}") == page
    to = tmp_path / "copy.html"
    said = pbledger.done(f"letters show {one['letter_reference']} --to {to}")
    assert (said, to.read_text()) == (f"Written to {to}, as it was sent.\n", page)
    whole = pbledger.json(f"letters show {one['letter_reference']}")
    assert (whole["content"], whole["letter"]) == (page, one)
    pbledger.refused("letter-not-found", f"letters show {'0' * 32}")
    pbledger.misused("letters list --state lost")


def test_a_letter_without_an_address_waits_for_one(database_url, tmp_path):
    pbledger = a_pbledger(database_url, tmp_path)
    pbledger.done(SUSPEND.replace("PB000001", "PB000002"))
    assert "1 x not_sent" in pbledger.done("letters send")
    [one] = pbledger.json("letters list")["letters"]
    assert one["fault"] == "No contact details are known."
    seen = pbledger.done(f"letters show {one['letter_reference']}")
    assert "Your care direct payment has stopped for now" in seen, "as it would be"
    pbledger.done("--as ann person contact R000002 --channel email --email amina@example.org")
    assert pbledger.json("letters retry --all") == {"queued": 1}
    assert pbledger.json(f"letters retry {one['letter_reference']}") == {"queued": 0}
    assert pbledger.json("letters send")["states"] == {"sent": 1}
    pbledger.refused("letter-not-found", "letters retry nothing")
    pbledger.misused("letters retry")
    pbledger.misused(f"letters retry --all {one['letter_reference']}")


def test_letters_can_be_turned_off(sqlite_url, tmp_path):
    pbledger = a_pbledger(sqlite_url, tmp_path, LEDGER_LETTERS="none")
    pbledger.done(SUSPEND)
    assert pbledger.done("letters send") == "Letters are turned off (LEDGER_LETTERS=none).\n"
    pbledger.environment["LEDGER_LETTERS"] = "notify"
    pbledger.refused("invalid-value", "letters send")
    pbledger.environment["LEDGER_LETTERS"] = "pigeon"
    assert "LEDGER_LETTERS" in pbledger.misused("letters send")


def test_the_advices_of_a_cycle_are_written_with_a_page_that_lists_them(database_url, tmp_path):
    pbledger = a_pbledger(database_url, tmp_path, 12)
    pbledger.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
    to = tmp_path / "print"
    pbledger.refused("cycle-not-found", f"cycle advices C9 --to {to}")
    pbledger.refused("cycle-not-issued", f"cycle advices C1 --to {to}")
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    pbledger.done("--as bob cycle issue C1 --effective-on 2026-03-27")
    lines = pbledger.json("cycle lines C1")["lines"]
    budget = lines[-1]["budget_reference"]
    pbledger.done(f"--as ann budget close {budget} --reason-code died --effective-on 2026-04-20")
    made = pbledger.json(f"cycle advices C1 --to {to}")
    assert made["written"] == len(lines) - 1
    assert [one["why"] for one in made["left_out"]] == ["The person has died."]
    names = {path.name for path in to.iterdir()}
    assert names == {"index.html", *(f"{line['payment_reference']}.html" for line in lines[:-1])}
    index = (to / "index.html").read_text()
    for line in lines[:-1]:
        assert f'<a href="{line["payment_reference"]}.html">' in index
    assert index.count("No address is known.") == len(lines) - 2
    again = pbledger.done(f"cycle advices C1 --to {to}")
    assert f"{len(lines) - 1} advice(s) are in {to}" in again
    assert "The person has died." in again


# --- over HTTP ------------------------------------------------------------------------------


def with_a_cycle_and_a_letter(api: Api) -> None:
    make_payable(api)
    contact = {"channel": "post", "address": list(ADDRESS)}
    api.put("/v1/people/R000001/contact", contact).done()
    prepare(api).done(201)
    approve(api).done()
    issued = {"effective_on": "2026-03-27", "created_on": "2026-03-27"}
    api.post(f"{CYCLE}/issue", issued, by="carol").done()
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION).done()


def send(api: Api, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from ledger.outbox.queueing import queue_letters
    from ledger.outbox.sending import send_letters

    now = datetime(2026, 4, 21, 12, tzinfo=UTC)
    api.ledger.settings.outbox_folder = tmp_path / "letters"
    queue_letters(api.ledger, now)
    send_letters(api.ledger, now)


def test_letters_are_listed_and_shown_over_http(database_url, tmp_path):
    with an_api(database_url, tmp_path) as api:
        with_a_cycle_and_a_letter(api)
        send(api, tmp_path)
        every: list[dict[str, Any]] = api.get("/v1/letters").done()["letters"]
        kinds = {one["kind"] for one in every}
        assert {"remittance_advice", "payments_suspended", "support_agreed"} <= kinds
        assert {one["state"] for one in every} == {"sent"}
        paged, after = [], ""
        while True:
            page = api.get("/v1/letters", limit=2, after=after).done()
            paged += page["letters"]
            if page["next_after"] is None:
                break
            after = page["next_after"]
        assert paged == every
        assert api.get(f"{BUDGET}/letters").done()["letters"] == every
        assert api.get("/v1/letters", state="failed").done()["letters"] == []
        suspended = next(one for one in every if one["kind"] == "payments_suspended")
        at = f"/v1/letters/{suspended['letter_reference']}"
        assert api.get(at).done().json == suspended
        for path, content in api.answers:
            assert NAME.encode() not in content, path
            assert b"Mill Lane" not in content, path
        letter = api.get(at, format="html").done()
        assert letter.type == "text/html; charset=utf-8"
        assert "default-src 'none'" in letter.headers["content-security-policy"]
        written = (tmp_path / "letters" / suspended["provider_id"]).read_bytes()
        assert letter.content == written
        api.get(f"/v1/letters/{'0' * 32}").refused("letter-not-found", 404)
        api.get("/v1/letters", after="0" * 32).refused("letter-not-found", 404)
        api.get("/v1/letters", state="lost").refused("body-invalid", 422)
        api.get("/v1/budgets/PB9/letters").refused("budget-not-found", 404)


def test_a_remittance_advice_is_shown_over_http(database_url, tmp_path):
    with an_api(database_url, tmp_path) as api:
        with_a_cycle_and_a_letter(api)
        [line] = api.get(f"{CYCLE}/lines").done()["lines"]
        at = f"{CYCLE}/advices/{line['payment_reference']}"
        advice = api.get(at).done()
        [part] = advice["letter"]["parts"]
        assert [row["amount_pence"] for row in part["table"]["rows"]] == [124_000, -57_180]
        assert advice["held_by"] is None
        assert NAME not in json.dumps(advice.json, ensure_ascii=False)
        page = api.get(at, format="html").done().content.decode()
        assert "Your care direct payment of £668.20" in page
        api.get(f"{CYCLE}/advices/DP0").refused("payment-not-found", 404)
        api.get("/v1/cycles/C9/advices/DP0").refused("cycle-not-found", 404)
        prepare(api, "/v1/cycles/C2", pay_on="2026-05-01",
                period={"starts_on": "2026-05-04", "ends_on": "2026-05-31"})  # fmt: skip
        api.get("/v1/cycles/C2/advices/DP0").refused("cycle-not-issued", 409)
