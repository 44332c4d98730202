"""The scheduler as the process it is, but for its clock, which is a file: for `test_council_year`.

    python -m tests.clocked_scheduler FILE

FILE holds a moment, such as 2026-08-10T09:00:00+00:00. Each time the scheduler asks for the time,
as it does before every job, it says so on a line of its own: whoever listens knows when to kill it.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from threading import Event

from ledger.application import Ledger
from ledger.config import Settings
from scheduler import lead_or_wait, say
from scheduler.leader import Leadership

ASKED = "The time was asked for."


def main(clock_file: Path) -> None:
    def clock() -> datetime:
        say(ASKED)
        return datetime.fromisoformat(clock_file.read_text())

    with Ledger(Settings()) as ledger, Leadership(ledger.engine) as leadership:
        lead_or_wait(ledger, leadership, Event(), clock)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
