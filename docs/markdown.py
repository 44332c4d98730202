"""Small pieces of Markdown for the pages that are made from code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by docs/generate.py: change the code, then run `make fix`. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: its title and its parts, a blank line between them."""
    return "\n\n".join([NOTE, f"# {title}", *(part for part in parts if part)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a column that is empty in every row is left out."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    kept = [place for place in range(len(columns)) if any(row[place] for row in cells)]
    lines = [[columns[place] for place in kept], ["---"] * len(kept)]
    lines += [[row[place] for place in kept] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paragraph(text: str | None) -> str:
    """A docstring, or part of one, as paragraphs without its line ends and indents."""
    parts = (text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts)


def code(text: object) -> str:
    """As code."""
    return f"`{text}`"
