"""Writing a file so that it is either absent or whole, even if the machine stops."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the final name, sync, rename, sync the folder; readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own (mode 0600): others, in this process too, may be writing the same file.
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
