"""The modulus weight tables a council has loaded, and the one in force on a day.

A table is kept as it was published and never changed; a later one takes its place from its day.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple, TypedDict

import msgspec
from sqlalchemy import Engine, select

from ledger.aggregates.payees import ModulusCheck
from ledger.bank.modulus import WeightTable, check, read_weight_table
from ledger.durable import modulus_tables
from ledger.errors import InvalidValue, ModulusTableConflict
from ledger.people import Row, moment_text

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._ -]{0,38}[0-9A-Za-z]|[0-9A-Za-z]")
_read = lru_cache(maxsize=4)(read_weight_table)


class LoadedTable(NamedTuple):
    """What is known of a loaded table without reading it."""

    version: str
    effective_from: date
    sha256: str
    with_substitutions: bool
    loaded_at: str
    loaded_by: str


class TableInForce(NamedTuple):
    """The table that accounts are checked against on a day."""

    version: str
    table: WeightTable


class Checked(TypedDict):
    """What the check of an account said, as `propose_payee` takes it."""

    modulus_check: ModulusCheck
    modulus_table_version: str


def checked(sort_code: str, account_number: str, by: TableInForce | None) -> Checked:
    """Check six and eight digits by the table in force; without one, say so."""
    if by is None:
        return {"modulus_check": "no_table", "modulus_table_version": ""}
    answer = check(sort_code, account_number, by.table)
    return {"modulus_check": answer, "modulus_table_version": by.version}


class ModulusTables:
    """Builds the rows of loaded tables, and reads them back. It writes nothing itself."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def row(
        self,
        weights: str,
        version: str,
        effective_from: date,
        substitutions: str | None,
        loaded_at: datetime,
        loaded_by: str,
    ) -> Row | None:
        """The row of a table to load; None if the very same is here already.

        Raises `InvalidValue` for a version that cannot be one, `WeightTableUnreadable`, and
        `ModulusTableConflict` if the version was loaded with other content or from another day.
        """
        if _VERSION.fullmatch(version) is None:
            raise InvalidValue(
                "version: up to 40 letters, digits, dots, hyphens, underscores and spaces.",
                field="version",
            )
        read_weight_table(weights, substitutions)
        content = msgspec.json.encode((weights, substitutions))
        sha256 = hashlib.sha256(content).hexdigest()
        for known in self.loaded():
            if known.version == version:
                if (known.sha256, known.effective_from) == (sha256, effective_from):
                    return None
                raise ModulusTableConflict(
                    f"Version {version} is here already, in force from {known.effective_from}, "
                    f"{'with other content' if known.sha256 != sha256 else 'the same content'}; "
                    "give the new one a version of its own.",
                    version=version,
                )
        return {
            "version": version,
            "effective_from": effective_from.isoformat(),
            "sha256": sha256,
            "weights": weights,
            "substitutions": substitutions,
            "loaded_at": moment_text(loaded_at),
            "loaded_by": loaded_by,
        }

    def loaded(self) -> list[LoadedTable]:
        """Every loaded table, the one that took force last first."""
        t = modulus_tables.c
        query = select(
            t.version,
            t.effective_from,
            t.sha256,
            t.substitutions.is_not(None),
            t.loaded_at,
            t.loaded_by,
        ).order_by(t.effective_from.desc(), t.loaded_at.desc(), t.version.desc())
        with self.engine.connect() as connection:
            return [
                LoadedTable(version, date.fromisoformat(day), sha256, bool(replaces), at, by)
                for version, day, sha256, replaces, at, by in connection.execute(query)
            ]

    def version_on(self, on: date) -> str | None:
        """The version in force on a day: of the latest not after it, the one loaded last."""
        return next((t.version for t in self.loaded() if t.effective_from <= on), None)

    def in_force(self, on: date) -> TableInForce | None:
        """The table in force on a day; None if none is loaded that early."""
        version = self.version_on(on)
        if version is None:
            return None
        t = modulus_tables.c
        query = select(t.weights, t.substitutions).where(t.version == version)
        with self.engine.connect() as connection:
            weights, substitutions = connection.execute(query).one()
        return TableInForce(version, _read(weights, substitutions))
