"""The durable tables come from migrations, and the migrations give just what the code expects."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ledger import migrations
from ledger.database import connect, writing
from ledger.durable import durable
from ledger.letter_tables import contact_details, letters, letters_position


def differences(connection):
    ours = set(durable.tables)
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name in ours,
        },
    )
    return compare_metadata(context, durable)


def test_the_migrations_make_exactly_the_tables_in_the_code(database_url):
    engine = connect(database_url)
    with writing(engine).begin() as connection:
        migrations.upgrade(connection)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def test_the_tables_of_letters_are_among_them():
    assert {contact_details, letters, letters_position} <= set(durable.tables.values())


def test_upgrading_again_changes_nothing(database_url):
    engine = connect(database_url)
    for _ in range(2):
        with writing(engine).begin() as connection:
            migrations.upgrade(connection)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def test_a_table_that_differs_would_be_found(database_url):
    engine = connect(database_url)
    with writing(engine).begin() as connection:
        migrations.upgrade(connection)
        connection.exec_driver_sql("ALTER TABLE people ADD COLUMN nickname TEXT")
    with engine.connect() as connection:
        assert differences(connection)
    engine.dispose()
