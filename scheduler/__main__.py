"""`python -m scheduler`: run the jobs until told to stop (SIGTERM or Ctrl-C)."""

from __future__ import annotations

import signal
import sys
from threading import Event

from ledger.application import Ledger
from ledger.config import Settings
from ledger.errors import Refusal
from scheduler import lead_or_wait
from scheduler.leader import Leadership


def main() -> int:
    """Exit code 0 when stopped, 1 when there is no ledger to work for."""
    try:
        ledger = Ledger(Settings())
    except Refusal as refusal:
        print(f"{refusal.code}: {refusal}", file=sys.stderr)
        return 1
    with ledger, Leadership(ledger.engine) as leadership:
        told_to_stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: told_to_stop.set())
        lead_or_wait(ledger, leadership, told_to_stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
