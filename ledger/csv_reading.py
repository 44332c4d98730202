"""Reading CSV files that people's spreadsheets make: rows are handed on, faults are collected.

Nothing here stops at the first fault: whoever mends a file wants all of them at once. Reasons
never repeat what a cell holds, because a shifted column puts personal data anywhere.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

from ledger.dates import parse_date
from ledger.errors import Fault, InvalidValue, Refusal
from ledger.money import parse_pounds

Values = dict[str, Any]
"""Column name -> what its cell holds, None if blank; a cell with a fault has no entry."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


# --- how one cell is read ---------------------------------------------------------------------


def one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    """A cell that is one of a few words."""
    values = {value: value for value in allowed}
    listed = ", ".join(allowed)

    def read(text: str) -> str:
        value = values.get(text)
        if value is None:
            raise InvalidValue(f"Must be one of: {listed}.")
        return value

    return read


def matching(pattern: str, sentence: str) -> Callable[[str], str]:
    """A cell that is written in one way, which the sentence says."""
    matches = re.compile(pattern).fullmatch

    def read(text: str) -> str:
        if matches(text) is None:
            raise InvalidValue(sentence)
        return text

    return read


def words(longest: int) -> Callable[[str], str]:
    """A cell of words; line ends within it become spaces."""

    def read(text: str) -> str:
        one_line = " ".join(text.split())
        if len(one_line) > longest or _CONTROL.search(one_line):
            raise InvalidValue(f"Must be 1 to {longest} characters, with no control characters.")
        return one_line

    return read


day = lru_cache(maxsize=65_536)(parse_date)
pounds = lru_cache(maxsize=65_536)(parse_pounds)


def pounds_above_nought(text: str) -> int:
    """Pounds as pence, not 0.00."""
    pence = pounds(text)
    if pence == 0:
        raise InvalidValue("Must be more than 0.00.")
    return pence


reference = matching("[A-Z0-9/-]{1,20}", "Must be 1 to 20 of A to Z, 0 to 9, - and /.")
code = matching("[a-z0-9_]{1,40}", "Must be a code of a to z, 0 to 9 and _, at most 40 long.")


# --- a file -----------------------------------------------------------------------------------


class Column(Protocol):
    """What reading needs to know of a column."""

    @property
    def name(self) -> str: ...
    @property
    def read(self) -> Callable[[str], Any]: ...
    @property
    def required(self) -> bool: ...


class CsvReading:
    """One pass over a CSV file (UTF-8, header in any order): faults are collected, never raised.

    `of` is whose columns they are, for the faults: "a caseload file's". With `with_blanks`, what
    spreadsheets leave at the right and at the bottom is passed over: rows of which every cell is
    blank, and blank cells beyond the last column of the header.
    """

    def __init__(self, columns: tuple[Column, ...], of: str, *, with_blanks: bool = False) -> None:
        self._columns: Mapping[str, Column] = {column.name: column for column in columns}
        self._of = of
        self._with_blanks = with_blanks
        self.faults: list[Fault] = []

    def fault(self, line: int, column: str, reason: str) -> None:
        """Note what is wrong on a line; no column: with the line as a whole."""
        self.faults.append(Fault(line, column, reason))

    def in_order(self) -> list[Fault]:
        """The faults by line and then by column."""
        order = {name: place for place, name in enumerate(self._columns)}
        return sorted(self.faults, key=lambda fault: (fault.line, order.get(fault.column, -1)))

    def rows(self, data: bytes) -> Iterator[tuple[int, Values]]:
        """Each row that can be read, with the line of the file it starts on.

        Where the text is not UTF-8 or the quoting is broken, what can still be read is read."""
        rows = self._cells(self._decoded(data))
        first = next(rows, None)
        if first is None:
            if not self.faults:
                self.fault(1, "", "The file is empty.")
            return
        header_line, header = first
        names = [cell.strip() for cell in header]
        while self._with_blanks and names and not names[-1]:
            names.pop()
        if self._columns.keys().isdisjoint(names):  # perhaps a row of data: do not repeat it
            self.fault(header_line, "", "This line is not a header: it names no known column.")
            return
        layout = self._layout(header_line, names)
        count = 0
        for line, cells in rows:
            if self._with_blanks:
                if not any(map(str.strip, cells)):
                    continue
                while len(cells) > len(names) and not cells[-1].strip():
                    cells.pop()
            count += 1
            if len(cells) != len(names):
                self.fault(line, "", f"Has {len(cells)} cells where the header has {len(names)}.")
            elif not any(map(str.strip, cells)):
                self.fault(line, "", "Every cell of this row is empty.")
            else:
                yield line, self._values(line, cells, layout)
        if count == 0 and not any(fault.line > header_line for fault in self.faults):
            self.fault(header_line, "", "The file has a header and no rows.")

    def _decoded(self, data: bytes) -> str:
        """The text; bytes that are not UTF-8 and NULs are faults, replaced to read on."""
        data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            for number, raw in enumerate(re.split(rb"\r\n?|\n", data), start=1):
                try:
                    raw.decode()
                except UnicodeDecodeError as wrong:
                    self.fault(
                        number,
                        "",
                        f"Byte {wrong.start + 1} of this line (hexadecimal {raw[wrong.start]:02x})"
                        " is not UTF-8; save the file as CSV UTF-8.",
                    )
            text = data.decode(errors="replace")
        if "\x00" in text:
            for number, row in enumerate(re.split(r"\r\n?|\n", text), start=1):
                if "\x00" in row:
                    self.fault(number, "", "This line holds a NUL byte.")
            text = text.replace("\x00", "")
        return text

    def _cells(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not blank, with the line of the file it starts on."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as wrong:
                self.fault(line, "", f"Cannot be read as CSV ({wrong}); nothing after it was read.")
                return
            if cells:
                yield line, cells

    def _layout(self, line: int, names: list[str]) -> list[tuple[str, int, Column]]:
        """Where each known column is; unknown, repeated and missing ones are faults."""
        layout: dict[str, int] = {}
        for place, name in enumerate(names):
            if name not in self._columns:
                self.fault(line, name, f"This column is not one of {self._of}.")
            elif name in layout:
                self.fault(line, name, "This column is in the header more than once.")
            else:
                layout[name] = place
        for name in self._columns.keys() - layout.keys():
            self.fault(line, name, "This column is missing.")
        return [(name, place, self._columns[name]) for name, place in layout.items()]

    def _values(self, line: int, cells: list[str], layout: list[tuple[str, int, Column]]) -> Values:
        values: Values = {}
        for name, place, column in layout:
            cell = cells[place].strip()
            if not cell:
                if column.required:
                    self.fault(line, name, "Must not be blank.")
                else:
                    values[name] = None
                continue
            try:
                values[name] = column.read(cell)
            except InvalidValue as wrong:
                self.fault(line, name, str(wrong))
            except Refusal as wrong:  # its own sentence may repeat the cell: give the rule
                self.fault(line, name, wrong.rule)
        return values
