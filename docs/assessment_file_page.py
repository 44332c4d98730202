"""The reference page of the assessment file: its columns, its items and their kinds."""

from __future__ import annotations

from docs.markdown import code, page, table
from ledger.assessment_columns import COLUMNS, ITEMS, KINDS, AssessmentColumn


def assessment_file_page() -> str:
    """The page `assessment-file.md`."""
    columns = [
        (
            code(column.name),
            _on(column),
            column.meaning
            + (f" One of {', '.join(map(code, column.allowed))}." if column.allowed else ""),
        )
        for column in COLUMNS
    ]
    kinds = [
        part
        for item, known in KINDS.items()
        for part in (
            f"### {item}",
            ITEMS[item],
            table(("Kind", "Meaning"), [(code(kind), label) for kind, label in known.items()]),
        )
    ]
    return page(
        "The assessment file",
        "A CSV file in UTF-8 with a header, and one row for each thing that was told for a "
        "financial assessment. Rows with the same `budget_reference` and `assessment_reference` "
        "are one assessment, wherever they stand; exactly one of them is its assessment row. Every "
        "column must be there, in any order. A column is filled in on rows of the items named "
        "here, may be blank where it says so, and must be blank on all others. Days are "
        "`YYYY-MM-DD`, money is pounds (`286.30`).",
        "[How to import assessments, with an example](../how-to/import-assessments.md).",
        table(("Column", "Filled in on", "What it holds"), columns),
        "## Kinds",
        "What each item is, and the kinds that there are of it.",
        *kinds,
        "## What is refused",
        "A file with any fault is refused whole, and every fault is listed by line, column and "
        "reason; nothing is recorded. First come the faults of the file alone; once there are "
        "none, it is held against the ledger, and all of these are listed: no such budget, a "
        "person who is not registered, another date of birth than the registered one, a day "
        "before the budget was opened, after it closed or without rates, and a reference that "
        "was used with other facts.",
        "The faults never repeat what a cell holds: all of it is personal.",
        "## The same file again",
        "An assessment that is recorded already, with the facts and dates of the file, is passed "
        "over, whatever the rates and settings have become since. Assessments of one budget are "
        "recorded in the order of `decided_on`.",
    )


def _on(column: AssessmentColumn) -> str:
    """The items whose rows have the column."""
    if column.required:
        return "every row"
    if set(column.taken_on) == set(ITEMS):
        return "every row, or none of the assessment"
    needed = ", ".join(map(code, column.needed_on))
    taken = ", ".join(map(code, column.taken_on))
    may = f"{taken} (may be blank)" if taken else ""
    return ", ".join(part for part in (needed, may) if part)
