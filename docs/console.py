"""Plays the `console` blocks of a page: every command for real, in order, in one folder.

The tutorial is a test this way (tests/test_docs.py). When the program's answers have changed
for good, `python -m docs.console` writes the new ones into the page: read the difference.

A line that begins with "$ " is a command and "> " carries it on; what follows is its output.
Output must be the same but for moments and long codes (hashes, references made from the key
file), which differ at each run; a later command that repeats one is given the real one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_HEX = {64: "[0-9a-f]{64}", 32: "[0-9a-f]{32}", 12: "[0-9a-f]{12}", 8: "[0-9a-f]{8}"}
_CODES = [rf"\b{pattern}\b" for pattern in _HEX.values()]
_MOMENTS = [r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"]
_CHANGING = re.compile("|".join([*_MOMENTS, *_CODES]))


class Step(NamedTuple):
    """A command of a page with the output shown, or a file to be saved before what follows."""

    line: int
    command: str
    output: str
    file: str = ""


class Difference(AssertionError):
    """What came of a command is not what the page shows."""


def steps(text: str) -> Iterator[Step]:
    """What a reader of the page would do, in order."""
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start("body")) + 1
        if block["file"]:
            yield Step(line, "", block["body"], block["file"])
        elif block["language"] == "console":
            yield from _commands(block["body"], line)


def _commands(body: str, line: int) -> Iterator[Step]:
    command, output, first = "", "", line
    for number, text in enumerate(body.splitlines(), line):
        if text.startswith("$ "):
            if command:
                yield Step(first, command, output)
            command, output, first = text[2:], "", number
        elif text.startswith("> ") and not output:
            command += f"\n{text[2:]}"
        else:
            output += f"{text.rstrip()}\n"
    yield Step(first, command, output)


class Shell:
    """A reader at a terminal in an empty folder, who has `pbledger` and no settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        program = programs / "pbledger"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ledger "$@"\n')
        program.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LEDGER_", "PYTHON"))}
        self._environment = kept | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "NO_COLOR": "1",
        }
        self._status = 0
        self._real: dict[str, str] = {}  # what the page shows -> what it is this time

    def real(self, text: str) -> str:
        """A text of the page with the changing codes as they are this time."""
        return _CHANGING.sub(lambda found: self._real.get(found[0], found[0]), text)

    def play(self, step: Step) -> str:
        """Do one step; what the terminal shows."""
        if step.file:
            (self.folder / step.file).write_text(step.output)
            return step.output
        done = subprocess.run(  # noqa: S603 - the page's own commands, as its reader gives them
            ["/bin/bash", "-c", f"(exit {self._status})\n{self.real(step.command)}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self._status = done.returncode
        if (done.returncode == 0) == done.stdout.startswith("refused:"):
            raise Difference(f"{step.command}: exit status {done.returncode}\n{done.stdout}")
        return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())

    def learn(self, on_page: str, shown: str) -> None:
        """Learn the changing codes from an output that may have changed otherwise."""
        pairs = zip(_CHANGING.finditer(on_page), _CHANGING.finditer(shown), strict=False)
        self._real.update((one[0], other[0]) for one, other in pairs)

    def require_same(self, step: Step, shown: str) -> None:
        """Compare with the page, and learn what the changing codes are this time."""
        wanted, changing = _pattern(step.output)
        found = re.fullmatch(wanted, shown, re.DOTALL)
        if found is None:
            raise Difference(
                f"line {step.line}: $ {step.command}\n--- shown on the page\n"
                f"{self.real(step.output)}--- came of it\n{shown}"
            )
        for on_page, real in zip(changing, found.groups(), strict=True):
            if self._real.setdefault(on_page, real) != real and not on_page.endswith("UTC"):
                raise Difference(f"line {step.line}: {on_page} stands for two different codes")


def _pattern(output: str) -> tuple[str, list[str]]:
    """A pattern of the output shown, a group for each code that changes, and those codes."""
    changing = [found[0] for found in _CHANGING.finditer(output)]
    parts = [re.escape(part) for part in _CHANGING.split(output)]
    groups = [f"({_kind(code)})" for code in changing]
    return "".join(a + b for a, b in zip(parts, [*groups, ""], strict=True)), changing


def _kind(code: str) -> str:
    return next(p for p in [*_MOMENTS, *_HEX.values()] if re.fullmatch(p, code))


def rewritten(text: str, folder: Path) -> str:
    """The page with the output of every command as it is now."""
    shell = Shell(folder)

    def played(block: re.Match[str]) -> str:
        commands = []
        for step in steps(block[0]):
            typed = shell.real(step.command)
            shown = shell.play(step)
            if step.file:
                return block[0]
            shell.learn(step.output, shown)
            lines = typed.splitlines()
            commands += [f"{'> ' if place else '$ '}{line}\n" for place, line in enumerate(lines)]
            commands.append(shown)
        return f"```console\n{''.join(commands)}```" if commands else block[0]

    return _BLOCK.sub(played, text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        TUTORIAL.write_text(rewritten(TUTORIAL.read_text(), Path(temporary)))
