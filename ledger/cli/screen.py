"""What people and programs see: sentences and tables, or one JSON document; progress apart.

Answers go to stdout; progress, questions and refusals to stderr, so that stdout can be piped.
Colour and boxes only on a terminal (and never with NO_COLOR); elsewhere plain aligned text
whose lines are never wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

Progress = Callable[[int], None]
Cell = str | int | date | Path | None


def no_progress(_done: int) -> None:
    """For where there is no terminal to show it on."""


def moment(at: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def as_json(document: Any) -> str:
    """One JSON document, readable and stable."""
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode()


class Screen:
    """Where an answer is shown."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stdout
        self.is_terminal = self._file.isatty()

    def say(self, sentence: str = "") -> None:
        """A sentence on a line of its own."""
        print(sentence, file=self._file, flush=True)

    def facts(self, *facts: tuple[str, Cell]) -> None:
        """Names and what they are, one a line; those that are None are left out."""
        known = [(name, value) for name, value in facts if value is not None]
        width = max((len(name) for name, _ in known), default=0)
        for name, value in known:
            self.say(f"{name:<{width}}  {value}")

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        none: str = "None.",
    ) -> None:
        """A titled table. A column whose name starts with ">" is set to the right."""
        self.say(f"\n{title}")
        cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
        if not cells:
            self.say(f"  {none}")
        elif self.is_terminal:
            self._boxed(columns, cells)
        else:
            self._plain(columns, cells)

    def _boxed(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            table.add_column(
                name.removeprefix(">"),
                justify="right" if name.startswith(">") else "left",
                no_wrap=name.startswith(">"),
            )
        for row in rows:
            table.add_row(*map(Text, row))
        Console(file=self._file).print(table)

    def _plain(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        names = [name.removeprefix(">") for name in columns]
        widths = [
            max(len(name), *(len(row[place]) for row in rows)) for place, name in enumerate(names)
        ]
        for row in (names, ["-" * width for width in widths], *rows):
            aligned = (
                f"{cell:>{width}}" if name.startswith(">") else f"{cell:<{width}}"
                for name, width, cell in zip(columns, widths, row, strict=True)
            )
            self.say(f"  {'  '.join(aligned)}".rstrip())


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on stderr while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
