"""The durable tables: what no event holds and no rebuild makes again. They have migrations."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

durable = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

people = Table(
    "people",
    durable,
    Column("person_reference", Text, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("date_of_birth_sealed", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
)

payee_details = Table(
    "payee_details",
    durable,
    Column("payee_reference", Text, primary_key=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("fingerprint", Text, nullable=False, index=True),
    Column("recorded_at", Text, nullable=False),
)

returned_names = Table(
    "returned_names",
    durable,
    Column("payee_reference", Text, primary_key=True),
    Column("recorded_at", Text, primary_key=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("checked_with", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

payee_looks = Table(
    "payee_looks",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("payee_reference", Text, nullable=False, index=True),
    Column("looked_at", Text, nullable=False),
    Column("looked_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

file_looks = Table(
    "file_looks",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("looked_at", Text, nullable=False),
    Column("looked_by", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("reference", Text, nullable=False, index=True),
    Column("submission_serial", Text, nullable=False),
)

budget_looks = Table(
    "budget_looks",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("budget_reference", Text, nullable=False, index=True),
    Column("looked_at", Text, nullable=False),
    Column("looked_by", Text, nullable=False),
    Column("organisation_reference", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Index("ix_budget_looks_looked_by", "looked_by", "looked_at"),
)

provider_details = Table(
    "provider_details",
    durable,
    Column("provider_reference", Text, primary_key=True),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
)

provider_accounts = Table(
    "provider_accounts",
    durable,
    Column("account_reference", Text, primary_key=True),
    Column("provider_reference", Text, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("fingerprint", Text, nullable=False, index=True),
    Column("recorded_at", Text, nullable=False),
)

bank_files = Table(
    "bank_files",
    durable,
    Column("service_user_number", Text, primary_key=True),
    Column("submission_serial", Text, primary_key=True),
    Column("cycle_reference", Text, nullable=False, index=True),
    Column("file_name", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

bank_reports = Table(
    "bank_reports",
    durable,
    Column("report_reference", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

financial_assessments = Table(
    "financial_assessments",
    durable,
    Column("budget_reference", Text, primary_key=True),
    Column("assessment_reference", Text, primary_key=True),
    Column("person_reference", Text, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
)

modulus_tables = Table(
    "modulus_tables",
    durable,
    Column("version", Text, primary_key=True),
    Column("effective_from", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("weights", Text, nullable=False),
    Column("substitutions", Text),
    Column("loaded_at", Text, nullable=False),
    Column("loaded_by", Text, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    durable,
    Column("key", Text, primary_key=True),
    Column("request_sha256", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("recorded_at", Text, nullable=False),
)

users = Table(
    "users",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("person_reference", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Index("ix_users_issuer", "issuer", "subject"),
)

user_names = Table(
    "user_names",
    durable,
    Column("name", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
)

web_sessions = Table(
    "web_sessions",
    durable,
    Column("number_sha256", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("ends_at", Text, nullable=False, index=True),
)

refused_requests = Table(
    "refused_requests",
    durable,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("refused_at", Text, nullable=False),
    Column("refused_by", Text, nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("permission", Text, nullable=False),
    Column("budget_reference", Text, nullable=False, index=True),
    Column("code", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
)

refused_counts = Table(
    "refused_counts",
    durable,
    Column("hour", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("refusals", Integer, nullable=False),
)
