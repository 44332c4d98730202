"""A made-up council's caseload file: nobody in it exists, and the same seed gives the same bytes.

Sort codes begin 99-99 and account numbers 9, so that no reader takes them for anyone's account.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from datetime import date, timedelta

from ledger.bank.bacs_reader import BacsFile
from ledger.caseload_columns import COLUMNS
from ledger.money import format_pounds

Cells = dict[str, str]

PAID_TO = date(2026, 4, 5)  # the next four-weekly period is 6 April to 3 May 2026
NEXT_PERIOD = PAID_TO + timedelta(days=1)

_GIVEN = (  # noqa: SIM905 - a list of words reads best as words
    "Agnes Albert Amina Andrzej Arthur Beryl Brian Carmen Chidi Chloë Colin Deepa Doreen Dylan "
    "Edith Efua Eileen Elżbieta Farah Florence François Gareth George Grace Gwen Hamza Harjit "
    "Hilda Imran Iris Ivy Jean José Joyce Kamala Keith Kwame Leila Leonard Linh Łukasz Mabel "
    "Maeve Manjit Marjorie Mei Mohammed Nadia Niamh Nora Olive Oluwaseun Omar Patricia Peggy "
    "Priya Ravi Renée Ronald Ruth Saoirse Shanice Siân Stanley Sunita Tariq Tomasz Umar Vera "
    "Violet Wei Winifred Yasmin Yusuf Zoë"
).split()
_FAMILY = (  # noqa: SIM905
    "Abbott Adeyemi Ahmed Akhtar Armstrong Bailey Begum Bennett Blackwood Brontë Campbell Chen "
    "Clarke D'Souza Davies Desai Dhillon Doyle Edwards Fernández Fletcher Gallagher Grüber "
    "Hargreaves Hughes Hussain Ibrahim Jones Kaur Kelly Khan Kowalski Lewis Łuczak MacLeod Malik "
    "McCarthy Mensah Mistry Müller N'Diaye Ndlovu Nguyễn O'Brien O'Connor O'Neill Okafor Osei "
    "Patel Pérez Pritchard Rahman Reid Robinson Shah Singh Smith-Jones StJohn Taylor Thomas "
    "Thompson Uddin Walker Williams Wójcik Wright Yildiz"
).split()
_MANAGERS = (
    ("Fairway Payroll Services Client Account", "99-99-71", "99000071"),
    ("Open Door Support Service Client Account", "99-99-72", "99000072"),
    ("Harbour Independent Living Trust", "99-99-73", "99000073"),
)


def caseload_csv(budgets: int, seed: int) -> bytes:
    """A caseload file (UTF-8, one row for each allocation line) of so many budgets."""
    council = _Council(random.Random(seed))  # noqa: S311 - made-up data, not secrets
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [column.name for column in COLUMNS], lineterminator="\n")
    writer.writeheader()
    for number in range(1, budgets + 1):
        writer.writerows(council.budget(number))
    return out.getvalue().encode()


_RETURNED_CREDIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<BACSDocument>
<Data>
<ARUCS>
<Header currentProcessingDate="{day}" reportType="REFT1027"/>
<ServiceLicenseInformation userNumber="{sun}" userName="EXAMPLE COUNCIL"/>
<Advice>
<OriginatingAccountRecords>
<OriginatingAccountRecord>
<ReturnedCreditItem ref="{reference}" returnCode="B128"
 originalProcessingDate="{processed_on}" valueOf="{pounds}" currency="GBP">
<ReceiverAccount sortCode="{sort_code}" number="{account_number}"/>
</ReturnedCreditItem>
<Totals numberOf="1" valueOf="{pounds}" currency="GBP"/>
</OriginatingAccountRecord>
</OriginatingAccountRecords>
</Advice>
</ARUCS>
</Data>
</BACSDocument>
"""


def returned_credit_xml(file: BacsFile, reference: str, day: date) -> bytes:
    """An ARUCS report, as little of one as can be read: a payment to an account that is closed."""
    (credit,) = (credit for credit in file.credits if credit.reference == reference)
    return _RETURNED_CREDIT.format(
        sun=file.service_user_number,
        processed_on=file.processing_on,
        reference=reference,
        sort_code=credit.sort_code,
        account_number=credit.account_number,
        pounds=_pounds(credit.amount_pence),
        day=day,
    ).encode()


