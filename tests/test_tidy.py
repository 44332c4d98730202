"""The house rules, as tests. Each rule is first tried on a few lines that break it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for top in ("ledger", "scheduler") for path in (ROOT / top).rglob("*.py"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

MOST_LINES_IN_A_FUNCTION = 70
MOST_LINES_IN_A_MODULE = 400
CATALOGUES = {"ledger/errors.py"}  # a sentence for each refusal and no logic; one list to look in

# Where money is reckoned; `float` has no place there.
MONEY = (
    "money.py",
    "cycle_differences.py",
    "entitlement.py",
    "terms.py",
    "charging/",
    "aggregates/",
    "bank/",
    "projections/",
    "statements/",
)
# The pure middle, as named in the contract "The middle is pure".
PURE = {"accounts", "aggregates", "bank", "charging", "cycle_differences", "dates", "entitlement",
        "money", "pay_calendar", "recalculation", "reminders", "terms"}  # fmt: skip

# Where the date, the time and chance come in; everything else is given them.
ENTRY_POINTS = ("api/", "web/", "edge", "cli", "demo")
MAKES_KEYS = ("keyring.py", "people.py")  # encryption is nothing without chance
CLOCKS = re.compile(
    r"datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
    r"|time\.(time|time_ns|localtime|gmtime)|eventsourcing\.\w+\.datetime_now_with_tzinfo"
)
CHANCE = re.compile(r"(random|secrets)(\..*)?|os\.urandom|uuid\.uuid[1467]")

STARTED_BY_NAME = {"ledger", "ledger.__main__", "ledger.cli", "ledger.demo", "scheduler.__main__"}


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def within_ledger(path: Path, places: tuple[str, ...]) -> bool:
    top, _, rest = place(path).partition("/")
    return top == "ledger" and rest.startswith(places)


# --- size ---------------------------------------------------------------------------------


def too_long(source: str, is_catalogue: bool = False) -> Iterator[str]:
    """What is over the measure; worth splitting by idea, not by size."""
    lines = source.count("\n")
    if lines > MOST_LINES_IN_A_MODULE and not is_catalogue:
        yield f"module of {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_IN_A_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def test_functions_and_modules_are_short():
    assert [
        f"{place(path)}: {fault}"
        for path in SOURCES
        for fault in too_long(path.read_text(), place(path) in CATALOGUES)
    ] == []


def test_a_catalogue_has_no_logic():
    for path in CATALOGUES:
        tree = ast.parse((ROOT / path).read_text())
        assert not any(isinstance(node, ast.If | ast.For | ast.While) for node in ast.walk(tree))


def test_too_long_is_noticed():
    assert list(too_long("def f():\n" + "    pass\n" * 69)) == []
    assert list(too_long("def f():\n" + "    pass\n" * 70)) == ["line 1: f has 71 lines"]
    assert list(too_long("class A:\n  async def f():\n" + "    pass\n" * 70)) != []
    assert list(too_long("x = 1\n" * 400)) == []
    assert list(too_long("x = 1\n" * 401)) == ["module of 401 lines"]
    assert list(too_long("x = 1\n" * 401, is_catalogue=True)) == []
    assert list(too_long("def f():\n" + "    pass\n" * 70, is_catalogue=True)) != []


# --- money --------------------------------------------------------------------------------


def floats(source: str) -> Iterator[str]:
    """Every float by literal or by name, and every whole number made from a `/`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno}: {node.value!r}"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield f"line {node.lineno}: float"
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"int", "round"}
            and any(isinstance(part, ast.Div) for part in ast.walk(node))
        ):
            yield f"line {node.lineno}: {ast.unparse(node)} divides by way of a float"


