"""The facts of a financial assessment: what a person has, gets and pays, as a form states them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import combinations
from typing import Any, Literal, NamedTuple

import msgspec

from ledger.charging.kinds import (
    CAPITAL_KINDS,
    DISABILITY_KINDS,
    HOUSING_KINDS,
    INCOME_KINDS,
    Kind,
    Treatment,
)
from ledger.charging.person import birthday
from ledger.errors import (
    AssessmentGroundMissing,
    CoupleAssessedAsSingle,
    DateOfBirthInFuture,
    FactsUnreadable,
    IncomeLinesOverlap,
    InvalidMoney,
    InvalidPeriod,
    InvalidValue,
    ProvisionalAmountMissing,
    Refusal,
    UnderEighteen,
)
from ledger.money import divide_half_up, format_pounds, parse_pounds

__all__ = [
    "CAPITAL_KINDS",
    "DISABILITY_KINDS",
    "HOUSING_KINDS",
    "INCOME_KINDS",
    "CapitalLine",
    "DisabilityCost",
    "Facts",
    "HousingCost",
    "IncomeLine",
    "Kind",
    "Per",
    "Treatment",
    "facts_from_json",
    "facts_from_toml",
    "facts_to_json",
    "faults",
    "require_sound",
]

Per = Literal["week", "four_weeks", "month", "year"]
_WEEKLY: dict[Per, tuple[int, int]] = {
    "week": (1, 1),
    "four_weeks": (1, 4),
    "month": (12, 52),
    "year": (1, 52),
}
MOST_PENCE = 10_000_000_00
"""No line of an assessment comes near it; above it a slip of the keyboard is likelier."""
OLDEST = date(1900, 1, 1)
MOST_LINES = 100
"""More of one sort than anyone has; comparing each with each stays quick."""


def _weekly(pence: int, per: Per) -> int:
    times, over = _WEEKLY[per]
    return pence if over == 1 else divide_half_up(pence * times, over)


class IncomeLine(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Income of one kind, before tax, over the days it is received (open at either end)."""

    kind: str
    amount_pence: int
    per: Per = "week"
    tax_pence: int = 0
    starts_on: date | None = None
    ends_on: date | None = None

    @property
    def weekly_pence(self) -> int:
        """What it comes to a week after tax, half-up once."""
        return _weekly(self.amount_pence - self.tax_pence, self.per)

    def in_force_on(self, on: date) -> bool:
        """Whether it is received on a day."""
        return (self.starts_on is None or self.starts_on <= on) and (
            self.ends_on is None or on <= self.ends_on
        )


