"""The modulus check: every method and exception by hand, the published cases, bad tables."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bank.modulus import Answer, check, read_weight_table
from ledger.errors import WeightTableUnreadable

# A made-up table, so that each sum can be done in the head: sort codes of nobody's.
MADE_UP = """\
100000 100009 MOD10 0 0 0 0 0 0 1 1 1 1 1 1 1 1
110000 110009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 1 1
120000 120009 DBLAL 0 0 0 0 0 0 2 1 2 1 2 1 2 1
121000 121009 DBLAL 0 0 0 0 0 0 2 1 2 1 2 1 2 1 1
130000 130009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 1 1 2
130000 130009 MOD11 1 1 1 1 1 1 1 1 1 1 1 1 1 1 9
140000 140009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 1 1
140000 140009 DBLAL 0 0 0 0 0 0 2 1 2 1 2 1 2 1 3
145000 145009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 0 0 4
150000 150009 MOD11 0 0 0 0 0 1 1 1 1 1 1 1 0 0 5
150000 150009 DBLAL 0 0 0 0 0 1 2 1 2 1 2 1 2 0 5
155000 155009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 1 1 6
155000 155009 DBLAL 0 0 0 0 0 0 2 1 2 1 2 1 2 1 6
160000 160009 MOD10 1 1 1 1 1 1 1 1 1 1 1 1 1 1 7
170000 170009 MOD10 1 1 1 1 1 1 1 1 1 1 1 1 1 1 8
180000 180009 MOD11 1 1 1 1 1 1 1 1 1 1 1 1 1 1 10
180000 180009 MOD11 0 0 0 0 0 0 8 7 6 5 4 3 2 1 11
190000 190009 MOD11 0 0 0 0 0 0 1 1 1 1 1 1 1 1 12
190000 190009 MOD10 0 0 0 0 0 0 1 1 1 1 1 1 1 1 13
195000 195009 MOD11 0 0 0 0 0 0 8 7 6 5 4 3 2 1 14
"""
REPLACED = "150001 150008\n"
TABLE = read_weight_table(MADE_UP, REPLACED)

BY_HAND: list[tuple[str, str, Answer, str]] = [
    ("100000", "12345672", "valid", "1+2+3+4+5+6+7+2 = 30, three tens"),
    ("100009", "12345672", "valid", "the last sort code of its range"),
    ("100000", "12345673", "invalid", "31"),
    ("110000", "12345675", "valid", "33, three elevens"),
    ("110000", "12345672", "invalid", "30"),
    ("120000", "12345674", "valid", "2+2+6+4+(1+0)+6+(1+4)+4 = 30"),
    ("120000", "12345675", "invalid", "31"),
    ("121000", "12345677", "valid", "1: 26+7 and 27 more = 60"),
    ("121000", "12345674", "invalid", "1: 30 and 27 more = 57"),
    ("130000", "12345677", "valid", "2, a>0: 6+8+24+28+50+54+21+7 = 198, 18 elevens"),
    ("130000", "12345694", "valid", "2, a>0, g=9: 24+28+50+54+27+4 = 187, 17 elevens"),
    ("130000", "02345676", "valid", "2, a=0, the table's own: 33"),
    ("130000", "12345672", "valid", "2: 193 fails; 9 with 309634: 25+30 = 55, five elevens"),
    ("130000", "12345671", "invalid", "2: 192 fails; 9: 54 fails"),
    ("140000", "12345666", "valid", "3, c=3: 33 and 2+2+6+4+1+6+(1+2)+6 = 30"),
    ("140000", "12345675", "invalid", "3, c=3: 33 passes, 31 fails"),
    ("140000", "12645672", "valid", "3, c=6: 33; the second is not done"),
    ("140000", "12945606", "valid", "3, c=9: 33; the second is not done"),
    ("140000", "12645673", "invalid", "3, c=6: 34"),
    ("145000", "12345610", "valid", "4: 21 leaves 10, which is gh"),
    ("145000", "12345509", "valid", "4: 20 leaves 9, and gh is 09"),
    ("145000", "12345609", "invalid", "4: 21 leaves 10, and gh is 09"),
    ("150000", "12345617", "valid", "5: 21 leaves 10, g=11-10; 23 leaves 3, h=10-3"),
    ("150000", "12345627", "invalid", "5: g is not 1"),
    ("150000", "12345618", "invalid", "5: h is not 7"),
    ("150000", "12345708", "valid", "5: 22 leaves 0, g=0; 22 leaves 2, h=8"),
    ("150000", "12345816", "invalid", "5: 23 leaves 1, which no g answers"),
    ("150001", "12345643", "valid", "5, as 150008: 29 leaves 7, g=4; 37 leaves 7, h=3"),
    ("155000", "12345666", "valid", "6: 33 and 30"),
    ("155000", "12345675", "invalid", "6: 33 passes, 31 fails"),
    ("155000", "41011166", "valid", "6: a=4 and g=h, a foreign currency account"),
    ("155000", "81011166", "valid", "6: a=8 and g=h"),
    ("155000", "31011166", "invalid", "6: a=3: 19"),
    ("155000", "91011166", "invalid", "6: a=9: 25"),
    ("155000", "41011165", "invalid", "6: g is not h: 19"),
    ("160001", "12345693", "valid", "7, g=9: 3+4+5+6+9+3 = 30; all 14 would be 41"),
    ("160001", "12345684", "invalid", "7, g=8: all 14 are 41"),
    ("160001", "12345683", "valid", "7, g=8: all 14 are 40"),
    ("170001", "12345674", "valid", "8, as 090126: 18+32 = 50; its own would be 41"),
    ("170001", "12345673", "invalid", "8, as 090126: 49; its own would be 40"),
    ("180000", "12345677", "valid", "10: 9+35 = 44; 11: 119 fails"),
    ("180000", "12345679", "valid", "10: 46 fails; 11: 121, eleven elevens"),
    ("180000", "09345696", "valid", "10, ab=09, g=9: 3+4+5+6+9+6 = 33"),
    ("180000", "99345696", "valid", "10, ab=99, g=9: 33"),
    ("180000", "19345696", "invalid", "10, ab=19: 9+43 = 52; 11: 171"),
    ("190000", "12345675", "valid", "12: 33; 13: 33 fails"),
    ("190000", "12345672", "valid", "12: 30 fails; 13: 30"),
    ("190000", "12345673", "invalid", "12 and 13: 31"),
    ("195000", "12345679", "valid", "14: 121 at once"),
    ("195000", "12345609", "valid", "14: 107 fails; h=9, as 01234560: 77, seven elevens"),
    ("195000", "12345600", "valid", "14: 98 fails; h=0, as 01234560: 77"),
    ("195000", "12345602", "invalid", "14: 100 fails; h is not 0, 1 or 9"),
    ("195000", "12345610", "invalid", "14: 100 fails; h=0, as 01234561: 78"),
    ("099999", "12345678", "no_rule", "before the first range"),
    ("100010", "12345678", "no_rule", "between two ranges"),
    ("195010", "12345678", "no_rule", "after the last range"),
]


@pytest.mark.parametrize(("sort_code", "account_number", "answer", "why"), BY_HAND)
def test_an_account_checked_by_hand(sort_code, account_number, answer, why) -> None:
    assert check(sort_code, account_number, TABLE) == answer, why


def test_every_exception_is_checked_by_hand() -> None:
    there = {c.exception for r in TABLE.ranges for c in r.checks}
    assert there == set(range(15))


def test_a_remainder_of_one_under_exception_5_has_no_right_account() -> None:
    """It asks for a check digit of 10."""
    answers = {check("150000", f"123458{last:02}", TABLE) for last in range(100)}
    assert answers == {"invalid"}


def test_exception_5_cannot_be_checked_without_the_substitutions() -> None:
    """Replacing nothing would refuse good accounts; a table that replaces nothing is another."""
    assert check("150000", "12345617", read_weight_table(MADE_UP)) == "no_rule"
    assert check("150000", "12345617", read_weight_table(MADE_UP, "")) == "valid"
    assert check("100000", "12345672", read_weight_table(MADE_UP)) == "valid"


# The 34 test cases that the published algorithm ends with, and only the lines they need.
PUBLISHED_LINES = """\
070116 070116 MOD11 0 0 7 6 5 8 9 4 5 6 7 8 9 -1 12
070116 070116 MOD10 0 3 2 4 5 8 9 4 5 6 7 8 9 -1 13
074456 074456 MOD11 0 0 7 6 5 8 9 4 5 6 7 8 9 -1 12
074456 074456 MOD10 0 3 2 4 5 8 9 4 5 6 7 8 9 -1 13
086090 086090 MOD10 0 0 3 7 1 3 7 1 3 7 1 3 7 1 8
089000 089999 MOD10 0 0 0 0 0 0 7 1 3 7 1 3 7 1
102400 107999 MOD11 0 0 0 0 0 0 8 7 6 5 4 3 2 1
110000 119280 DBLAL 0 0 2 1 2 1 2 1 2 1 2 1 2 1 1
134012 134020 MOD11 0 0 0 7 5 9 8 4 6 3 5 2 0 0 4
180002 180002 MOD11 0 0 0 0 0 0 8 7 6 5 4 3 2 1 14
200901 201159 MOD11 0 0 0 0 0 0 0 7 6 5 4 3 2 1 6
200901 201159 DBLAL 2 1 2 1 2 1 2 1 2 1 2 1 2 1 6
202700 203239 MOD11 0 0 0 0 0 0 0 7 6 5 4 3 2 1 6
202700 203239 DBLAL 2 1 2 1 2 1 2 1 2 1 2 1 2 1 6
309001 309633 MOD11 0 0 3 2 9 8 5 7 6 5 4 3 2 1 2
309001 309633 MOD11 0 0 3 2 9 8 1 7 6 5 4 3 2 1 9
771900 772799 MOD11 0 0 1 2 5 3 6 4 8 7 10 9 3 1 7
820000 826097 MOD11 0 0 0 0 0 0 0 0 7 3 4 9 2 1
820000 826097 DBLAL 2 1 2 1 2 1 2 1 2 1 2 1 2 1 3
826919 827999 MOD11 0 0 0 0 0 0 0 0 7 3 4 9 2 1
826919 827999 DBLAL 2 1 2 1 2 1 2 1 2 1 2 1 2 1 3
870000 872791 MOD11 0 0 1 2 5 3 6 4 8 7 10 9 3 1 10
870000 872791 MOD11 0 0 5 10 9 8 0 7 6 5 4 3 2 1 11
938000 938696 MOD11 7 6 5 4 3 2 7 6 5 4 3 2 0 0 5
938000 938696 DBLAL 2 1 2 1 2 1 2 1 2 1 2 1 2 0 5
"""
PUBLISHED = read_weight_table(PUBLISHED_LINES, "938600 938611\n")
PUBLISHED_VALID = """
    089999 66374958  107999 88837491  202959 63748472  871427 46238510  872427 46238510
    871427 09123496  871427 99123496  820000 73688637  827999 73988638  827101 28748352
    134020 63849203  118765 64371389  200915 41011166  938611 07806039  938600 42368003
    938063 55065200  772798 99345694  086090 06774744  309070 02355688  309070 12345668
    309070 12345677  309070 99345694  074456 12345112  070116 34012583  074456 11104102
    180002 00000190
