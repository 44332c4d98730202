"""`python -m scheduler`: run the jobs until told to stop (SIGTERM or Ctrl-C)."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from ledger.application import Ledger
from ledger.config import Settings
from ledger.errors import Refusal
from scheduler import catch_up, scheduler_for


def main() -> int:
    """Exit code 0 when stopped, 1 when there is no ledger to work for."""
    try:
        ledger = Ledger(Settings())
    except Refusal as refusal:
        print(f"{refusal.code}: {refusal}", file=sys.stderr)
        return 1
    with ledger:
        scheduler = scheduler_for(ledger)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            scheduler.shutdown(wait=False)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        catch_up(ledger)
        print("The scheduler is running.", flush=True)
        scheduler.start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
