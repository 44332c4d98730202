"""The port through which letters leave, and what is said when one is not taken."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from ledger.outbox.writing import Finished


class NotTaken(Exception):
    """A letter was not taken on, or nobody knows whether it was.

    `for_good`: trying again will not help. `down`: no letter at all is taken now. The reason is
    for people, and names nobody."""

    def __init__(self, reason: str, *, for_good: bool = False, down: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good
        self.down = down


class Carrier(Protocol):
    """Takes letters on. `at_a_time` is how many may be in doubt if the machine stops."""

    at_a_time: int

    def find(self, letter_reference: str) -> str | None:
        """The carrier's own id of a letter that it took before; None if it did not.

        Asked before a letter is tried again. Raises `NotTaken` if it cannot be asked."""
        ...

    def content(self, letter: Finished) -> str:
        """What of a letter leaves this way: a page, or plain text."""
        ...

    def send(self, letter: Finished, on: date) -> str:
        """Take a letter on; returns the carrier's own id. Raises `NotTaken`."""
        ...

    def settle(self) -> None:
        """Make sure of all that was sent since the last time. Raises `NotTaken` if it is not."""
        ...
