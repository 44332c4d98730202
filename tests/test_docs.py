"""The documentation is true: made pages are current, examples run, commands parse, links lead."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer.main
from sqlalchemy import make_url
from starlette.testclient import TestClient
from typer.testing import CliRunner

from docs.console import Shell, Step, steps
from docs.generate import PAGES, REFERENCE
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.mass_change import HELD_BECAUSE, SKIPPED_BECAUSE
from ledger.api import create_app
from ledger.application import Ledger
from ledger.cli import app
from ledger.config import Settings
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, due
from ledger.errors import Refusal
from ledger.money import for_days, format_pounds
from ledger.terms import AllocationTerm, ContributionTerm, Terms

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BY_HAND = {"bacs.md", "bank-reports.md", "pain001.md", "glossary.md"}


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# --- pages made from the code -------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(name):
    """So every refusal, event, setting, verb, route, column and exception is documented."""
    assert text_of(REFERENCE / name) == PAGES[name](), "run `make fix`"


def test_every_reference_page_is_made_or_known_to_be_written_by_hand():
    assert {path.name for path in REFERENCE.glob("*.md")} == PAGES.keys() | BY_HAND


def test_what_to_do_is_said_for_every_exception():
    page = text_of(DOCS / "how-to" / "run-a-payment-cycle.md")
    assert [code for code in EXCEPTIONS if f"| `{code}` |" not in page] == []


def test_what_to_do_is_said_for_every_budget_held_back_or_passed_over():
    page = text_of(DOCS / "how-to" / "change-many-budgets.md")
    codes = {**HELD_BECAUSE, **SKIPPED_BECAUSE}
    assert [code for code in codes if f"| `{code}` |" not in page] == []


# --- links --------------------------------------------------------------------------------

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Every link of a page to another file here or a place in it."""
    for target in _LINK.findall(_CODE.sub("", text_of(path))):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield (path.parent / name).resolve() if name else path, anchor


def anchors(path: Path) -> set[str]:
    """The places in a page that can be linked to, as GitHub names them."""
    titles = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text_of(path), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", MARKDOWN, ids=place)
