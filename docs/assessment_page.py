"""The page of what goes into a financial assessment, made from the kinds and their rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from docs.markdown import code, page, table
from ledger.charging.facts import MOST_LINES
from ledger.charging.kinds import (
    CAPITAL_KINDS,
    DISABILITY_KINDS,
    HOUSING_KINDS,
    INCOME_KINDS,
    Kind,
)

_TREATMENTS = {
    "counted": "counted",
    "disregarded": "not counted",
    "disability_benefit": "counted; opens the disability-related costs",
}

_EXAMPLE = """
date_of_birth = 1951-03-02
household = "single"

[[income]]
kind = "state_pension"
amount = "286.30"

[[income]]
kind = "attendance_allowance"
amount = "114.60"

[[capital]]
kind = "savings"
amount = "18250.00"

[[housing]]
kind = "council_tax"
amount = "130.00"
help = "52.00"
per = "month"

[[disability_costs]]
kind = "heating"
amount = "14.50"
"""

_FIELDS = (
    ("date_of_birth", "a day", "Decides which minimum income guarantee holds."),
    ("household", "`single` or `couple`", "Whether the person lives with a partner."),
    ("partner_date_of_birth", "a day", "Only where the partner may reach State Pension age first."),
    ("children", "a number", "Children of the household that the person is responsible for."),
    ("disability_premium", "`true`", "Gets it, or would if on Income Support."),
    ("enhanced_disability_premium", "`true`", "The same."),
    ("carer_premium", "`true`", "The same."),
    ("assessment", "`full`, `light_touch` or `declined`", "`full` if left out."),
    (
        "light_touch_ground",
        "`significant_resources`, `benefits_show_nil` or `not_contacted`",
        "Needed for a light-touch assessment, and only then.",
    ),
    ("provisional_weekly", "pounds", "Needed for `not_contacted`, and only then."),
    ("free_person", "`cjd`", "A person whose care is free by regulation 4."),
)
_LINE_FIELDS = (
    ("kind", "all", "One of the kinds below."),
    ("amount", "all", 'Pounds as text, such as `"286.30"`. Income is before tax.'),
    ("per", "all but capital", "`week` (if left out), `four_weeks`, `month` or `year`."),
    ("tax", "income", "The tax on it, for as long."),
    ("starts_on, ends_on", "income", "First and last day, where it starts or stops."),
    ("help", "housing", "Housing Benefit or council tax reduction towards it, for as long."),
    ("owner", "capital", "`own` (if left out), or `joint_with_partner`: half of it counts."),
)


def assessment_page() -> str:
    """Facts and how they are written; each kind and its treatment; what is not worked out."""
    parts = [
        "The facts a financial assessment rests on, as a finance officer writes them down, and "
        "how each kind is treated. The figures it uses are in [rates](rates.md), and so is "
        "what each [status](rates.md#what-the-statuses-mean) means.",
        f"```toml\n{_EXAMPLE.strip()}\n```",
        table(("Field", "Value", "What it is"), [(code(a), b, c) for a, b, c in _FIELDS]),
        "Then a block for each line: `[[income]]`, `[[capital]]`, `[[housing]]` and "
        f"`[[disability_costs]]`, at most {MOST_LINES} of each.",
        table(("Field of a line", "Of", "What it is"), _LINE_FIELDS),
        "An amount for another time than a week is made weekly (a month is 12/52 of a year, four "
        "weeks are four), half-up to the penny, once for each line. Two lines of income of one "
        "kind must not share a day.",
        "## How it is worked out",
        "1. Nothing is charged for after-care under section 117, for support to a carer, for care "
        "that the NHS pays for, nor to a person with Creutzfeldt-Jakob disease.\n"
        "2. A person who declines an assessment, or has capital above the upper limit, pays the "
        "full cost. A light-touch assessment goes by its ground.\n"
        "3. Counted income, and income taken as coming from capital above the lower limit: so much "
        "for each step of capital or part of one;\n"
        "4. less the cost of the home, net of help;\n"
        "5. less disability-related costs, where a disability benefit is counted: those evidenced, "
        "or the council's standard amount if that is more;\n"
        "6. less the minimum income guarantee: the amount for age and household, for each child, "
        "premiums (for disability only below State Pension age), and the council's addition.\n"
        "7. Not below nought; the council's share of it; nothing if it is below the minimum "
        "charge.\n"
        "8. The person pays this, or what the care costs if that is less.",
        "It is worked out anew on each day that a figure, a line of income, or an age (25, State "
        "Pension age) changes it.",
        *_kinds("Income", INCOME_KINDS),
        *_kinds("Capital", CAPITAL_KINDS),
        *_kinds("Housing costs", HOUSING_KINDS),
        *_kinds("Disability-related costs", DISABILITY_KINDS),
        "## What is not worked out",
        "Look at these by hand: the savings disregard for savings credit; capital or income that "
        "a person has given up (notional); property disregards; what Universal Credit holds for "
        "housing or children; tax on income when it is uprated, which stays as it was; and "
        "charges under the Children Act. A fraction of a penny is rounded half-up: the wording of "
        "regulation 11 was not seen, and may favour the person.",
    ]
    return page("The facts of a financial assessment", *parts)


def _kinds(title: str, kinds: Mapping[str, Kind]) -> Iterator[str]:
    yield f"## {title}"
    costs = kinds in (HOUSING_KINDS, DISABILITY_KINDS)
    yield table(
        ("Kind", "What it is", "Treatment", "Rule", "Source", "Status", "Note"),
        [
            (
                code(name),
                kind.label,
                "" if costs else _TREATMENTS[kind.treatment],
                code(kind.rule),
                kind.source,
                kind.status,
                kind.check,
            )
            for name, kind in kinds.items()
        ],
    )
