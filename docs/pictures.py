"""The pictures of the pages in docs/pictures, taken anew: `python -m docs.pictures`.

A browser visits the example council of `make demo`, on whatever day it is. Debian's Chromium and
the demo's folder must be there.
"""

from __future__ import annotations

from pathlib import Path

from ledger.demo_folder import settings_in
from tests.browser import PHONE, Seat, chromium, listening

PICTURES = Path(__file__).parent / "pictures"
DEMO = Path("demo")
WIDTH, HEIGHT = 1000, 1300
PAGES = (
    ("home", "Alice Morgan", "/", WIDTH),
    ("budget", "Alice Morgan", "/budgets/PB000015", WIDTH),
    ("changes", "Bob Ellis", "/cycles/C2026-02/changes", WIDTH),
    ("form", "Dev Patel", "/budgets/PB000015/suspend-payments", WIDTH),
    ("replay", "Femi Ade", "/budgets/PB000015/replay?event=10", WIDTH),
    ("recipient", "R000015", "/my/budgets/PB000015", WIDTH),
    ("recipient-phone", "R000015", "/my/budgets/PB000015", PHONE[0]),
    ("access", "R000015", "/my/budgets/PB000015/access", WIDTH),
)


def main() -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    settings = settings_in(DEMO).model_copy(update={"development_sign_in": True})
    with listening(settings) as site, chromium() as browser:
        for name, who, path, width in PAGES:
            seat = Seat(browser, site).sign_in(who).open(path)
            seat.picture(PICTURES / f"{name}.png", width, HEIGHT)
            seat.close()
        seat = Seat(browser, site).sign_in("Open Door 1").fill("Budget reference", "PB000015")
        seat.fill_day("The person’s date of birth", "1940-03-15").press("Check")
        seat.picture(PICTURES / "status.png", WIDTH, HEIGHT)
        seat.close()


if __name__ == "__main__":
    main()