class CapitalLine(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Capital of one kind. Half of what is held jointly with a partner counts."""

    kind: str
    amount_pence: int
    owner: Literal["own", "joint_with_partner"] = "own"

    @property
    def share_pence(self) -> int:
        """The person's own share."""
        return self.amount_pence if self.owner == "own" else divide_half_up(self.amount_pence, 2)


class HousingCost(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A cost of the home, and the help towards it (Housing Benefit, council tax reduction)."""

    kind: str
    amount_pence: int
    per: Per = "week"
    help_pence: int = 0

    @property
    def weekly_pence(self) -> int:
        """What is left to pay a week, half-up once; never below nought."""
        return _weekly(max(0, self.amount_pence - self.help_pence), self.per)


class DisabilityCost(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A cost that the person has because of a disability, as evidenced."""

    kind: str
    amount_pence: int
    per: Per = "week"

    @property
    def weekly_pence(self) -> int:
        """What it comes to a week, half-up once."""
        return _weekly(self.amount_pence, self.per)


class Facts(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Everything an assessment rests on. Personal data: it is kept sealed, never in an event.

    `partner_date_of_birth` matters only where the partner reaches State Pension age first."""

    date_of_birth: date
    household: Literal["single", "couple"]
    children: int = 0
    assessment: Literal["full", "light_touch", "declined"] = "full"
    light_touch_ground: (
        Literal["significant_resources", "benefits_show_nil", "not_contacted"] | None
    ) = None
    provisional_weekly_pence: int | None = None
    free_person: Literal["cjd"] | None = None
    disability_premium: bool = False
    enhanced_disability_premium: bool = False
    carer_premium: bool = False
    partner_date_of_birth: date | None = None
    income: tuple[IncomeLine, ...] = ()
    capital: tuple[CapitalLine, ...] = ()
    housing: tuple[HousingCost, ...] = ()
    disability_costs: tuple[DisabilityCost, ...] = ()

    def __repr__(self) -> str:  # so that no log and no traceback has it
        return "Facts(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


# --- what makes facts sound -----------------------------------------------------------------


class _Fault(NamedTuple):
    """The refusal a fault meets, the field it is in, and what is wrong."""

    refusal: Callable[..., Refusal]
    field: str
    sentence: str


def faults(facts: Facts, on: date) -> list[tuple[str, str]]:
    """Every fault of the facts on a day: the field, and what is wrong with it."""
    return [(fault.field, fault.sentence) for fault in _faults(facts, on)]


def require_sound(facts: Facts, on: date) -> None:
    """Refuse facts with a fault, by the rule that the first of them breaks."""
    for fault in _faults(facts, on):
        raise fault.refusal(f"{fault.field}: {fault.sentence}", field=fault.field)


def _faults(facts: Facts, on: date) -> Iterator[_Fault]:
    for name in _LINES:
        if len(getattr(facts, name)) > MOST_LINES:
            yield _Fault(InvalidValue, name, f"there are more than {MOST_LINES} lines.")
            return
    yield from _person_faults(facts, on)
    yield from _way_faults(facts)
    yield from _income_faults(facts)
    for number, held in enumerate(facts.capital):
        place = f"capital[{number}]"
        yield from _kind_faults(place, held.kind, CAPITAL_KINDS)
        yield from _money_faults(f"{place}.amount_pence", held.amount_pence)
        if held.owner == "joint_with_partner" and facts.household == "single":
            yield _Fault(
                CoupleAssessedAsSingle,
                f"{place}.owner",
                "capital is held jointly with a partner, but the household is single.",
            )
    for number, home in enumerate(facts.housing):
        place = f"housing[{number}]"
        yield from _kind_faults(place, home.kind, HOUSING_KINDS)
        yield from _money_faults(f"{place}.amount_pence", home.amount_pence)
        yield from _part_faults(f"{place}.help_pence", home.help_pence, home.amount_pence, "cost")
    for number, cost in enumerate(facts.disability_costs):
        place = f"disability_costs[{number}]"
        yield from _kind_faults(place, cost.kind, DISABILITY_KINDS)
        yield from _money_faults(f"{place}.amount_pence", cost.amount_pence)


def _person_faults(facts: Facts, on: date) -> Iterator[_Fault]:
    born = {"date_of_birth": facts.date_of_birth}
    if facts.partner_date_of_birth is not None:
        born["partner_date_of_birth"] = facts.partner_date_of_birth
        if facts.household == "single":
            yield _Fault(
                CoupleAssessedAsSingle,
                "partner_date_of_birth",
                "a partner's date of birth is given, but the household is single.",
            )
    for field, day in born.items():
        if day > on:
            yield _Fault(DateOfBirthInFuture, field, f"it is later than {on}.")
        elif day < OLDEST:
            yield _Fault(InvalidValue, field, f"it is before {OLDEST}.")
        elif field == "date_of_birth" and birthday(day, 18) > on:
            yield _Fault(UnderEighteen, field, f"the person is under 18 on {on}.")
    if not 0 <= facts.children <= 30:
        yield _Fault(InvalidValue, "children", "it must be from 0 to 30.")


def _way_faults(facts: Facts) -> Iterator[_Fault]:
    ground, provisional = facts.light_touch_ground, facts.provisional_weekly_pence
    if facts.assessment == "light_touch":
        if ground is None:
            yield _Fault(
                AssessmentGroundMissing,
                "light_touch_ground",
                "a light-touch assessment needs its ground.",
            )
    elif ground is not None:
        yield _Fault(
            InvalidValue, "light_touch_ground", "only a light-touch assessment has a ground."
        )
    if provisional is not None:
        yield from _money_faults("provisional_weekly_pence", provisional)
    if ground == "not_contacted" and provisional is None:
        yield _Fault(
            ProvisionalAmountMissing,
            "provisional_weekly_pence",
            "a person who could not be contacted needs a provisional amount.",
        )
    elif ground != "not_contacted" and provisional is not None:
        yield _Fault(
            InvalidValue,
            "provisional_weekly_pence",
            "only a person who could not be contacted has a provisional amount.",
        )


def _income_faults(facts: Facts) -> Iterator[_Fault]:
    for number, line in enumerate(facts.income):
        place = f"income[{number}]"
        yield from _kind_faults(place, line.kind, INCOME_KINDS)
        yield from _money_faults(f"{place}.amount_pence", line.amount_pence)
        yield from _part_faults(f"{place}.tax_pence", line.tax_pence, line.amount_pence, "amount")
        if line.starts_on and line.ends_on and line.ends_on < line.starts_on:
            yield _Fault(InvalidPeriod, f"{place}.ends_on", "it ends before it starts.")
    for (first, one), (second, other) in combinations(enumerate(facts.income), 2):
        if one.kind == other.kind and _share_a_day(one, other):
            yield _Fault(
                IncomeLinesOverlap,
                f"income[{second}].starts_on",
                f"it overlaps income[{first}], which is of the same kind.",
            )


def _share_a_day(one: IncomeLine, other: IncomeLine) -> bool:
    first = max(one.starts_on or date.min, other.starts_on or date.min)
    return first <= min(one.ends_on or date.max, other.ends_on or date.max)


def _kind_faults(place: str, kind: str, kinds: Mapping[str, Kind]) -> Iterator[_Fault]:
    if kind not in kinds:
        yield _Fault(InvalidValue, f"{place}.kind", f"the kinds are {', '.join(kinds)}.")


def _money_faults(field: str, pence: int) -> Iterator[_Fault]:
    if not 0 <= pence <= MOST_PENCE:
        yield _Fault(
            InvalidMoney, field, f"an amount is from £0.00 to {format_pounds(MOST_PENCE)}."
        )


def _part_faults(field: str, part: int, whole: int, of: str) -> Iterator[_Fault]:
    if part < 0:
        yield from _money_faults(field, part)
    elif part > max(whole, 0):
        yield _Fault(InvalidMoney, field, f"it is more than the {of} it is taken from.")


# --- reading and writing --------------------------------------------------------------------

facts_to_json: Callable[[Facts], bytes] = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Facts).decode


def facts_from_json(document: bytes) -> Facts:
    """The facts of a JSON document, as `facts_to_json` writes it."""
    return _decode(document)


_LINES: dict[str, type[msgspec.Struct]] = {
    "income": IncomeLine,
    "capital": CapitalLine,
    "housing": HousingCost,
    "disability_costs": DisabilityCost,
}


def facts_from_toml(document: str | Mapping[str, Any]) -> Facts:
    """The facts of a finance officer's document: TOML, or what was read from it.

    Fields are named as in `Facts`, but money is pounds as text and its name has no unit:
    `amount = "286.30"`, `tax = "12.00"`. What cannot be read is refused, naming the field.
    """
    if isinstance(document, str):
        try:
            document = tomllib.loads(document)
        except tomllib.TOMLDecodeError as error:
            raise FactsUnreadable(f"It is not TOML: {error}.", field="") from None
    given: dict[str, Any] = _in_pence(document, Facts, "")
    for name, shape in _LINES.items():
        if name not in given:
            continue
        lines = given[name]
        if not isinstance(lines, list | tuple) or not all(isinstance(x, Mapping) for x in lines):
            raise FactsUnreadable(f"{name}: it must be tables, each headed [[{name}]].", field=name)
        given[name] = [
            _in_pence(line, shape, f"{name}[{number}].") for number, line in enumerate(lines)
        ]
    try:
        return msgspec.convert(given, Facts)
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        field = path.strip(".`")
        where = f"{field}: " if field else ""
        raise FactsUnreadable(f"{where}{sentence[0].lower()}{sentence[1:]}.", field=field) from None


def _in_pence(table: Mapping[str, Any], shape: type[msgspec.Struct], place: str) -> dict[str, Any]:
    """A table with its pounds read into pence; a name that its shape does not have is refused."""
    names = {name.removesuffix("_pence"): name for name in shape.__struct_fields__}
    taken: dict[str, Any] = {}
    for name, value in table.items():
        field = f"{place}{name}"
        if name not in names:
            raise FactsUnreadable(
                f"{field}: there is no such field; there are {', '.join(names)}.", field=field
            )
        if names[name] != name:
            value = parse_pounds(value, field)
        elif isinstance(value, datetime):
            raise FactsUnreadable(f"{field}: it is a moment, and must be a day.", field=field)
        taken[names[name]] = value
    return taken
