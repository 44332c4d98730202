"""Letters for tests: a small council whose letters go somewhere, and a GOV.UK Notify to send to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

import jwt

from ledger.application import Ledger
from ledger.config import Settings
from ledger.contacts import new_contact
from ledger.dates import Period
from ledger.outbox.register import LetterEntry, entries
from tests.given import on
from tests.main_job import a_caseload, a_row, settings_for, take_in, tell_budget

ADDRESS = ("12 Mill Lane", "Exampleton", "EX2 3AB")
NOW = datetime(2026, 4, 21, 12, tzinfo=UTC)
SUSPENDED: dict[str, Any] = {
    "reason_code": "hospital_stay",
    "interim_arrangement": "in_hospital_or_care_home",
    "review_on": on("05-20"),
    "effective_on": on("04-20"),
}


def with_letters(database_url: str, folder: Path, **settings: Any) -> Settings:
    """A council's settings, its letters written to a folder beside its ledger."""
    changed = {"outbox_folder": folder / "letters", **settings}
    return settings_for(database_url, folder).model_copy(update=changed)


@contextmanager
def a_council(
    database_url: str, folder: Path, budgets: int = 3, channel: str = "post", **settings: Any
) -> Iterator[Ledger]:
    """Some budgets with verified payees, whose people all want letters the same way."""
    made = with_letters(database_url, folder, **settings)
    Ledger.initialise(made)
    with Ledger(made) as ledger:
        take_in(ledger, a_caseload(*(a_row(number) for number in range(1, budgets + 1))))
        for number in range(1, budgets + 1):
            wants_letters(ledger, f"R{number:06d}", channel)
        yield ledger


def wants_letters(ledger: Ledger, person: str, channel: Any = "post", **facts: Any) -> None:
    """Ann records how a person is to be written to."""
    email = f"{person.lower()}@example.org"
    ledger.contacts.record(new_contact(person, channel, ADDRESS, email, **facts), NOW, "ann")


def suspend(ledger: Ledger, number: int = 1) -> None:
    """Something that makes a letter."""
    tell_budget(ledger, f"PB{number:06d}", "suspend_payments", **SUSPENDED)


def ask_for_return(ledger: Ledger, number: int, days: Period, due: str) -> None:
    """Something else that does."""
    facts = {"return_reference": f"SR-{due}", "period": days, "due_on": on(due)}
    tell_budget(ledger, f"PB{number:06d}", "request_spend_return", **facts)


def states(ledger: Ledger) -> dict[str, str]:
    """Where each letter stands, by budget; for one letter a budget."""
    return {one.budget_reference: one.state for one in entries(ledger)}


def only_letter(ledger: Ledger) -> LetterEntry:
    """The one letter there is."""
    (one,) = entries(ledger)
    return one


# --- GOV.UK Notify ----------------------------------------------------------------------------

SERVICE, SECRET = "26785a09-ab16-4eb0-8407-a37497a57506", "3d844edf-8d35-48ac-975b-e847b4f122b0"
API_KEY = f"ledger-{SERVICE}-{SECRET}"
EMAIL_TEMPLATE, LETTER_TEMPLATE = "template-email", "template-letter"


class Notify:
    """As much of GOV.UK Notify's API as is used, over HTTP: it checks who asks and what is sent.

    `then` says how it answers what it is sent: "taken"; "lost": taken, and the connection
    dropped before the answer; or a status to refuse with.
    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.then: str | int = "taken"
        self.refused_to: str = ""
        self.status = "delivered"
        notify = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                notify.take(self, body)

            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                notify.tell(self, asked["reference"][0])

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if not self.knows(request):
            return
        kind = request.path.removeprefix("/v2/notifications/")
        wanted = {"email": EMAIL_TEMPLATE, "letter": LETTER_TEMPLATE}
        assert body["template_id"] == wanted[kind]
        to = body.get("email_address") or body["personalisation"]["address_line_1"]
        if isinstance(self.then, int) and (not self.refused_to or to == self.refused_to):
            error = {"error": "BadRequestError", "message": f"{to} is not right"}
            self.answer(request, self.then, {"status_code": self.then, "errors": [error]})
            return
        identity = str(uuid5(NAMESPACE_URL, f"{len(self.sent)}"))
        self.sent.append({"id": identity, "kind": kind, **body})
        if self.then == "lost":
            request.connection.close()
            return
        self.answer(request, 201, {"id": identity, "reference": body["reference"]})

    def tell(self, request: BaseHTTPRequestHandler, reference: str) -> None:
        if not self.knows(request):
            return
        self.asked.append(reference)
        found = [
            {"id": one["id"], "reference": reference, "status": self.status}
            for one in self.sent
            if one["reference"] == reference
        ]
        self.answer(request, 200, {"notifications": found, "links": {}})

    def knows(self, request: BaseHTTPRequestHandler) -> bool:
        """Whether who asks holds the key: a token signed with it within half a minute."""
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            said = jwt.decode(token, SECRET, algorithms=["HS256"], leeway=30)
        except jwt.InvalidTokenError:
            said = {}
        if said.get("iss") == SERVICE:
            return True
        errors = [{"error": "AuthError", "message": "Invalid token"}]
        self.answer(request, 403, {"status_code": 403, "errors": errors})
        return False

    def answer(self, request: BaseHTTPRequestHandler, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@contextmanager
def a_notify() -> Iterator[Notify]:
    """A GOV.UK Notify on this machine, in a thread of its own."""
    notify = Notify()
    thread = threading.Thread(target=notify.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield notify
    finally:
        notify.server.shutdown()
        thread.join()
        notify.server.server_close()


def by_notify(notify: Notify, **settings: Any) -> dict[str, Any]:
    """The settings that send letters to it."""
    from pydantic import SecretStr

    return {
        "letters": "notify",
        "notify_api_key": SecretStr(API_KEY),
        "notify_base_url": notify.url,
        "notify_email_template": EMAIL_TEMPLATE,
        "notify_letter_template": LETTER_TEMPLATE,
        **settings,
    }
