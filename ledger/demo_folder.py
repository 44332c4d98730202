"""The folder that the demo works in: made anew each time, and never anyone else's."""

from __future__ import annotations

from pathlib import Path

from ledger.application import Ledger
from ledger.bank.files import write_whole
from ledger.config import Settings

MARK = ".made-by-make-demo"
REPORT = "returned-credits.xml"
MADE = (
    "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.key", ".env", REPORT, "summary.html",
)  # fmt: skip

BANK = {
    "bacs_service_user_number": "123456",
    "bacs_sort_code": "999900",
    "bacs_account_number": "90000000",
    "bacs_account_name": "EXAMPLE COUNCIL",
}

SIGN_IN = {"development_sign_in": "true"}
"""Nobody has to prove who they are; that works on this machine only."""


class NotOurs(Exception):
    """Something of that name is there that the demo did not make; it is left alone."""


def make_anew(folder: Path) -> None:
    """Take away what an earlier demo made, and nothing else; make a ledger. Raises `NotOurs`."""
    mark = folder / MARK
    there = [folder / name for name in MADE if (folder / name).exists()]
    if there and not mark.exists():
        raise NotOurs(f"{there[0]} was not made by the demo. Move it away, then try again.")
    for path in (*there, *(folder / "bank-files").glob("*.bacs")):
        path.unlink()
    folder.mkdir(exist_ok=True)
    mark.write_text("What is in this folder is made by `make demo`, and taken away by it.\n")
    Ledger.initialise(settings_in(folder))
    here = [f"LEDGER_{name.upper()}={value}\n" for name, value in {**BANK, **SIGN_IN}.items()]
    write_whole(folder / ".env", "".join(here).encode())


def settings_in(folder: Path) -> Settings:
    """The demo's own settings, whatever the environment says."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=f"sqlite:///{folder / 'ledger.db'}",
        key=None,
        key_file=folder / "ledger.key",
        files_folder=folder / "bank-files",
        acting_as="",
        council_name="Example Council",
        variance_percent=10,
        added_bank_holidays="",
        **BANK,  # type: ignore[arg-type]
    )