def test_money_is_never_a_float():
    money = [path for path in SOURCES if within_ledger(path, MONEY)]
    assert [f"{place(path)}: {fault}" for path in money for fault in floats(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    ["x = 0.5", "x = 1e3", "x = float(y)", "def f(x: float | None): ...", "round(pence * 3 / 7)"],
)
def test_a_float_is_noticed(source):
    assert len(list(floats(source))) == 1


def test_whole_pence_are_no_float():
    assert list(floats('x = int(pence) * 3 // 7\ny = "0.5"\nz = Decimal(pence) / 100')) == []


# --- clocks and chance --------------------------------------------------------------------


def uses(source: str, forbidden: re.Pattern[str]) -> Iterator[str]:
    """Every use of a forbidden name, called or passed on, under whatever name it was imported."""
    tree = ast.parse(source)
    full_names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.partition(".")[0]
                full_names[name.asname or top] = name.name if name.asname else top
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                full_names[name.asname or name.name] = f"{node.module}.{name.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in full_names and forbidden.fullmatch(full_names[first] + dot + rest):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def test_there_is_no_clock_below_the_entry_points():
    below = [path for path in SOURCES if place(path).startswith("ledger/")]
    below = [path for path in below if not within_ledger(path, ENTRY_POINTS)]
    faults = [f"{place(path)}: {use}" for path in below for use in uses(path.read_text(), CLOCKS)]
    below = [path for path in below if not within_ledger(path, MAKES_KEYS)]
    faults += [f"{place(path)}: {use}" for path in below for use in uses(path.read_text(), CHANCE)]
    assert faults == []


@pytest.mark.parametrize(
    "source",
    [
        "import datetime\ndatetime.datetime.now()",
        "import datetime as dt\ndt.date.today()",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import date as day\nfield(default_factory=day.today)",
        "import time\ntime.time()",
        "from time import time\ntime()",
        "from eventsourcing.domain import datetime_now_with_tzinfo\ndatetime_now_with_tzinfo()",
    ],
)
def test_a_clock_is_noticed(source):
    assert list(uses(source, CLOCKS)) != []


@pytest.mark.parametrize(
    "source",
    [
        "import random\nrandom.choice(x)",
        "from random import Random\nRandom(1)",
        "import uuid\nuuid.uuid4()",
        "from uuid import uuid4 as new\nnew()",
        "import os\nos.urandom(8)",
        "import secrets\nsecrets.token_hex()",
    ],
)
def test_chance_is_noticed(source):
    assert list(uses(source, CHANCE)) != []


def test_a_date_passed_in_is_no_clock():
    source = "from datetime import date\nimport time, uuid\ndate(2026, 4, 6)\ntime.monotonic()"
    assert list(uses(source, CLOCKS)) == []
    assert list(uses("import uuid\nuuid.uuid5(space, name)\nself.random = 1", CHANCE)) == []


# --- modules and their layers -------------------------------------------------------------


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_by(path: str, source: str) -> set[str]:
    """The modules that a module imports, or names in a text such as "ledger.api:app"."""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package.pop()
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{name.name}" for name in node.names}
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (named := re.fullmatch(r"((?:ledger|scheduler)(?:\.\w+)*)(?::\w+)?", node.value))
        ):
            found.add(named[1])
    return found - {module_name(path)}


def dead_modules(sources: dict[str, str]) -> list[str]:
    """Modules that nothing imports and nobody starts; Alembic finds migrations by itself."""
    used = set[str]().union(*(imported_by(path, text) for path, text in sources.items()))
    alive = STARTED_BY_NAME | used
    return [
        path
        for path in sources
        if not path.startswith("ledger/migrations/")
        and not any(name == module_name(path) for name in alive)
        and not (
            path.endswith("/__init__.py")
            and any(name.startswith(f"{module_name(path)}.") for name in alive)
        )
    ]


def test_there_is_no_dead_module():
    sources = {place(path): path.read_text() for path in SOURCES}
    assert dead_modules(sources) == []


def test_a_dead_module_is_noticed():
    alive = {
        "ledger/cli.py": "from ledger.api import budgets\nrun('ledger.web:app')",
        "ledger/api/__init__.py": "",
        "ledger/api/budgets.py": "from . import shapes\nfrom ..money import pounds",
        "ledger/api/shapes.py": "",
        "ledger/money.py": "",
        "ledger/web/__init__.py": "",
        "ledger/migrations/env.py": "",
    }
    assert dead_modules(alive) == []
    assert dead_modules(alive | {"ledger/old.py": "import ledger.old"}) == ["ledger/old.py"]


def unlisted(modules: set[str], contracts: list[dict[str, list[str]]]) -> set[str]:
    """Modules that stand in no layer, and pure ones that the contract of purity forgets."""
    layers, pure = contracts[0]["layers"], contracts[1]["source_modules"]
    layered = set(re.findall(r"ledger\.(\w+)", " ".join(layers)))
    return (modules - layered) | {name for name in modules & PURE if f"ledger.{name}" not in pure}


def test_every_module_stands_in_a_layer():
    modules = {
        path.stem
        for path in (ROOT / "ledger").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert unlisted(modules - {"__init__", "migrations"}, CONTRACTS) == set()


def test_an_unlisted_module_is_noticed():
    contracts = [{"layers": ["ledger.api | (ledger.bank)"]}, {"source_modules": ["ledger.money"]}]
    assert unlisted({"api"}, contracts) == set()
    assert unlisted({"api", "bank", "other"}, contracts) == {"bank", "other"}


def test_imports_point_down():
    check = "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"
    result = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
