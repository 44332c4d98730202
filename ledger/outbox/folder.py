"""The file outbox: each letter a page in a folder, for the council to print and post."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ledger.bank.files import write_all_whole
from ledger.outbox.port import NotTaken
from ledger.outbox.writing import Finished


class Folder:
    """Writes `DAY/REFERENCE.html`, absent or whole; a letter tried again is found, not doubled."""

    at_a_time = 100

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._to_write: list[tuple[Path, bytes]] = []

    def find(self, letter_reference: str) -> str | None:
        """The file of a letter, under whatever day it was written."""
        for path in self._folder.glob(f"*/{letter_reference}.html"):
            return path.relative_to(self._folder).as_posix()
        return None

    def content(self, letter: Finished) -> str:
        """The page."""
        return letter.html

    def send(self, letter: Finished, on: date) -> str:
        """Have the page written; its place in the folder is its id."""
        place = f"{on.isoformat()}/{letter.letter_reference}.html"
        self._to_write.append((self._folder / place, self.content(letter).encode()))
        return place

    def settle(self) -> None:
        """Write the pages, all or none."""
        pages, self._to_write = self._to_write, []
        try:
            write_all_whole(pages)
        except OSError as error:
            why = error.strerror or "it cannot be written to"
            raise NotTaken(f"The folder for letters: {why}.", down=True) from None
