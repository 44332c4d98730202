"""One run of the program: who is acting, how it answers, which ledger, and how refusals end it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from ledger.aggregates.event_sourced import Said
from ledger.cli.screen import Progress, Screen, as_json, progress
from ledger.dates import day_in_england
from ledger.errors import Refusal, StoreUnavailable

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.config import Settings

LONGEST_NAME = 100


class FileUnusable(Refusal):
    """A file or folder that was named must be there and open to this program."""


class Session:
    """What every verb is given, as `ctx.obj`."""

    def __init__(self, acting_as: str, as_json: bool) -> None:
        self._acting_as = acting_as
        self.as_json = as_json

    @cached_property
    def settings(self) -> Settings:
        """The settings of the environment; one that cannot be read is a usage error."""
        from pydantic import ValidationError
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        from ledger.config import Settings

        try:
            settings = Settings()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"LEDGER_{str(first['loc'][0]).upper()}"
            raise typer.BadParameter(str(first["msg"]), param_hint=name) from None
        try:
            backend = make_url(settings.database_url).get_backend_name()
        except (ArgumentError, ValueError):
            backend = ""
        if backend not in ("sqlite", "postgresql"):
            raise typer.BadParameter(
                "It must be sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
                param_hint="LEDGER_DATABASE_URL",
            )
        return settings

    def actor(self) -> str:
        """Who is acting; a usage error if nobody has been named."""
        name = " ".join((self._acting_as or self.settings.acting_as).split())
        if not name:
            raise typer.BadParameter(
                "This is recorded under a name. Say who is acting: "
                "pbledger --as NAME ..., or set LEDGER_ACTING_AS.",
                param_hint="'--as'",
            )
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise typer.BadParameter(
                f"A name is at most {LONGEST_NAME} printable characters.", param_hint="'--as'"
            )
        return name

    def said(self, effective_on: date | None = None) -> Said:
        """What accompanies a command given now; it takes effect today unless told."""
        moment = now()
        return {
            "effective_on": effective_on or day_in_england(moment),
            "recorded_at": moment,
            "recorded_by": self.actor(),
        }

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of the settings, open while the block runs."""
        from ledger.application import Ledger

        with Ledger(self.settings) as ledger:
            yield ledger

    def answer(self, document: Any, show: Callable[[Screen], None]) -> None:
        """Print the one JSON document, or show people the same."""
        if self.as_json:
            print(as_json(document))
        else:
            show(Screen())

    def progress(self, what: str, total: int | None) -> AbstractContextManager[Progress]:
        """A progress bar on stderr, if that is a terminal."""
        return progress(what, total)

    @property
    def may_ask(self) -> bool:
        """Whether there is a person to ask."""
        return not self.as_json and sys.stdin.isatty() and sys.stdout.isatty()


def session_of(ctx: typer.Context) -> Session:
    """The session of a verb."""
    found = ctx.obj
    assert isinstance(found, Session), "the program's callback makes it"
    return found


def now() -> datetime:
    """The moment at which a verb runs: the one clock of the program."""
    return datetime.now(UTC)


class Verbs(TyperGroup):
    """The program's verbs. `--as` and `--json` may stand anywhere; no refusal is a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the global options to the front, wherever they stand before a `--`."""
        if any(not arg.isascii() and "\udc80" <= max(arg) <= "\udcff" for arg in args):
            raise typer.BadParameter("The command line is not text in UTF-8.")
        front: list[str] = []
        rest: list[str] = []
        remaining = iter(args)
        for arg in remaining:
            if arg == "--":
                rest += [arg, *remaining]
            elif arg == "--as":
                front += [arg, *list(_next(remaining))]
            elif arg == "--json" or arg.startswith("--as="):
                front.append(arg)
            else:
                rest.append(arg)
        return super().parse_args(ctx, [*front, *rest])

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; a refusal is said on stderr and ends the program with 1."""
        try:
            return super().invoke(ctx)
        except Refusal as refused:
            refusal = refused
        except OSError as error:
            if error.filename is None:
                raise
            refusal = FileUnusable(f"{error.filename}: {error.strerror}.")
        except Exception as error:
            refusal = _of_the_database(error)
        refuse(refusal, as_document=ctx.obj is not None and ctx.obj.as_json)
        raise typer.Exit(1)


def _next(arguments: Iterator[str]) -> Iterator[str]:
    value = next(arguments, None)
    if value is not None:
        yield value


def _of_the_database(error: Exception) -> Refusal:
    """A fault of the database as a refusal; any other error is raised on."""
    from eventsourcing.persistence import PersistenceError
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, DBAPIError):
        return StoreUnavailable(f"The database did not answer: {_first_line(error.orig)}.")
    if isinstance(error, PersistenceError | sqlite3.Error):
        return StoreUnavailable(f"The database did not answer: {_first_line(error)}.")
    raise error


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")


def refuse(refusal: Refusal, *, as_document: bool) -> None:
    """Say a refusal on stderr: its code and sentence, or problem details (RFC 9457)."""
    if not as_document:
        print(f"refused: {refusal.code}: {refusal}", file=sys.stderr)
        return
    document = {
        **refusal.details,
        "type": f"urn:pbledger:refusal:{refusal.code}",
        "title": refusal.rule,
        "status": refusal.status,
        "detail": str(refusal),
        "code": refusal.code,
        "retryable": refusal.retryable,
    }
    print(as_json(document), file=sys.stderr)
