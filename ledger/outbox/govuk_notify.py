"""GOV.UK Notify: letters by post and by email, through its own client library.

Each letter goes under its own reference, and Notify is asked for that reference before a letter
is tried again: it keeps what it was sent for a week, so nobody gets a letter twice because an
answer was lost. Its errors may repeat an address, so nothing of them is kept but their kind.
"""

from __future__ import annotations

import re
from datetime import date
from http import HTTPStatus
from typing import Any

from notifications_python_client.errors import APIError
from notifications_python_client.notifications import NotificationsAPIClient
from pydantic import SecretStr

from ledger.errors import InvalidValue
from ledger.outbox.port import NotTaken
from ledger.outbox.writing import Finished

SECONDS = 30
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(f"(.*-)?{_UUID}-{_UUID}", re.IGNORECASE)

NOT_DELIVERED = frozenset(
    {
        "permanent-failure",
        "temporary-failure",
        "technical-failure",
        "validation-failed",
        "virus-scan-failed",
        "cancelled",
    }
)
"""States in which Notify has given a letter up: it may be sent again."""

_FOR_GOOD = {
    HTTPStatus.BAD_REQUEST: "GOV.UK Notify refused it (400): the address, or the template.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "GOV.UK Notify refused it (413): it is too long.",
}
_DOWN = {
    HTTPStatus.UNAUTHORIZED: "GOV.UK Notify does not know the API key (401).",
    HTTPStatus.FORBIDDEN: "GOV.UK Notify does not accept the API key (403).",
    HTTPStatus.NOT_FOUND: "There is no GOV.UK Notify at LEDGER_NOTIFY_BASE_URL (404).",
    HTTPStatus.TOO_MANY_REQUESTS: "GOV.UK Notify takes no more for now (429).",
}


class GovukNotify:
    """Hands letters to GOV.UK Notify, one at a time. Close it when done."""

    at_a_time = 1

    def __init__(
        self, api_key: SecretStr | None, base_url: str, email_template: str, letter_template: str
    ) -> None:
        """Raises `InvalidValue` if the key is missing or cannot be one."""
        secret = api_key.get_secret_value().strip() if api_key else ""
        if not _KEY.fullmatch(secret):
            raise InvalidValue(
                "LEDGER_NOTIFY_API_KEY must be the API key that GOV.UK Notify shows once.",
                field="notify_api_key",
            )
        client: Any = NotificationsAPIClient  # its methods have no types
        self._client = client(secret, base_url=base_url, timeout=SECONDS)
        self._email_template = email_template
        self._letter_template = letter_template

    def close(self) -> None:
        """Let go of the connection."""
        self._client.request_session.close()

    def takes(self, letter: Finished) -> bool:
        """Whether there is a template for it. Nothing is posted in large print."""
        assert letter.contact is not None, "a letter without contact details is not sent"
        if letter.contact.channel == "email":
            return bool(self._email_template)
        return bool(self._letter_template) and not letter.contact.large_print

    def find(self, letter_reference: str) -> str | None:
        """Notify's id of a letter it was sent and has not given up."""
        try:
            answer = self._client.get_all_notifications(reference=letter_reference)
        except APIError as error:
            raise _not_taken(error) from None
        for notification in answer["notifications"]:
            if notification["status"] not in NOT_DELIVERED:
                return str(notification["id"])
        return None

    def content(self, letter: Finished) -> str:
        """Subject, name and text, as the template puts them together."""
        return f"{letter.letter.subject}\n\nDear {letter.name}\n\n{letter.text}\n"

    def send(self, letter: Finished, on: date) -> str:  # noqa: ARG002 - Notify dates it itself
        """Send it by the person's channel; returns Notify's id."""
        contact = letter.contact
        assert contact is not None, "a letter without contact details is not sent"
        said = {"subject": letter.letter.subject, "name": letter.name, "body": letter.text}
        known = {"reference": letter.letter_reference}
        try:
            if contact.channel == "email":
                answer = self._client.send_email_notification(
                    contact.email, self._email_template, personalisation=said, **known
                )
            else:
                lines = enumerate((letter.name, *contact.address), 1)
                to = {f"address_line_{number}": line for number, line in lines}
                answer = self._client.send_letter_notification(
                    self._letter_template, personalisation={**said, **to}, **known
                )
        except APIError as error:
            raise _not_taken(error) from None
        return str(answer["id"])

    def settle(self) -> None:
        """Its answer has made sure of each letter."""


def _not_taken(error: APIError) -> NotTaken:
    """What an error of Notify's means for the letter: kept by its kind alone."""
    if getattr(error.response, "status_code", None) is None:
        return NotTaken("GOV.UK Notify did not answer.", down=True)
    status = error.status_code
    if status in _FOR_GOOD:
        return NotTaken(_FOR_GOOD[HTTPStatus(status)], for_good=True)
    if status in _DOWN:
        return NotTaken(_DOWN[HTTPStatus(status)], down=True)
    return NotTaken(f"GOV.UK Notify had a fault of its own ({status}).", down=True)