"""
PUBLISHED_INVALID = """
    938063 15764273  938063 15764264  938063 15763217  118765 64371388  203099 66831036
    203099 58716970  089999 66374959  107999 88837493
"""


def pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("sort_code", "account_number"), pairs(PUBLISHED_VALID))
def test_a_published_account_is_valid(sort_code: str, account_number: str) -> None:
    assert check(sort_code, account_number, PUBLISHED) == "valid"


@pytest.mark.parametrize(("sort_code", "account_number"), pairs(PUBLISHED_INVALID))
def test_a_published_account_is_invalid(sort_code: str, account_number: str) -> None:
    assert check(sort_code, account_number, PUBLISHED) == "invalid"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


SOMEWHERE = st.sampled_from([r.first for r in (*TABLE.ranges, *PUBLISHED.ranges)])


@given(st.one_of(digits(6), SOMEWHERE), digits(8))
def test_any_fourteen_digits_have_an_answer(sort_code: str, account_number: str) -> None:
    for table in (TABLE, PUBLISHED, read_weight_table(MADE_UP)):
        assert check(sort_code, account_number, table) in get_args(Answer)


@given(digits(8))
def test_one_wrong_last_digit_is_noticed(account_number: str) -> None:
    """Of the ten last digits, one at most passes a plain MOD10."""
    ten = [account_number[:7] + last for last in "0123456789"]
    assert sum(check("100000", account, TABLE) == "valid" for account in ten) == 1


# --- reading a table --------------------------------------------------------------------------

LINE = "100000 100009 MOD10 0 0 0 0 0 0 1 1 1 1 1 1 1 1"


def test_line_ends_spaces_and_empty_lines_do_not_matter() -> None:
    assert read_weight_table(f"\r\n  {LINE.replace(' ', '   ')}\r\n\r\n") == read_weight_table(LINE)


UNREADABLE = {
    "a column short": (LINE.removesuffix(" 1"), "line 2: 16 columns, not 17 or 18"),
    "a column over": (f"{LINE} 1 1", "line 2: 19 columns, not 17 or 18"),
    "short sort code": (LINE.replace("100009", "10009"), "line 2: not a range"),
    "letters": (LINE.replace("100009", "1OOOO9"), "line 2: not a range"),
    "other digits": (LINE.replace("100009", "١٠٠٠٠٩"), "line 2: not a range"),
    "backwards": (LINE.replace("100000", "100010"), "line 2: not a range"),
    "method": (LINE.replace("MOD10", "MOD97"), "line 2: the check is not MOD10"),
    "weight": (LINE.replace(" 0 ", " x ", 1), "line 2: a weight is not a whole number"),
    "fraction": (LINE.replace(" 0 ", " 0.5 ", 1), "line 2: a weight is not a whole number"),
    "exception": (f"{LINE} 15", "line 2: the exception is not one of 1 to 14"),
    "no exception": (f"{LINE} 0", "line 2: the exception is not one of 1 to 14"),
    "other exception": (f"{LINE} ²", "line 2: the exception is not one of 1 to 14"),
    "exception 1": (f"{LINE} 1", "line 2: exception 1 has no meaning with MOD10"),
    "below nought": (LINE.replace("MOD10", "DBLAL").replace(" 0 ", " -1 ", 1), "below nought"),
    "third check": (f"{LINE}\n{LINE}\n{LINE}", "line 4: a range has two checks at most"),
    "overlap": (f"{LINE}\n{LINE.replace('100000', '100005')}", "overlaps the one from 100000"),
}


@pytest.mark.parametrize(("lines", "fault"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_table_with_a_bad_line_is_refused_with_its_number(lines: str, fault: str) -> None:
    with pytest.raises(WeightTableUnreadable) as refusal:
        read_weight_table(f"200000 200009 MOD10{' 1' * 14}\n{lines}\n")
    assert fault in str(refusal.value)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_table_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(WeightTableUnreadable, match="it holds no range"):
        read_weight_table(text)


def test_every_bad_line_is_listed_and_the_first_are_said() -> None:
    with pytest.raises(WeightTableUnreadable, match=r"line 5: .*; and 2 more") as refusal:
        read_weight_table("x\n" * 7)
    assert [fault.partition(":")[0] for fault in refusal.value.details["faults"]] == [
        f"line {number}" for number in range(1, 8)
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("150001", "substitutions, line 1: not two sort codes"),
        ("150001 15-00-08", "substitutions, line 1: not two sort codes"),
        ("150001 150008\n\n150001 150007", "substitutions, line 3: 150001 is replaced twice"),
    ],
)
def test_a_bad_substitution_is_refused_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(WeightTableUnreadable, match=fault):
        read_weight_table(MADE_UP, text)


@given(st.text())
def test_any_text_is_a_table_or_a_refusal(text: str) -> None:
    for weights, substitutions in ((text, None), (LINE, text), (f"{LINE}\n{text}", text)):
        try:
            table = read_weight_table(weights, substitutions)
        except WeightTableUnreadable:
            continue
        assert check("100000", "12345678", table) in get_args(Answer)
