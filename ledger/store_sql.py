"""SQL and bytes for PostgreSQL that the store sends as they are, made once for each shape."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent

# --- one command --------------------------------------------------------------------------


class RowShape(NamedTuple):
    """What the statement for one row of a table is made from."""

    table: str
    columns: tuple[str, ...]
    ignore_existing: bool


@lru_cache(maxsize=256)
def append_with_rows(function: str, id_type: str, events: int, rows: tuple[RowShape, ...]) -> str:
    """A few events and rows in one statement: one round trip and one transaction.

    The rows are made to wait for the events (`appended`), so that the events' lock is always
    taken first and two commands that share a key queue rather than deadlock. Parameters:
    streams, versions, topics, states, then the values of each row.
    """
    arrays = ", ".join(
        f"ARRAY[{', '.join(['%s'] * events)}]::{kind}[]"
        for kind in (id_type, "bigint", "text", "bytea")
    )
    parts = [f"appended AS MATERIALIZED (SELECT * FROM {function}({arrays}) AS id)"]
    if rows:
        parts.append("done AS MATERIALIZED (SELECT count(*) FROM appended)")
    for place, row in enumerate(rows):
        values = ", ".join(["%s"] * len(row.columns))
        existing = " ON CONFLICT DO NOTHING" if row.ignore_existing else ""
        parts.append(
            f"row_{place} AS (INSERT INTO {row.table} ({', '.join(row.columns)}) "
            f"SELECT {values} FROM done{existing})"
        )
    return f"WITH {', '.join(parts)} SELECT id FROM appended"


# --- many events --------------------------------------------------------------------------

# PostgreSQL's binary COPY, by hand: psycopg dumps a UUID in Python, which halves the speed.
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
_COPY_FIRST = struct.Struct(">hi16siqi")  # 4 fields: length and uuid, length and version, length


def copy_row(event: StoredEvent) -> bytes:
    """One event as a row of the COPY."""
    stream, topic = event.originator_id, event.topic.encode()
    assert isinstance(stream, UUID), "streams of the ledger have UUIDs"
    first = _COPY_FIRST.pack(4, 16, stream.bytes, 8, event.originator_version, len(topic))
    return b"".join((first, topic, len(event.state).to_bytes(4, "big"), event.state))


# --- what `init` makes --------------------------------------------------------------------


POSTGRES_OBJECTS = (
    """CREATE OR REPLACE FUNCTION {schema}.{append}(
        streams {type}[], versions bigint[], topics text[], states bytea[]
    ) RETURNS SETOF bigint LANGUAGE plpgsql AS $body$
    BEGIN
        PERFORM pg_advisory_xact_lock({name}::regclass::oid::bigint);
        RETURN QUERY INSERT INTO {schema}.{table}
            (originator_id, originator_version, topic, state)
            SELECT * FROM unnest(streams, versions, topics, states)
            RETURNING notification_id;
    END; $body$""",
    """CREATE OR REPLACE FUNCTION {schema}.{guard}() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        RAISE EXCEPTION 'Events are only ever added: % refused.', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END; $body$""",
    """CREATE OR REPLACE TRIGGER {guard} BEFORE UPDATE OR DELETE OR TRUNCATE
        ON {schema}.{table} FOR EACH STATEMENT EXECUTE FUNCTION {schema}.{guard}()""",
)
"""The append under one lock for the whole table, and the guard against changing an event."""
