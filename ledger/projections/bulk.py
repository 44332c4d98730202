"""Writing many rows at once: COPY on PostgreSQL, executemany on SQLite.

Values are ints, text, dates and None; dates are written as ISO text, which both take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table

from ledger.projections.tables import Key, Row

CHUNK = 5_000
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def insert(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Add rows, in the order of the table's columns; none of their keys may exist."""
    if not rows:
        return
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        columns = ", ".join(column.name for column in table.columns)
        with cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for some in _chunks(rows, CHUNK):
                copy.write(_text(some))
        return
    marks = ", ".join("?" * len(table.columns))
    cursor.executemany(
        f"INSERT INTO {table.name} VALUES ({marks})",
        ([_plain(value) for value in row] for row in rows),
    )
    cursor.close()


def _text(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as COPY text; formatting whole lines is three times as fast as escaping cells.

    A null is written as NUL, which no text of PostgreSQL's holds, until it is known that
    nothing needs escaping."""
    width = len(rows[0])
    nulls = sum(row.count(None) for row in rows)
    line = "\t".join(["%s"] * width) + "\n"
    text = "".join(
        [line % tuple(["\0" if cell is None else cell for cell in row]) for row in rows]
        if nulls
        else [line % tuple(row) for row in rows]
    )
    plain = (
        text.count("\t") == (width - 1) * len(rows)
        and text.count("\n") == len(rows)
        and text.count("\0") == nulls
        and "\r" not in text
        and "\\" not in text
    )
    return text.replace("\0", r"\N") if plain else _escaped(rows)


def _escaped(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as COPY text, each cell escaped where it must be."""
    return "".join(
        "\t".join(r"\N" if cell is None else str(cell).translate(_ESCAPES) for cell in row) + "\n"
        for row in rows
    )


def _plain(value: Any) -> Any:
    return value if value is None or type(value) in (int, str) else str(value)


def take(connection: Connection, table: Table, keys: Collection[Key]) -> dict[Key, Row]:
    """Take out the rows of those keys that exist, to be put back changed in this transaction."""
    names = [column.name for column in table.primary_key.columns]
    found: dict[Key, Row] = {}
    cursor = connection.connection.cursor()
    for some in _chunks(keys, CHUNK):
        if connection.dialect.name == "postgresql":
            arrays = ", ".join(["%s::text[]"] * len(names))
            same = " AND ".join(f"{table.name}.{name} = wanted.{name}" for name in names)
            cursor.execute(
                f"DELETE FROM {table.name} USING unnest({arrays}) AS wanted ({', '.join(names)}) "
                f"WHERE {same} RETURNING {table.name}.*",
                [list(column) for column in zip(*some, strict=True)],
            )
        else:
            row = f"({', '.join('?' * len(names))})"
            cursor.execute(
                f"DELETE FROM {table.name} WHERE ({', '.join(names)}) IN "
                f"(VALUES {', '.join([row] * len(some))}) RETURNING *",
                [cell for key in some for cell in key],
            )
        for taken in cursor.fetchall():
            found[tuple(taken[: len(names)])] = list(taken)
    cursor.close()
    return found


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
