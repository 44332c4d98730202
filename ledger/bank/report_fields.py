"""The values in banks' reports: read exactly or refused, and never repeated in a refusal."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from ledger.bank.xml_guard import require, unreadable
from ledger.dates import parse_date
from ledger.errors import InvalidDate

LONGEST_REFERENCE = 35  # of ISO 20022; Bacs has 18

_DAY = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_POUNDS = re.compile(r"([0-9]{1,11})\.([0-9]{2})")
_COUNT = re.compile(r"[0-9]{1,9}")
_SIX_DIGITS = re.compile(r"[0-9]{6}")
_SORT_CODE = re.compile(r"([0-9]{2})(-?)([0-9]{2})\2([0-9]{2})")
_ACCOUNT_NUMBER = re.compile(r"[0-9]{8}")
_SERIAL = re.compile(r"[0-9A-Z]{6}")
_REFERENCE = re.compile(rf"[ -~]{{0,{LONGEST_REFERENCE}}}")


def day(text: str, part: str, name: str) -> date:
    """A day, written alone or with a time of day; the day as written, in whatever zone."""
    match = _DAY.fullmatch(text)
    if match is not None:
        try:
            return parse_date(match[1])
        except InvalidDate:
            pass  # no such day
    raise unreadable(part, name, "not a day written YYYY-MM-DD")


def reference(text: str, part: str, name: str) -> str:
    """A payment's reference as it came back, without the blanks that fill it up; may be empty."""
    require(bool(_REFERENCE.fullmatch(text)), part, name, "not a reference")
    return text.strip()


def the_only(element: Any, path: str, part: str) -> Any:
    """The one element at a path below another; none, or more, is refused."""
    found = element.findall(path)
    require(len(found) == 1, part, path, f"there are {len(found)}, not one")
    return found[0]


class Attributes:
    """The attributes of one element of a Bacs report; `part` is what a refusal calls it.

    Each is asked for as what it must be, and refuses the file if it is not there or not that.
    """

    __slots__ = ("_of", "_part")

    def __init__(self, element: Any, part: str) -> None:
        self._of = element
        self._part = part

    def text(self, name: str) -> str:
        """Any text, without blanks around it."""
        value = self._of.get(name)
        if value is None:
            raise unreadable(self._part, name, "not there")
        return str(value).strip()

    def day(self, name: str) -> date:
        return day(self.text(name), self._part, name)

    def reference(self, name: str) -> str:
        return reference(self.text(name), self._part, name)

    def pence(self, name: str) -> int:
        """Pounds with two digits of pence, such as "668.20"; anything else could be misread."""
        match = self._matching(name, _POUNDS, "not pounds and two digits of pence")
        return int(match[1]) * 100 + int(match[2])

    def count(self, name: str) -> int:
        return int(self._matching(name, _COUNT, "not a whole number")[0])

    def service_user_number(self, name: str) -> str:
        return self._matching(name, _SIX_DIGITS, "not six digits")[0]

    def serial(self, name: str) -> str:
        return self._matching(name, _SERIAL, "not a submission serial")[0]

    def sort_code(self, name: str) -> str:
        """Six digits, written with hyphens or without."""
        match = self._matching(name, _SORT_CODE, "not a sort code")
        return match[1] + match[3] + match[4]

    def account_number(self, name: str) -> str:
        return self._matching(name, _ACCOUNT_NUMBER, "not eight digits")[0]

    def require(self, name: str, text: str) -> None:
        """Refuse the file unless an attribute says exactly this."""
        require(self.text(name) == text, self._part, name, f"not {text}")

    def _matching(self, name: str, pattern: re.Pattern[str], fault: str) -> re.Match[str]:
        match = pattern.fullmatch(self.text(name))
        if match is None:
            raise unreadable(self._part, name, fault)
        return match