def test_no_link_is_dead(page):
    dead = [
        f"{target.name}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert dead == []


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.exists():
            reached.add(page)
            waiting += [target for target, _ in links(page) if target.suffix == ".md"]
    assert [place(page) for page in MARKDOWN if page not in reached] == []


# --- commands -----------------------------------------------------------------------------


def pbledger_lines() -> Iterator[Any]:
    """Every `pbledger` command shown anywhere, on a line of its own or in a sentence."""
    for path in MARKDOWN:
        if path.parent == REFERENCE or path.name == "tutorial.md":
            continue
        for step in steps(text_of(path)):
            if step.command.startswith("pbledger"):
                yield pytest.param(step.command, id=f"{place(path)}:{step.line}")


def parse(command: Any, arguments: list[str], name: str = "pbledger", parent: Any = None) -> None:
    """Read a command line as the program does, to its last option, without doing it."""
    context = command.make_context(name, arguments, parent=parent)
    if hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        inner_name, inner, rest = command.resolve_command(context, rest)
        parse(inner, rest, inner_name, context)


@pytest.mark.parametrize("line", list(pbledger_lines()))
def test_a_command_shown_is_one_the_program_understands(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = "caseload.csv assessments.csv valacdos.txt scsubtab.txt INPUT.xml ARUCS.xml AWACS.xml"
    for name in files.split():
        (tmp_path / name).touch()
    parse(typer.main.get_command(app), shlex.split(line)[1:])


def test_a_command_that_the_program_does_not_understand_is_noticed(tmp_path):
    program = typer.main.get_command(app)
    for line in (
        "budget pay PB1",
        "budget close PB1 --reason-code bored",
        "cycle show",
        "verify x",
    ):
        with pytest.raises(Exception, match=r"No such|not one of|Missing|unexpected"):
            parse(program, shlex.split(line))


# --- the tutorial -------------------------------------------------------------------------


@pytest.mark.timeout(400)  # forty runs of the program, on a machine that may be busy
def test_the_tutorial_does_what_it_says(tmp_path):
    shell = Shell(tmp_path)
    for step in steps(text_of(DOCS / "tutorial.md")):
        shell.require_same(step, shell.play(step))


def test_a_page_that_says_something_else_is_noticed(tmp_path):
    shell = Shell(tmp_path)
    page = "```console\n$ echo 1234abcd\n0000abcd\n$ echo 0000abcd\n0000abcd\n$ echo 1\n2\n```\n"
    first, second, third = steps(page)
    shell.require_same(first, shell.play(first))
    assert shell.play(second) == "1234abcd\n"  # a later command is given the real code
    shell.require_same(second, shell.play(second))
    with pytest.raises(AssertionError, match=r"line 6: \$ echo 1"):
        shell.require_same(third, shell.play(third))
    with pytest.raises(AssertionError, match="exit status 3"):
        shell.play(Step(1, "exit 3", ""))


# --- the API's examples -------------------------------------------------------------------


class Curl:
    """As much of curl as the page uses, on a server in this process."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def __call__(self, command: str) -> str:
        method, url, headers, body = "GET", "", {}, None
        words = iter(shlex.split(command.replace("\\\n", " "))[1:])
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word == "--json":
                body, headers["Content-Type"] = next(words), "application/json"
            else:
                url = word
        return self._client.request(method, url, content=body, headers=headers).text


def test_the_api_answers_as_the_page_says(tmp_path, sqlite_url):
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=sqlite_url,
        key_file=tmp_path / "key",
        development_sign_in=True,
    )
    Ledger.initialise(settings)
    server = TestClient(
        create_app(settings), base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50_000)
    )
    with server as client:
        curl = Curl(client)
        for step in steps(text_of(DOCS / "how-to" / "use-the-api.md")):
            wanted = re.escape(step.output.strip()).replace(r"\.\.\.", ".*?")
            assert re.fullmatch(wanted, curl(step.command), re.DOTALL), step


# --- the PostgreSQL page ------------------------------------------------------------------


@pytest.fixture
def postgres_page(postgres_server) -> Iterator[str]:
    """The page, its SQL done, with roles, a database and a server of this test's own."""
    own = f"docs_{secrets.token_hex(4)}"
    server = make_url(postgres_server)
    page = text_of(DOCS / "how-to" / "run-on-postgresql.md")
    page = page.replace("ledger_owner", f"{own}_owner").replace("ledger_app", f"{own}_app")
    page = page.replace("@localhost/ledger", f"@{server.host}:{server.port}/{own}")
    page = page.replace("CREATE DATABASE ledger ", f"CREATE DATABASE {own} ")
    (statements,) = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for statement in statements.strip().split("\n"):
            connection.execute(statement)
        yield page
        connection.execute(f"DROP DATABASE {own} WITH (FORCE)")
        connection.execute(f"DROP ROLE {own}_app, {own}_owner")


def test_the_postgresql_page_works(postgres_page, tmp_path):
    """The owner makes the ledger, and the other role runs it and keeps it."""
    owner, application = re.findall(r"LEDGER_DATABASE_URL=(\S+)", postgres_page)
    given = []
    for step in steps(postgres_page):
        if step.command.startswith("pbledger") and "serve" not in step.command:
            url = owner if " init " in step.command else application
            environment = {"LEDGER_DATABASE_URL": url, "LEDGER_KEY_FILE": str(tmp_path / "key")}
            done = CliRunner().invoke(app, shlex.split(step.command)[1:], env=environment)
            assert done.exit_code == 0, f"{step.command}\n{done.output}"
            given.append(step.command.split()[1])
    assert given == ["init", "status", "init", "rebuild", "verify"]


# --- worked examples ----------------------------------------------------------------------

FOUR_WEEKS = Period(date(2026, 4, 6), date(2026, 5, 3))


def support(pence: int, first: date, last: date | None = None) -> AllocationTerm:
    return AllocationTerm(
        line_reference="care",
        need="personal_care",
        funding_stream="social_care",
        deployment="direct_payment",
        starts_on=first,
        ends_on=last,
        weekly_pence=pence,
    )


def owed(first: date, *lines: AllocationTerm, paid: tuple[EntitlementLine, ...] = ()):
    contribution = ContributionTerm(first, 14295, "net")
    return tuple(due(Terms(first, date.max, lines, [contribution], []), paid, FOUR_WEEKS))


def pence(lines: tuple[EntitlementLine, ...]) -> int:
    return sum(line.amount_pence for line in lines)


def shown(page: str, *amounts: int) -> bool:
    """Whether a page has these amounts in this order, each in a row of a table."""
    rows = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    written = [format_pounds(amount).replace("-", "\N{MINUS SIGN}") for amount in amounts]
    return re.search(".*".join(map(re.escape, written)), rows, re.DOTALL) is not None


def test_the_example_of_money_and_time_adds_up():
    page = text_of(DOCS / "explanation" / "money-and-time.md")

    late = owed(date(2026, 4, 16), support(31000, date(2026, 4, 16)))
    assert shown(page, late[0].amount_pence, late[1].amount_pence, pence(late))
    assert f"{format_pounds(for_days(31000 - 14295, 18))}." in page

    start, change = date(2026, 4, 6), date(2026, 4, 22)
    whole = owed(start, support(31000, start))
    assert f"paid {format_pounds(pence(whole))} for the whole 28 days" in page
    gross, contribution = (format_pounds(abs(line.amount_pence)) for line in whole)
    assert f"({gross} less {contribution})" in page

    before, after = support(31000, start, date(2026, 4, 21)), support(33850, change)
    anew = owed(start, before, after)
    amounts = {line.starts_on: line.amount_pence for line in anew if line.kind == "allocation"}
    put_right = owed(start, before, after, paid=whole)
    assert shown(
        page,
        amounts[start],
        amounts[change],
        sum(amounts.values()),
        -for_days(14295, 28),
        pence(anew),
        -pence(whole),
        pence(put_right),
    )


def test_refusals_named_in_the_pages_exist():
    """A code in a sentence that looks like a refusal's is one."""
    known = set(EXCEPTIONS) | {r.code for r in Refusal.__subclasses__()}
    words = {"payment-scheduled", "payment-confirmed", "import-caseload", "demo-data"}
    verbs = set(typer.main.get_command(app).commands["budget"].commands)  # type: ignore[attr-defined]
    named = {
        code
        for path in [*DOCS.glob("how-to/*.md"), *DOCS.glob("explanation/*.md")]
        for code in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text_of(path))
    }
    assert named - known - words - verbs == set()
