"""The API as a program meets it: requests over HTTP, on a ledger of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from ledger.access.roles import Role
from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.api import create_app
from ledger.application import Ledger
from ledger.config import Settings
from ledger.durable import idempotency_keys
from tests.main_job import settings_for

BUDGET = "/v1/budgets/PB000001"
CYCLE = "/v1/cycles/C2026-01"
ACCOUNT_NUMBER, SORT_CODE, ACCOUNT_NAME, NAME = "31415926", "99-99-01", "S OCONNOR", "Siân O'Connor"
PERSONAL = (
    ACCOUNT_NUMBER,
    SORT_CODE,
    SORT_CODE.replace("-", ""),
    ACCOUNT_NAME,
    "Siân",
    "1950-02-03",  # longer than what a random reference may happen to hold
    "February 1950",
)

OPENING: dict[str, Any] = {
    "effective_on": "2026-04-06",
    "recipient_reference": "R000001",
    "legal_basis": "care_act_2014",
    "primary_support_reason": "physical_personal_care",
}
LINE: dict[str, Any] = {
    "line_reference": "personal_care.social_care",
    "need": "personal_care",
    "funding_stream": "social_care",
    "deployment": "direct_payment",
    "starts_on": "2026-04-06",
    "weekly_pence": 31_000,
    "cost_centre": "S4100",
}
PERIOD = {"starts_on": "2026-04-06", "ends_on": "2026-05-03"}
SUSPENSION: dict[str, Any] = {
    "effective_on": "2026-04-10",
    "reason_code": "hospital_stay",
    "interim_arrangement": "in_hospital_or_care_home",
    "review_on": "2026-05-01",
}


class Answer:
    """A response: its JSON by name, and what it is made of."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self.content: bytes = response.content
        self.type: str = response.headers.get("content-type", "")

    @property
    def json(self) -> Any:
        import msgspec

        return msgspec.json.decode(self.content)

    def __getitem__(self, name: str) -> Any:
        return self.json[name]

    def refused(self, code: str, status: int) -> Answer:
        """It is a whole problem (RFC 9457) with this code and status."""
        assert (self.status, self.json.get("code")) == (status, code), self.content
        assert self.type == "application/problem+json"
        problem = self.json
        assert problem["type"] == f"urn:pbledger:refusal:{code}"
        assert problem["status"] == status
        assert problem["title"].endswith(".")
        assert problem["detail"]
        assert isinstance(problem["retryable"], bool)
        assert b"Traceback" not in self.content
        return self

    def done(self, status: int = 200) -> Answer:
        assert self.status == status, self.content
        return self


class Api:
    """A client on this machine. Every answer but the bank file is kept, to be searched."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.answers: list[tuple[str, bytes]] = []
        self._keys = count(1)

    @property
    def ledger(self) -> Ledger:
        app = self.client.app
        assert isinstance(app, FastAPI)
        ledger: Ledger = app.state.ledger
        return ledger

    def request(self, method: str, path: str, **asked: Any) -> Answer:
        answer = Answer(self.client.request(method, path, **asked))
        if not path.endswith("/file"):
            self.answers.append((f"{method} {path}", answer.content))
        return answer

    def add_user(self, name: str, *roles: Role, **facts: Any) -> None:
        """Someone who is believed, with these roles."""
        user = User(issuer=DEVELOPMENT, subject=name, name=name, roles=roles, **facts)
        record_user(self.ledger, user, datetime(2026, 4, 1, 9, tzinfo=UTC), "sue")

    def get(self, path: str, **params: Any) -> Answer:
        return self.ask(path, params=params)

    def ask(self, path: str, by: str = "ann", **asked: Any) -> Answer:
        """A question of someone's, its address as it is."""
        return self.request("GET", path, headers={"X-Acting-As": by}, **asked)

    def write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        by: str = "ann",
        key: str | None = None,
        **headers: str,
    ) -> Answer:
        """A change by someone, with a key of its own unless told; bytes are sent as they are."""
        sent = {"X-Acting-As": by, "Idempotency-Key": key or f"key-{next(self._keys)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        asked = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.request(method, path, headers=sent, **asked)

    def post(self, path: str, body: Any, **said: Any) -> Answer:
        return self.write("POST", path, body, **said)

    def put(self, path: str, body: Any, **said: Any) -> Answer:
        return self.write("PUT", path, body, **said)

    def stored(self) -> tuple[int, int]:
        """How many events and how many idempotency keys there are."""
        log = self.ledger.recorder.read_log(0, 100_000)
        with self.ledger.engine.connect() as connection:
            keys = connection.execute(select(func.count()).select_from(idempotency_keys)).scalar()
        return len(log), int(keys or 0)


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    """The server, started and then stopped."""
    client = TestClient(
        create_app(settings),
        base_url="http://localhost",
        client=("127.0.0.1", 50_000),
        raise_server_exceptions=False,
    )
    with client:
        yield Api(client)


@contextmanager
def an_api(database_url: str, folder: Path) -> Iterator[Api]:
    """A server on a new ledger."""
    settings = settings_for(database_url, folder)
    Ledger.initialise(settings)
    with serving(settings) as api:
        yield api


def open_budget(api: Api, reference: str = "PB000001", recipient: str = "R000001") -> Answer:
    """A budget that is open and nothing more."""
    opening = {**OPENING, "recipient_reference": recipient}
    return api.post(f"/v1/budgets/{reference}/open", opening).done(201)


def make_payable(api: Api, reference: str = "PB000001", recipient: str = "R000001") -> None:
    """A person with a budget of £310.00 a week, £142.95 of it contributed, ready to be paid."""
    at, on = f"/v1/budgets/{reference}", {"effective_on": "2026-04-06"}
    person = {"name": NAME, "date_of_birth": "1950-02-03"}
    api.put(f"/v1/people/{recipient}", person).done(201)
    open_budget(api, reference, recipient)
    offer = {**on, "occasion": "assessment", "outcome": "accepted"}
    api.post(f"{at}/offer-direct-payment", offer).done()
    api.post(f"{at}/sign-agreement", {**on, "template_version": "2026-1"}).done()
    api.post(f"{at}/agree-allocation", {**on, "lines": [LINE]}).done()
    api.post(f"{at}/assess-contribution", {**on, "weekly_pence": 14_295, "basis": "net"}).done()
    proposed = api.post(f"{at}/propose-payee", account(reference)).done()
    payee = proposed["events"][0]["facts"]["payee_reference"]
    api.post(f"{at}/verify-payee", {**on, "payee_reference": payee}, by="bob").done()


def account(reference: str = "PB000001", **fields: Any) -> dict[str, Any]:
    """Account details to propose; each budget's account is another one."""
    number = str(int(ACCOUNT_NUMBER) + int(reference[2:]) - 1)
    return {
        "effective_on": "2026-04-06",
        "payee_type": "recipient",
        "account_name": ACCOUNT_NAME,
        "sort_code": SORT_CODE,
        "account_number": number,
        **fields,
    }


def prepare(api: Api, path: str = CYCLE, **fields: Any) -> Answer:
    """Ann prepares the first four-weekly cycle."""
    asked = {"effective_on": "2026-03-27", "period": PERIOD, "pay_on": "2026-04-02", **fields}
    return api.post(f"{path}/prepare", asked, by="ann")


def approve(api: Api, path: str = CYCLE, by: str = "bob") -> Answer:
    """Somebody looks at the cycle and approves what is there."""
    seen = api.get(path)
    said = {"effective_on": "2026-03-27", "total_pence": seen["total_pence"]}
    return api.post(f"{path}/approve", {**said, "lines_sha256": seen["lines_sha256"]}, by=by)
