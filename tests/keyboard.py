"""What somebody meets who has a keyboard and nothing else."""

from __future__ import annotations

from playwright.sync_api import CDPSession, Page

from tests.pbledger import ROOT

WALK = (ROOT / "tests" / "keyboard.js").read_text("utf-8")
_TAB = {"type": "rawKeyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}


def faults_by_tab(page: Page, keys: CDPSession) -> list[str]:
    """Press Tab from the top of a page until it is left; what is wrong with the way.

    All that can be used must be reached, once and in the order in which it is read, look other
    than without the focus, and be seen (WCAG 2.2: 2.1.1, 2.1.2, 2.4.3, 2.4.7 and 2.4.11). Of a
    group of radio buttons one is reached; the arrows lead to the others. The keys are sent past
    Playwright's keyboard, which is three times slower.
    """
    presses: int = page.evaluate(WALK)
    for _ in range(presses + 1):
        keys.send("Input.dispatchKeyEvent", _TAB)
    found: list[str] = page.evaluate("tabbed()")
    return found


def faults_of_errors(page: Page) -> list[str]:
    """What is wrong with how a page with errors leads to them.

    With script the list of them has the focus when the page opens. It stands before anything else
    of the page's own, which is where one without script comes to it; each of its links leads to a
    field.
    """
    found: list[str] = page.evaluate(
        """() => {
          const summary = document.querySelector('.govuk-error-summary')
          if (!summary) return []
          const faults = []
          if (document.activeElement !== summary) faults.push('the errors do not have the focus')
          const main = document.querySelector('main')
          if (!main.innerText.trim().startsWith(summary.innerText.trim()))
            faults.push('the errors are not the first thing on the page')
          for (const link of summary.querySelectorAll('a')) {
            link.click()
            const field = document.activeElement
            if ('#' + field.id !== link.hash || !field.matches('input, select, textarea'))
              faults.push(`“${link.innerText}” does not lead to its field`)
          }
          return faults
        }"""
    )
    return found


FOCUSED = """() => {
  const one = document.activeElement
  return (one.labels?.[0] || one).innerText.trim().replace(/\\s+/g, ' ')
}"""


class Keyboard:
    """Somebody who has only this: Tab, the arrows, Space, Enter, and what they type."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def focused(self) -> str:
        """The label or the words of what has the focus."""
        words: str = self._page.evaluate(FOCUSED)
        return words

    def go(self, words: str, key: str = "Tab") -> Keyboard:
        """Press a key until the focus is on what has these words."""
        passed: list[str] = []
        for _ in range(60):
            self._page.keyboard.press(key)
            if self.focused == words:
                return self
            passed.append(self.focused)
        raise AssertionError(f"{key} does not lead to {words}: {passed}")

    def type(self, label: str, value: str) -> Keyboard:
        """Go to a field and type in it, over what is there."""
        self.go(label)._page.keyboard.press("Control+a")
        self._page.keyboard.type(value)
        return self

    def press(self, words: str, key: str = "Enter") -> Keyboard:
        """Go to a link or a button and press it, which leads to another page."""
        self.go(words)
        with self._page.expect_navigation():
            self._page.keyboard.press(key)
        return self
