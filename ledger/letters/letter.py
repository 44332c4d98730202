"""What a letter is made of. It holds no name, no address and no account, only references."""

from __future__ import annotations

from datetime import date

import msgspec

LOOK_AGAIN = "You can ask us to look at this again. Tell us why you think it is wrong."
"""How to disagree with a decision."""


class Row(msgspec.Struct, frozen=True):
    """One line of a table of money: what it is, what it is for, and the amount."""

    what: str
    detail: str
    amount_pence: int


class Table(msgspec.Struct, frozen=True):
    """Rows of money that add up to `total_pence`."""

    caption: str
    rows: tuple[Row, ...]
    total: str

    @property
    def total_pence(self) -> int:
        return sum(row.amount_pence for row in self.rows)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One matter: what happened and what it means, what to do, and how to disagree.

    `kind` is a code of `telling.KINDS`; `listed` stands below the paragraphs, one item a line,
    and `afterwards` below that."""

    kind: str
    subject: str
    paragraphs: tuple[str, ...]
    listed: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    to_do: tuple[str, ...] = ()
    disagree: str = ""
    payee_reference: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one decision or one payment has to say to a person.

    `on` is the day in England on which it was recorded."""

    budget_reference: str
    person_reference: str
    on: date
    parts: tuple[Part, ...]

    @property
    def kind(self) -> str:
        return self.parts[0].kind

    @property
    def subject(self) -> str:
        return self.parts[0].subject

    @property
    def payee_reference(self) -> str:
        """The account that the letter shows, if it shows one."""
        return next((part.payee_reference for part in self.parts if part.payee_reference), "")
