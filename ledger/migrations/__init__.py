"""Migrations of the durable tables, by Alembic. Read tables have none: they are rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config


def configuration(connection: Connection) -> Config:
    """Alembic's settings for this package's migrations on an open connection."""
    # Imported here, as below: it loads for half a second, which only `init` should wait for.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the durable tables to the newest shape; does nothing where they have it."""
    from alembic import command  # noqa: PLC0415

    command.upgrade(configuration(connection), "head")
