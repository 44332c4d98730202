"""Pictures of amounts."""

from __future__ import annotations

from lxml import etree

from ledger.web.charts import WIDTH, Bar, bar_chart


def drawn(*bars: Bar) -> etree._Element:
    return etree.fromstring(str(bar_chart("Payments", bars, name="paid")))


def test_a_bar_is_as_long_as_its_amount_and_says_what_it_is():
    picture = drawn(Bar("April", 10_000), Bar("May", 5_000, "bar bar--held"), Bar("June", 0))
    widths = [int(rect.get("width")) for rect in picture.iter("rect")]
    assert widths == [WIDTH, WIDTH // 2, 2], "nothing can still be seen"
    words = [text.text for text in picture.iter("text")]
    assert words == ["April", "£100.00", "May", "£50.00", "June", "£0.00"]


def test_a_picture_has_a_title_and_says_in_a_sentence_what_it_shows():
    picture = drawn(Bar("April", 10_000), Bar("May", 5_000))
    named = picture.get("aria-labelledby").split()
    assert [picture.find(f".//*[@id='{name}']").text for name in named] == [
        "Payments",
        "2 bars. The longest is April, £100.00. The table has every figure.",
    ]


def test_names_are_words_and_never_markup():
    assert next(text.text for text in drawn(Bar("<b>&", 1)).iter("text")) == "<b>&"


def test_of_nothing_there_is_no_picture():
    assert bar_chart("Payments", []) == ""
