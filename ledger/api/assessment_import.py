"""Financial assessments by the file: the CSV of many, recorded whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import WRITE_HEADERS, WRITE_PROBLEMS, problems, reads
from ledger.api.requests import LongRoute, Write, read_csv
from ledger.assessment_file import read_assessments
from ledger.assessment_import import AssessmentsImported, import_assessments
from ledger.dates import day_in_england
from ledger.errors import VersionConflict
from ledger.store import Beside

router = APIRouter(tags=["financial assessments"])
DryRun = Annotated[
    bool, Query(description="Check everything and say what would change; record nothing.")
]


def _takes_csv() -> dict[str, Any]:
    described = reads(AssessmentsImported)
    described["responses"] = {
        200: described["responses"][200],
        **problems(*WRITE_PROBLEMS),
    }
    described["openapi_extra"] = {
        "parameters": WRITE_HEADERS,
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}},
    }
    return described


@router.post("/v1/assessments/import", summary="Import a file of assessments", **_takes_csv())
@needs("contributions.assess")
async def import_file(
    write: Annotated[Write, Depends(read_csv)], dry_run: DryRun = False
) -> Response:
    """Record every financial assessment of an assessment file (CSV in UTF-8), or none of them.

    A file with any fault is refused whole (`assessment-file-refused`): `faults` lists every
    one by `line`, `column` and `reason`, which never repeats what a cell holds. An assessment
    that is there already is passed over. At most 1,000,000 bytes, which is about 2,500
    assessments of six rows: send more in several files, or use `pbledger import-assessments`.
    A dry run stores no key.
    """
    # One at a time, as everything that takes long.
    return await to_thread.run_sync(_imported, write, dry_run, limiter=LongRoute.threads)


def _imported(write: Write, dry_run: bool) -> Response:
    if write.expected_version is not None:
        raise VersionConflict("A file of assessments has no version to match.")
    once = Once(write)

    def row(result: AssessmentsImported) -> Sequence[Beside]:
        return [once.row(result)]

    def change() -> AssessmentsImported:
        said = write.said(day_in_england(write.recorded_at))
        file = read_assessments(write.body)
        return import_assessments(write.ledger, file, said, dry_run=dry_run, beside=row)

    return answer(change()) if dry_run else once.do(change, look_first=True)
