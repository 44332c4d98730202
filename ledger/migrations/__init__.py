"""Migrations of the durable tables, by Alembic. Read tables have none: they are rebuilt."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration(connection: Connection) -> Config:
    """Alembic's settings for this package's migrations on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the durable tables to the newest shape; does nothing where they have it."""
    command.upgrade(configuration(connection), "head")
