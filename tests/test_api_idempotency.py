"""Each change once, however often it is asked for, by whoever at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS
from ledger.errors import ConcurrentChange
from tests.api import (
    BUDGET,
    CYCLE,
    OPENING,
    SUSPENSION,
    Answer,
    Api,
    account,
    an_api,
    approve,
    make_payable,
    open_budget,
    prepare,
    serving,
)
from tests.main_job import says

REPLAYED = "idempotency-replayed"


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def asked_twice(api: Api, ask: Callable[[], Answer]) -> Answer:
    """The same request again: the first answer byte for byte, and nothing more recorded."""
    first = ask()
    assert first.status in (200, 201), first.content
    assert REPLAYED not in first.headers
    before = api.stored()
    second = ask()
    assert (second.status, second.content, second.type) == (first.status, first.content, first.type)
    assert second.headers[REPLAYED] == "true"
    assert api.stored() == before
    return first


def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    opened = asked_twice(api, lambda: api.post(f"{BUDGET}/open", OPENING, key="a"))
    assert (opened.status, len(opened["events"])) == (201, 1)
    asked_twice(api, lambda: api.post(f"{BUDGET}/suspend-payments", SUSPENSION, key="b"))
    resume = {"effective_on": "2026-04-20"}
    asked_twice(api, lambda: api.post(f"{BUDGET}/resume-payments", resume, key="c"))
    # Recorded again each time it is said, but for the key:
    sign = {"effective_on": "2026-04-06", "template_version": "2026-1"}
    asked_twice(api, lambda: api.post(f"{BUDGET}/sign-agreement", sign, key="d"))
    # Nothing to record, and still the key's:
    asked_twice(api, lambda: api.post(f"{BUDGET}/open", OPENING, key="e"))
    assert api.stored() == (4, 5)


def test_with_a_version_as_well(api: Api) -> None:
    open_budget(api)
    asked_twice(
        api,
        lambda: api.post(f"{BUDGET}/suspend-payments", SUSPENSION, key="a", If_Match='"1"'),
    )


def test_people_and_payees(api: Api) -> None:
    person = {"name": "Amina Khan", "date_of_birth": "1988-12-31"}
    asked_twice(api, lambda: api.put("/v1/people/R000001", person, key="a"))
    open_budget(api)
    proposed = asked_twice(api, lambda: api.post(f"{BUDGET}/propose-payee", account(), key="b"))
    assert len(proposed["events"]) == 1


def test_the_steps_of_a_cycle(api: Api, tmp_path: Path) -> None:
    make_payable(api)
    period = {"starts_on": "2026-04-06", "ends_on": "2026-05-03"}
    asked = {"effective_on": "2026-03-27", "period": period, "pay_on": "2026-04-02"}
    on = {"effective_on": "2026-03-27"}

    def step(name: str, body: Any, by: str) -> Answer:
        return asked_twice(api, lambda: api.post(f"{CYCLE}/{name}", body, by=by, key=f"k-{name}"))

    prepared = step("prepare", asked, "ann")
    step("reject", {**on, "reason_code": "other"}, "bob")
    again = api.post(f"{CYCLE}/prepare", asked).done(200)
    seen = {name: again[name] for name in ("total_pence", "lines_sha256")}
    assert seen["lines_sha256"] == prepared["lines_sha256"]
    step("approve", {**on, **seen}, "bob")
    issued = step("issue", {**on, "created_on": "2026-03-27"}, "carol")
    step("settle", {"effective_on": "2026-04-02"}, "dave")
    cancelled = prepare(api, "/v1/cycles/C2", only=["PB000001"]).done(201)
    assert cancelled["line_count"] == 0
    asked_twice(api, lambda: api.post("/v1/cycles/C2/cancel", on, key="k-cancel"))

    file = tmp_path / "files" / issued["file_name"]
    content = file.read_bytes()
    file.unlink()  # as if the server was killed before it was written
    said = {**on, "created_on": "2026-03-27"}
    replayed = api.post(f"{CYCLE}/issue", said, by="carol", key="k-issue").done()
    assert (replayed.content, replayed.headers[REPLAYED]) == (issued.content, "true")
    assert file.read_bytes() == content


def test_a_step_already_taken_is_kept_under_a_new_key_too(api: Api) -> None:
    make_payable(api)
    prepare(api).done(201)
    approve(api).done()
    approve(api).done()
    said = {"effective_on": "2026-03-27", "created_on": "2026-03-27"}
    api.post(f"{CYCLE}/issue", said).done()
    asked_twice(api, lambda: api.post(f"{CYCLE}/issue", said, key="again"))
    settle = {"effective_on": "2026-04-02"}
    api.post(f"{CYCLE}/settle", settle).done()
    asked_twice(api, lambda: api.post(f"{CYCLE}/settle", settle, key="settled"))


@pytest.mark.parametrize(
    "other",
    [
        {"by": "bob"},
        {"body": {**SUSPENSION, "review_on": "2026-05-02"}},
        {"body": b'{ "effective_on":"2026-04-10","reason_code":"hospital_stay",'
                 b'"interim_arrangement":"in_hospital_or_care_home","review_on":"2026-05-01"}'},
        {"path": "/v1/budgets/PB000002/suspend-payments"},
        {"method": "PUT", "path": "/v1/people/R1",
         "body": {"name": "Amina Khan", "date_of_birth": "1988-12-31"}},
        {"path": "/v1/cycles/C1/prepare",
         "body": {"effective_on": "2026-03-27", "pay_on": "2026-04-02",
                  "period": {"starts_on": "2026-04-06", "ends_on": "2026-05-03"}}},
    ],
)  # fmt: skip
def test_another_request_with_the_key_is_a_conflict(api: Api, other: dict[str, Any]) -> None:
    open_budget(api)
    open_budget(api, "PB000002", "R000002")
    asked: dict[str, Any] = {"method": "POST", "path": f"{BUDGET}/suspend-payments",
                             "body": SUSPENSION, "key": "k", "by": "ann"}  # fmt: skip
    api.write(**asked).done()
    before = api.stored()
    refused = api.write(**asked | other).refused("idempotency-key-reused", 409)
    assert refused["retryable"] is False
    assert api.stored() == before
    assert api.write(**asked).headers[REPLAYED] == "true"


def test_a_key_is_known_after_a_restart(database_url: str, tmp_path: Path) -> None:
    with an_api(database_url, tmp_path) as api:
        first = api.post(f"{BUDGET}/open", OPENING, key="k").done(201)
        settings = api.ledger.settings
    with serving(settings) as api:
        again = api.post(f"{BUDGET}/open", OPENING, key="k").done(201)
        assert (again.content, again.headers[REPLAYED]) == (first.content, "true")
        assert api.stored() == (1, 1)


def together(*asks: Callable[[], Answer]) -> list[Answer]:
    """Ask all at once, each in a thread of its own."""
    barrier = Barrier(len(asks))

    def run(ask: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return [asked.result() for asked in [pool.submit(run, ask) for ask in asks]]


def test_two_at_once_with_one_key_are_one_change(api: Api) -> None:
    open_budget(api)
    for number in range(12):
        events, keys = api.stored()
        body = {"effective_on": "2026-04-06", "template_version": f"2026-{number}"}

        def sign(body: Any = body, key: str = f"k{number}") -> Answer:
            return api.post(f"{BUDGET}/sign-agreement", body, key=key)

        first, second, third = together(sign, sign, sign)
        assert first.done().content == second.done().content == third.done().content
        assert [a.headers.get(REPLAYED) for a in (first, second, third)].count("true") == 2
        assert api.stored() == (events + 1, keys + 1)


def test_two_at_once_where_the_second_would_be_refused(api: Api) -> None:
    open_budget(api)
    for number in range(6):
        ask = [
            lambda key=f"s{number}": api.post(f"{BUDGET}/suspend-payments", SUSPENSION, key=key)
        ] * 3
        assert len({answer.done().content for answer in together(*ask)}) == 1
        api.post(f"{BUDGET}/resume-payments", {"effective_on": "2026-04-20"}).done()


def test_two_at_once_preparing_approving_and_issuing(api: Api) -> None:
    make_payable(api)
    period = {"starts_on": "2026-04-06", "ends_on": "2026-05-03"}
    on = {"effective_on": "2026-03-27"}
    asked = {**on, "period": period, "pay_on": "2026-04-02"}
    steps: list[tuple[str, Any, str]] = [("prepare", asked, "ann")]
    for _ in range(4):
        name, body, by = steps[-1]
        answers = together(
            *[lambda: api.post(f"{CYCLE}/{name}", body, by=by, key=f"k-{name}")] * 3  # noqa: B023
        )
        assert {answer.status for answer in answers} in ({200}, {201}), answers[0].content
        assert len({answer.content for answer in answers}) == 1
        seen = {n: answers[0][n] for n in ("total_pence", "lines_sha256")}
        following: dict[str, tuple[str, Any, str]] = {
            "prepare": ("approve", {**on, **seen}, "bob"),
            "approve": ("issue", {**on, "created_on": "2026-03-27"}, "carol"),
            "issue": ("settle", {"effective_on": "2026-04-02"}, "dave"),
        }
        if name == "settle":
            break
        steps.append(following[name])
    assert api.get(CYCLE)["status"] == "settled"
    kinds = [event["event"] for event in api.get(f"{BUDGET}/history")["events"]]
    assert kinds[-2:] == [
        "personal-budget.payment-scheduled.v1",
        "personal-budget.payment-confirmed.v1",
    ]


def test_two_people_at_once_with_their_own_keys(api: Api) -> None:
    """Both changes are made, one after the other: the loser decides again on what is there."""
    open_budget(api)
    for number in range(10):
        asks = []
        for who in ("ann", "bob"):
            body = {"effective_on": "2026-04-06", "template_version": f"{who}-{number}"}
            asks.append(
                lambda body=body, who=who: api.post(f"{BUDGET}/sign-agreement", body, by=who)
            )
        versions = sorted(answer.done()["version"] for answer in together(*asks))
        assert versions == [2 + 2 * number, 3 + 2 * number]


def test_changed_all_the_time_is_a_retryable_conflict(api: Api) -> None:
    """Somebody else saves between every load and save; after some tries the command gives up."""
    open_budget(api)
    tries = 0

    def decide(budget: PersonalBudget) -> None:
        nonlocal tries
        tries += 1
        sign = {"effective_on": "2026-04-06", "template_version": f"theirs-{tries}"}
        api.post(f"{BUDGET}/sign-agreement", sign, by="bob").done()
        budget.sign_agreement(template_version="mine", **says("ann", "2026-04-06"))

    with pytest.raises(ConcurrentChange) as refused:
        api.ledger.change(PersonalBudget, "PB000001", decide)
    assert tries == ATTEMPTS
    assert api.get(BUDGET)["version"] == 1 + ATTEMPTS
    assert (refused.value.status, refused.value.retryable) == (409, True)
