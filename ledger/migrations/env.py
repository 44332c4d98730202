"""Run by Alembic, on the connection it is given: see `ledger.migrations.upgrade`."""

from alembic import context

from ledger.durable import durable

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=durable,
    render_as_batch=True,  # SQLite alters a table by copying it
    transaction_per_migration=False,
)
context.run_migrations()
