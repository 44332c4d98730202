"""All remittance advices of a cycle as files, for a council that prints and posts them itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.parameters import CycleReference
from ledger.cli.screen import Screen
from ledger.cli.session import session_of

INDEX = "index.html"
PAGES_AT_A_TIME = 200


def advices(
    ctx: typer.Context,
    reference: CycleReference,
    to: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="The folder to write them to.")
    ],
) -> None:
    """Write every remittance advice of an issued cycle as a page, and a page that lists them.

    It sends nothing and changes no letter. Who has died or was erased gets none.
    """
    from ledger.bank.files import write_all_whole
    from ledger.letters.pages import Written, index_html
    from ledger.outbox.cycle_advices import advices_of, issued_of
    from ledger.outbox.writing import DIED, Finished, council_of

    session = session_of(ctx)
    written: list[Written] = []
    pages: list[tuple[Path, bytes]] = []
    left_out: list[dict[str, str]] = []
    with session.ledger() as ledger:
        council = council_of(ledger.settings)
        issued_of(ledger, reference)  # refuses a cycle that is not issued
        count = len(ledger.cycle(reference).lines)
        with session.progress("Writing", count) as bar:
            for payment, pence, budget, letter in advices_of(ledger, reference):
                bar(1)
                why = letter.held_by if isinstance(letter, Finished) else letter
                if not isinstance(letter, Finished) or why == DIED:
                    left_out.append({"payment": payment, "budget": budget, "why": why})
                    continue
                name = f"{payment}.html"
                pages.append((to / name, letter.html.encode()))
                if len(pages) == PAGES_AT_A_TIME:
                    write_all_whole(pages)
                    pages.clear()
                contact = letter.contact
                large = contact is not None and contact.large_print
                reachable = contact is not None and bool(contact.address)
                written.append(Written(budget, payment, pence, name, large, reachable))
    write_all_whole([*pages, (to / INDEX, index_html(reference, council, written).encode())])
    document = {
        "reference": reference,
        "folder": to,
        "index": to / INDEX,
        "written": len(written),
        "left_out": left_out,
    }

    def show(screen: Screen) -> None:
        screen.say(f"{len(written)} advice(s) are in {to}; {to / INDEX} lists them.")
        if left_out:
            rows = [tuple(one.values()) for one in left_out]
            screen.table("Left out", ("Payment", "Budget", "Why"), rows)

    session.answer(document, show)
