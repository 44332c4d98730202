"""That a page which shuts out whoever has only a keyboard is found out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import AXE, chromium, found_by_axe
from tests.keyboard import faults_by_tab, faults_of_errors

TOP = "<a href=#end>Top</a>"
END = "<p><button id=end>End</button></p>"
GROUP = (
    "<label><input type=radio name=paid>Yes</label><label><input type=radio name=paid>No</label>"
)
UNSEEN = "takes the focus, and is nothing that can be seen and used"
BELOW = "<style>[name=first] { position: relative; top: 9em }</style>"
VEIL = "<div style='position: fixed; inset: 0; background: white'>Veil</div>"
SHUT = "<script>document.getElementsByName('shut')[0].onfocus = () => end.focus()</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.mark.parametrize(
    ("between", "fault"),
    [
        ("<p><input name=amount><select name=kind><option>One</select><a href=#end>More</a>", ""),
        (f"<p>{GROUP}", ""),
        ("<p><input type=date name=day>", ""),
        ("<details><summary>Why</summary><a href=#end>Because</a></details>", ""),
        ("<p><a href=#end hidden>Menu</a><button disabled>Not now</button>", ""),
        ("<p><button tabindex=1>Eager</button>", "stays on the page: button “Eager”"),
        ("<p><a href=#end tabindex=-1>Shy</a>", "a “Shy” is not reached"),
        (f"<p><input name=shut>{SHUT}", "input “shut” is not reached"),
        ("<p><input name=trap onkeydown='return false'>", "stays on the page: input “trap”"),
        (f"<p><input name=first><p><input name=next>{BELOW}", "“next” stands before what is"),
        ("<p><button>A</button><style>button { outline: 0 }</style>", "“A” looks no other when"),
        ("<p><a href=#end style='opacity: 0'>Ghost</a>", f"a “Ghost” {UNSEEN}"),
        ("<p><a href=#end style='position: absolute; left: -99em'>A</a>", "edge of the screen"),
        (f"<p><button>A</button>{VEIL}", "“A” has the focus and is hidden by div “Veil”"),
    ],
)
def test_what_shuts_out_a_keyboard_is_found(tab: Page, between: str, fault: str) -> None:
    tab.set_content(f"<main>{TOP}{between}{END}</main>")
    found = faults_by_tab(tab, tab.context.new_cdp_session(tab))
    assert any(fault in one for one in found) if fault else found == [], found


def test_targets_too_small_to_hit_are_found(tab: Page) -> None:
    small = "<style>button { all: unset; width: 9px; height: 9px; background: red }</style>"
    tab.set_content(f"<main>{small}<div><button>A</button><button>B</button></div></main>")
    tab.evaluate(AXE.read_text("utf-8"))
    assert any(one.startswith("target-size: ") for one in found_by_axe(tab))


ERRORS = "<div class=govuk-error-summary tabindex=-1>Errors <a href=#amount>Too much</a></div>"
FIELD = "<input id=amount>"
FOCUS = "<script>document.querySelector('.govuk-error-summary').focus()</script>"


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (ERRORS + FIELD + FOCUS, ""),
        (ERRORS + FIELD, "the errors do not have the focus"),
        (f"<h1>Return</h1>{ERRORS}{FIELD}{FOCUS}", "the errors are not the first thing"),
        (ERRORS + FOCUS, "“Too much” does not lead to its field"),
    ],
)
def test_errors_that_are_not_led_to_are_found(tab: Page, page: str, fault: str) -> None:
    tab.set_content(f"<main>{page}</main>")
    found = faults_of_errors(tab)
    assert any(fault in one for one in found) if fault else found == [], found
