"""The application's own role on PostgreSQL: it may add events, and change or delete none."""

from __future__ import annotations

from sqlalchemy import Engine, text

from ledger.errors import InvalidValue
from ledger.projections.tables import read_tables

_DURABLE_RIGHTS = {
    "people": "SELECT, INSERT, DELETE",  # deleting the row is how a person is erased
    "payee_details": "SELECT, INSERT, DELETE",
    "returned_names": "SELECT, INSERT, DELETE",
    "payee_looks": "SELECT, INSERT",  # who looked stays
    "budget_looks": "SELECT, INSERT",
    "file_looks": "SELECT, INSERT",
    "users": "SELECT, INSERT",  # who had which role stays
    "user_names": "SELECT, INSERT",
    "web_sessions": "SELECT, INSERT, UPDATE, DELETE",
    "refused_requests": "SELECT, INSERT, DELETE",  # deleted when their time is over
    "refused_counts": "SELECT, INSERT, UPDATE, DELETE",
    "financial_assessments": "SELECT, INSERT, DELETE",
    "contact_details": "SELECT, INSERT, DELETE",
    "letters": "SELECT, INSERT, UPDATE, DELETE",
    "letters_position": "SELECT, UPDATE",
    "restricted_facts": "SELECT, INSERT",
    "person_looks": "SELECT, INSERT",
    "legal_holds": "SELECT, INSERT",
    "erasures": "SELECT, INSERT",
    "provider_details": "SELECT, INSERT",
    "provider_accounts": "SELECT, INSERT",  # what was verified stays what is paid
    "bank_files": "SELECT, INSERT, UPDATE (sealed)",  # emptied when their time is over
    "bank_reports": "SELECT, INSERT, UPDATE (sealed)",
    "modulus_tables": "SELECT, INSERT",  # a table is never changed: another version is loaded
    "idempotency_keys": "SELECT, INSERT, DELETE",  # deleted when their time is over
}
_NUMBERED = (
    "payee_looks", "users", "budget_looks", "restricted_facts", "person_looks", "legal_holds",
    "refused_requests", "file_looks",
)  # fmt: skip


def grant(engine: Engine, role: str) -> None:
    """Let a PostgreSQL role run the application: add events, never change or delete one.

    Run by the owner of the tables, who must be a member of the role. The read tables become
    the role's own, because a rebuild drops them and makes them anew. Again: no change.
    """
    if engine.dialect.name != "postgresql":
        raise InvalidValue("Only PostgreSQL has roles; on SQLite the file's owner is the owner.")
    with engine.begin() as connection:
        owner, schema, sequence, database_name = connection.execute(
            text(
                "SELECT current_user, current_schema(), "
                "pg_get_serial_sequence('stored_events', 'notification_id'), current_database()"
            )
        ).one()
        found = connection.execute(
            text("SELECT rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role}
        ).scalar_one_or_none()
        if found is None:
            raise InvalidValue(f"The database has no role {role!r}.")
        if found or role == owner:
            raise InvalidValue(
                f"{role!r} owns the tables or is a superuser, so nothing could be kept from it; "
                "give the application a role of its own."
            )
        quoted = engine.dialect.identifier_preparer.quote
        name, within = quoted(role), quoted(schema)
        statements = [
            f"GRANT CONNECT, TEMPORARY ON DATABASE {quoted(database_name)} TO {name}",
            f"GRANT USAGE, CREATE ON SCHEMA {within} TO {name}",
            f"REVOKE ALL ON stored_events FROM {name}",
            # Not the notification number, which the sequence alone gives.
            "GRANT SELECT, INSERT (originator_id, originator_version, topic, state) "
            f"ON stored_events TO {name}",
            f"GRANT USAGE ON SEQUENCE {sequence} TO {name}",
            f"GRANT EXECUTE ON FUNCTION stored_events_append TO {name}",
            *(f"GRANT USAGE ON SEQUENCE {table}_number_seq TO {name}" for table in _NUMBERED),
        ]
        for table, rights in _DURABLE_RIGHTS.items():
            statements.append(f"REVOKE ALL ON {table} FROM {name}")
            statements.append(f"GRANT {rights} ON {table} TO {name}")
        for table in ("read_position", *read_tables.tables):
            statements.append(f"ALTER TABLE IF EXISTS {table} OWNER TO {name}")
        for statement in statements:
            connection.exec_driver_sql(statement)