def _pounds(pence: int) -> str:
    return format_pounds(pence).replace("£", "").replace(",", "")


class _Council:
    """Draws one budget after another; each is a kind of person with lines, charge and payee."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.people = 0
        self.deployment = ""  # of the budget being drawn; its lines mostly follow it
        self.last_person: Cells = {}
        self.last_account: Cells = {}
        self.kinds: tuple[tuple[int, Callable[[Cells], list[Cells]]], ...] = (
            (36, self.older),
            (24, self.working_age),
            (16, self.mental_health),
            (12, self.carer),
            (5, self.after_care),
            (4, self.continuing_health_care),
            (3, self.child),
        )

    def chance(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent

    def day(self, first: date, last: date) -> date:
        return first + timedelta(days=self.rng.randrange((last - first).days + 1))

    def weekly(self, least: int, most: int) -> int:
        """Pence: often whole pounds, often hours times a rate, sometimes neither."""
        pence = self.rng.randrange(least * 100, most * 100 + 1)
        if self.chance(40):
            return pence // 100 * 100
        by_the_hour = pence // 1_542 * 1_542  # £15.42 an hour
        return by_the_hour if self.chance(60) and by_the_hour >= least * 100 else pence

    def budget(self, number: int) -> list[Cells]:
        weights = [weight for weight, _ in self.kinds]
        _, kind = self.rng.choices(self.kinds, weights)[0]
        self.deployment = self.rng.choices(
            ("direct_payment", "managed_account", "individual_service_fund"), (80, 15, 5)
        )[0]
        cells = {"budget_reference": f"PB{number:06d}", **self.dates()}
        lines = kind(cells)
        self.history(cells, lines)
        self.charge(cells, lines)
        self.payee(cells, number)
        self.last_person = {
            name: cells[name] for name in ("recipient_reference", "recipient_name", "date_of_birth")
        }
        return [{**cells, **line} for line in lines]

    # --- the person ---------------------------------------------------------------------------

    def person(self, cells: Cells, born_from: int, born_to: int) -> None:
        self.people += 1
        given, family = self.rng.choice(_GIVEN), self.rng.choice(_FAMILY)
        cells["recipient_reference"] = f"R{self.people:06d}"
        cells["recipient_name"] = f"{given} {family}"
        born = self.day(date(born_from, 1, 1), date(born_to, 12, 31))
        cells["date_of_birth"] = born.isoformat()

    def dates(self) -> Cells:
        """Most began years ago and are paid to 5 April; a few begin in the next period."""
        starts_on = self.day(date(2021, 4, 5), date(2026, 3, 30))
        paid_to = PAID_TO.isoformat()
        if self.chance(4):
            starts_on, paid_to = self.day(NEXT_PERIOD, NEXT_PERIOD + timedelta(days=27)), ""
        elif self.chance(2) and starts_on <= date(2026, 3, 8):
            paid_to = "2026-03-08"  # missed the last run of the previous system
        signed_on = starts_on - timedelta(days=self.rng.randrange(3, 40))
        return {
            "start_date": starts_on.isoformat(),
            "paid_to": paid_to,
            "agreement_version": self.rng.choice(("2019-1", "2022-1", "2024-2", "2025-1")),
            "agreement_signed_on": signed_on.isoformat(),
            "return_frequency": self.rng.choices(
                ("quarterly", "six_monthly", "annual", "monthly", "none"), (45, 20, 25, 6, 4)
            )[0],
        }

    def older(self, cells: Cells) -> list[Cells]:
        self.person(cells, 1930, 1960)
        reasons = ("physical_personal_care", "memory_cognition", "physical_access_mobility",
                   "sensory_visual", "sensory_hearing", "sensory_dual")  # fmt: skip
        cells["support_reason"] = self.rng.choices(reasons, (50, 25, 15, 4, 3, 3))[0]
        cells["legal_basis"] = "care_act_2014"
        lines = [self.line(cells, "personal_care", "social_care", self.weekly(80, 620))]
        if self.chance(15):
            lines.append(self.line(cells, "meals_and_shopping", "social_care", self.weekly(40, 95)))
        if self.chance(8):
            amount = self.weekly(90, 240)
            lines.append(self.line(cells, "day_care", "social_care", amount, "provided_service"))
        return lines

    def working_age(self, cells: Cells) -> list[Cells]:
        self.person(cells, 1962, 2006)
        reasons = ("learning_disability", "physical_access_mobility", "physical_personal_care",
                   "sensory_dual", "social_substance_misuse", "social_isolation_other",
                   "social_asylum_seeker")  # fmt: skip
        cells["support_reason"] = self.rng.choices(reasons, (50, 18, 22, 3, 2, 4, 1))[0]
        cells["legal_basis"] = "care_act_2014"
        lines = [self.line(cells, "personal_care", "social_care", self.weekly(150, 900))]
        if self.chance(35):
            drawn = "council_managed" if self.chance(15) else ""
            lines.append(self.line(cells, "community", "social_care", self.weekly(45, 210), drawn))
        if self.chance(20):
            lines.append(self.line(cells, "health_tasks", "nhs", self.weekly(60, 400)))
        if self.chance(12):
            lines.append(self.one_off(cells, "recruitment_start_up", 15_000, 60_000))
        return lines

    def mental_health(self, cells: Cells) -> list[Cells]:
        self.person(cells, 1955, 2005)
        cells["support_reason"] = "mental_health"
        cells["legal_basis"] = "care_act_2014"
        lines = [self.line(cells, "community", "social_care", self.weekly(40, 260))]
        if self.chance(25):
            lines.append(self.line(cells, "peer_support", "joint", self.weekly(40, 90)))
        return lines

    def carer(self, cells: Cells) -> list[Cells]:
        """A carer; now and then the last person drawn, who then has two budgets."""
        born = self.last_person.get("date_of_birth", "9999")
        if self.chance(10) and born < "1998":
            cells.update(self.last_person)
        else:
            self.person(cells, 1942, 1998)
        cells["support_reason"] = "social_isolation_other"
        cells["legal_basis"] = "care_act_2014_carer"
        if self.chance(40):
            return [self.one_off(cells, "carer_break", 20_000, 50_000)]
        return [self.line(cells, "carer_break", "social_care", self.weekly(40, 85))]

    def after_care(self, cells: Cells) -> list[Cells]:
        self.person(cells, 1960, 2004)
        cells["support_reason"] = "mental_health"
        cells["legal_basis"] = "mental_health_act_1983_s117"
        stream = self.rng.choice(("joint", "joint", "nhs"))
        lines = [self.line(cells, "after_care", stream, self.weekly(90, 540))]
        if self.chance(40):
            lines.append(self.line(cells, "community", "social_care", self.weekly(40, 160)))
        return lines

    def continuing_health_care(self, cells: Cells) -> list[Cells]:
        self.person(cells, 1940, 2002)
        cells["support_reason"] = "physical_personal_care"
        cells["legal_basis"] = "nhs_act_2006"
        return [self.line(cells, "health_tasks", "nhs", self.weekly(450, 900))]

    def child(self, cells: Cells) -> list[Cells]:
        self.person(cells, 2010, 2019)
        cells["support_reason"] = "learning_disability"
        cells["legal_basis"] = "children_act_1989_s17a"
        return [self.line(cells, "short_breaks", "social_care", self.weekly(40, 220))]

    # --- the lines ----------------------------------------------------------------------------

    def line(
        self, cells: Cells, need: str, stream: str, weekly_pence: int, deployment: str = ""
    ) -> Cells:
        prefix = {"nhs": "N", "joint": "J"}.get(stream, "S")
        return {
            "need": need,
            "funding_stream": stream,
            "deployment": deployment or self.deployment,
            "weekly_amount": _pounds(weekly_pence),
            "line_start_date": cells["start_date"],
            "cost_centre": "" if self.chance(2) else f"{prefix}{self.rng.randrange(4100, 4140)}",
        }

    def one_off(self, cells: Cells, need: str, least_pence: int, most_pence: int) -> Cells:
        """Dated in the next period where the budget is old, so that the first cycle pays it."""
        line = self.line(cells, need, "social_care", 0)
        line["weekly_amount"] = ""
        line["one_off_amount"] = _pounds(self.rng.randrange(least_pence, most_pence, 2_500))
        if cells["paid_to"] and self.chance(60):
            in_period = self.day(NEXT_PERIOD, NEXT_PERIOD + timedelta(days=20))
            line["line_start_date"] = in_period.isoformat()
        return line

    def history(self, cells: Cells, lines: list[Cells]) -> None:
        """April rises, lines that begin or end part-way through the next period, old lines."""
        first = lines[0]
        if not first["weekly_amount"] or not cells["paid_to"]:
            return
        if self.chance(8):  # the rate rose on 6 April
            risen = dict(first, line_start_date=NEXT_PERIOD.isoformat())
            risen["weekly_amount"] = _pounds(
                int(first["weekly_amount"].replace(".", "")) * 104 // 100
            )
            first["line_end_date"] = PAID_TO.isoformat()
            lines.append(risen)
        elif self.chance(5):
            first["line_end_date"] = self.day(
                NEXT_PERIOD + timedelta(days=3), NEXT_PERIOD + timedelta(days=24)
            ).isoformat()
        if len(lines) > 1 and lines[1]["weekly_amount"] and self.chance(10):
            lines[1]["line_start_date"] = self.day(
                NEXT_PERIOD + timedelta(days=2), NEXT_PERIOD + timedelta(days=24)
            ).isoformat()

    # --- the charge and the account -----------------------------------------------------------

    def charge(self, cells: Cells, lines: list[Cells]) -> None:
        """Carers, after-care, the NHS and children are free; some pay nil, a few the full cost."""
        weekly = sum(
            int(line["weekly_amount"].replace(".", ""))
            for line in lines
            if line["weekly_amount"] and line.get("line_end_date") != PAID_TO.isoformat()
        )
        pence = 0
        if cells["legal_basis"] == "care_act_2014":
            older = cells["date_of_birth"] < "1960"
            if self.chance(5):
                pence = weekly + self.rng.choice((0, 0, 1_250, 8_040))
            elif self.chance(75 if older else 45):
                pence = min(self.rng.randrange(350, 14_000 if older else 7_500), weekly * 9 // 10)
        cells["contribution_weekly"] = _pounds(pence)
        cells["contribution_basis"] = "gross" if self.chance(15) else "net"
        cells["contribution_from"] = max(cells["start_date"], NEXT_PERIOD.isoformat())

    def payee(self, cells: Cells, number: int) -> None:
        """Whose account: now and then the same one as the budget before (couples, parents)."""
        account_name = cells["recipient_name"]
        kind = "recipient"
        if self.deployment != "direct_payment":
            kind = "managed_account"
        elif cells["legal_basis"] == "children_act_1989_s17a":
            kind = "nominated_person"
        elif cells["support_reason"] in ("learning_disability", "memory_cognition"):
            kind = self.rng.choice(("authorised_person", "nominated_person", "recipient"))
        elif self.chance(8):
            kind = "nominated_person"
        cells["payee_type"] = kind
        if kind in ("nominated_person", "authorised_person"):
            family = cells["recipient_name"].split(" ", 1)[1]
            account_name = f"{self.rng.choice(_GIVEN)} {family}"
        account = {
            "account_name": account_name,
            "sort_code": f"99-99-{self.rng.randrange(1, 60):02d}",
            "account_number": f"9{number:07d}",
        }
        if kind == "managed_account":
            names = ("account_name", "sort_code", "account_number")
            account = dict(zip(names, self.rng.choice(_MANAGERS), strict=True))
        elif self.last_account and self.chance(7):
            account, cells["payee_type"] = self.last_account, "nominated_person"
        cells.update(account)
        self.last_account = account if kind != "managed_account" else {}
