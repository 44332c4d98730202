"""Settings, read once from the environment (or a `.env` file) at an entry point."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

FileFormat = Literal["bacs18", "bacs18-multi", "pain.001.001.03", "pain.001.001.09"]
ServiceLevel = Literal["NURG", "URNS", "URGP"]

_SAFE_URL = r"^$|^https://[^\s?#]+$|^http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?$"


class Settings(BaseSettings):
    """Every setting of the ledger; each is an environment variable with the prefix LEDGER_."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_", env_file=".env", extra="ignore")

    database_url: str = Field(
        default="sqlite:///ledger.db",
        description="Where the ledger lives: sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
    )
    key_file: Path = Field(
        default=Path("ledger.key"),
        description="The master key that seals personal details; keep it out of backups of the "
        "database. Made by `pbledger init`, readable by its owner only.",
    )
    key: SecretStr | None = Field(
        default=None,
        description="The master key itself, where a vault gives it: 32 random bytes in base64, or "
        "64 hexadecimal characters. Never together with LEDGER_KEY_FILE.",
    )
    acting_as: str = Field(default="", description="Who is acting, when --as is not given.")
    council_name: str = Field(default="Example Council", description="The council's name on pages.")
    council_colour: str = Field(
        default="#1d4f5f",
        pattern=r"^#[0-9a-fA-F]{6}$",
        description="The colour of the pages' header; the words on it are white or black, "
        "whichever are read more easily.",
    )
    council_address: str = Field(
        default="", description="The council's postal address on letters, in one line."
    )
    council_phone: str = Field(default="", description="The number that letters say to call.")
    council_email: str = Field(
        default="", description="The email address that letters say to write to."
    )
    council_complaints: str = Field(
        default="If you are still not happy, you can complain to the council. If that does not "
        "settle it, you can ask the Local Government and Social Care Ombudsman to look at it "
        "(www.lgo.org.uk).",
        description="What letters say about complaining, in a sentence or two.",
    )
    letters: Literal["none", "files", "notify"] = Field(
        default="files",
        description="How letters and remittance advices leave: written to a folder, or by GOV.UK "
        "Notify. With none, what happens makes no letter, also not later.",
    )
    letters_from: date | None = Field(
        default=None,
        description="What was recorded before this day (in England) makes no letter.",
    )
    outbox_folder: Path = Field(
        default=Path("letters"),
        description="Where letters are written, a folder a day. With GOV.UK Notify: those in "
        "large print, which it cannot print.",
    )
    notify_api_key: SecretStr | None = Field(
        default=None, description="With LEDGER_LETTERS=notify: the API key of the service."
    )
    notify_email_template: str = Field(
        default="",
        description="With LEDGER_LETTERS=notify: the id of the template for emails, which has "
        "((subject)), ((name)) and ((body)). Without it nothing is sent by email.",
    )
    notify_letter_template: str = Field(
        default="",
        description="The same for letters by post. Without it nothing is sent by post.",
    )
    notify_base_url: str = Field(
        default="https://api.notifications.service.gov.uk",
        description="With LEDGER_LETTERS=notify: where its API is.",
    )
    bacs_service_user_number: str = Field(
        default="", description="The six-digit Bacs service user number (SUN)."
    )
    bacs_sort_code: str = Field(default="", description="The sort code of the paying account.")
    bacs_account_number: str = Field(default="", description="The number of the paying account.")
    bacs_account_name: str = Field(default="", description="The name of the paying account.")
    bank_file_format: FileFormat = Field(
        default="bacs18",
        description="The format of the bank file: Bacs Standard 18, for a single processing day "
        "or (-multi) in the layout for several, or ISO 20022 in the version your bank takes.",
    )
    pain001_service_level: ServiceLevel = Field(
        default="NURG",
        description="With pain.001: how the money travels. NURG is Bacs; Faster Payments are URNS "
        "at one bank and URGP at another.",
    )
    pain001_execution_day: Literal["processing_day", "pay_date"] = Field(
        default="processing_day",
        description="With pain.001 by Bacs: what your bank takes the requested execution date for. "
        "Ask it: the wrong one pays everyone a day early or late.",
    )
    pain001_charge_bearer: Literal["", "SHAR", "SLEV", "DEBT"] = Field(
        default="SHAR", description="With pain.001: who bears the charges; empty leaves it out."
    )
    pain001_most_payments: int = Field(
        default=100_000,
        ge=1,
        le=100_000,
        description="With pain.001: the most payments your bank takes in a file.",
    )
    pain001_most_item: str = Field(
        default="999999999.99",
        description="With pain.001: the most your bank takes for one payment, in pounds. Faster "
        "Payments take at most 1000000.00, whatever stands here.",
    )
    confirmation_of_payee: Literal["none", "simulator"] = Field(
        default="none",
        description="Who is asked whether an account is in the name given. The simulator makes its "
        "answers up: for training and tests, never for a ledger that pays.",
    )
    variance_percent: int = Field(
        default=10,
        ge=0,
        description="A payment that differs from the last one by more than this share of it is "
        "shown to the approver.",
    )
    hold_over_percent: int = Field(
        default=0,
        ge=0,
        description="A payment that is more than the last one by over this share of it is held "
        "back until someone releases it by name; 0 holds none.",
    )
    hold_over: str = Field(
        default="0.00",
        description="A payment of more than this, in pounds, is held back until someone releases "
        "it by name; 0.00 holds none.",
    )
    hold_changed_payee: Literal["no", "one_cycle"] = Field(
        default="no",
        description="Whether payments to account details that were changed since the last cycle "
        "was paid are held back for one cycle, or until someone releases them by name.",
    )
    rates_file: Path | None = Field(
        default=None,
        description="The council's own charging rates and policy (TOML); they override the "
        "national ones key by key.",
    )
    contribution_order: str = Field(
        default="provided_service,council_managed,individual_service_fund,direct_payment,"
        "managed_account",
        description="The order of deployments in which a contribution is set against the lines of "
        "a mixed budget: each once, comma-separated, the first to be used up first.",
    )
    arrears_recovery: Literal["net_off", "weekly_cap", "invoice"] = Field(
        default="net_off",
        description="How a contribution found to be higher for days already paid comes back: off "
        "the next payments, off them by at most so much a week, or by an invoice.",
    )
    arrears_weekly_cap: str = Field(
        default="0.00",
        description="With LEDGER_ARREARS_RECOVERY=weekly_cap: the most taken back a week, in "
        "pounds, such as 5.00.",
    )
    added_bank_holidays: str = Field(
        default="",
        description="Bank holidays proclaimed since this release: YYYY-MM-DD, comma-separated.",
    )
    arucs_names_file: Path | None = Field(
        default=None,
        description="The names that your bank uses in the ARUCS report (TOML), where they are not "
        "the usual ones.",
    )
    files_folder: Path = Field(
        default=Path("bank-files"), description="Where bank files are written."
    )
    pay_cadence: Literal["none", "four_weekly", "weekly", "calendar_monthly"] = Field(
        default="none",
        description="How long the periods of the pay calendar are. The scheduler prepares a "
        "cycle for each; with none, it prepares nothing.",
    )
    pay_calendar_from: date | None = Field(
        default=None,
        description="The first day of the pay calendar's first period. Months begin on this day "
        "of the month. Periods before it are nobody's business here.",
    )
    pay_calendar_to: date | None = Field(
        default=None,
        description="The last day of the pay calendar, when another is to follow. The period it "
        "falls in is cut short there.",
    )
    pay_day: str = Field(
        default="friday_before",
        pattern=r"^(friday_before|[0-9]|10)$",
        description="When payees have the money: friday_before (the Friday before a period's first "
        "day), or how many working days before its first day, 0 to 10. A day that banks do not "
        "work is moved to the working day before it.",
    )
    pay_prepare_days_ahead: int = Field(
        default=14,
        ge=0,
        le=28,
        description="How many days before a period's first day its cycle is prepared.",
    )
    remind_returns_days: int = Field(
        default=7, ge=0, description="How many days before it is due a spend return is listed."
    )
    remind_reviews_days: int = Field(
        default=28, ge=0, description="How many days before it is due a review is listed."
    )
    remind_unsettled_days: int = Field(
        default=3,
        ge=0,
        description="How many days after its pay date an issued cycle that nobody has settled is "
        "listed.",
    )
    remind_holds_days: int = Field(
        default=7,
        ge=0,
        description="How many days before it ends by itself a suspension is listed.",
    )
    scheduler_retry_seconds: int = Field(
        default=5,
        ge=1,
        le=10,
        description="How often a scheduler that waits tries to lead, and one that leads makes "
        "sure that it still does.",
    )
    retention_years: int = Field(
        default=6,
        ge=1,
        le=100,
        description="How many whole financial years what is held about a person is kept, after the "
        "one in which the last thing was recorded on the last of their budgets. Then they may be "
        "erased.",
    )
    refusals_kept_days: int = Field(
        default=366,
        ge=31,
        le=3660,
        description="How many days what was refused to whom is kept for auditors.",
    )
    idempotency_keys_kept_days: int = Field(
        default=30,
        ge=1,
        le=3660,
        description="How many days a program may repeat a request with the same key and be sure "
        "that it is done once.",
    )
    development_sign_in: bool = Field(
        default=False,
        description="Whether people on this machine are believed who they say they are, without "
        "proof. For trying things out; never where there is real money.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=_SAFE_URL,
        description="Where people and programs find this server, as their browsers see it: https, "
        "unless it is this machine. People come back to it from where they signed in.",
    )
    oidc_issuer: str = Field(
        default="",
        pattern=_SAFE_URL,
        description="Where the council's staff sign in, and programs get their tokens: the issuer "
        "of an OpenID Connect provider, exactly as it names itself.",
    )
    oidc_client_id: str = Field(
        default="", description="With LEDGER_OIDC_ISSUER: what this server is called there."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="With LEDGER_OIDC_ISSUER: what proves that it is."
    )
    oidc_scopes: str = Field(
        default="openid profile",
        description="With LEDGER_OIDC_ISSUER: the scopes to ask for, with spaces between them.",
    )
    oidc_name_claim: str = Field(
        default="preferred_username",
        description="With LEDGER_OIDC_ISSUER: the claim with the name under which the acts of "
        "someone who is not yet a user are recorded.",
    )
    oidc_roles_claim: str = Field(
        default="roles",
        description="With LEDGER_OIDC_ISSUER: the claim that says what someone is, with a dot "
        "before each part within a part: realm_access.roles.",
    )
    oidc_roles: dict[str, str] = Field(
        default={},
        description="With LEDGER_OIDC_ISSUER: which of its values, or which scope of a program, "
        'gives which role, in JSON: {"finance-team": "finance_officer"}.',
    )
    oidc_audience: str = Field(
        default="",
        description="With LEDGER_OIDC_ISSUER: what programs' access tokens must be meant for; "
        "another name than the client id. Without it no program has a way in.",
    )
    recipients_oidc_issuer: str = Field(
        default="",
        pattern=_SAFE_URL,
        description="Where recipients, and those who act for them, sign in. It says who they are; "
        "what they may do is recorded here.",
    )
    recipients_oidc_client_id: str = Field(
        default="",
        description="With LEDGER_RECIPIENTS_OIDC_ISSUER: what this server is called there.",
    )
    recipients_oidc_client_secret: SecretStr | None = Field(
        default=None,
        description="With LEDGER_RECIPIENTS_OIDC_ISSUER: what proves that it is.",
    )
    sign_in_failures: int = Field(
        default=20,
        ge=3,
        le=1000,
        description="How often signing in may fail in five minutes, from one address or under one "
        "name, before nobody can sign in from there or under it for a while.",
    )
    session_idle_minutes: int = Field(
        default=30, ge=5, le=120, description="Who has done nothing for so long must sign in again."
    )
    session_longest_hours: int = Field(
        default=10, ge=1, le=24, description="After so long everybody must sign in again."
    )
    requests_per_minute_by_an_actor: int = Field(
        default=600,
        ge=0,
        description="So many requests a minute each person or program may make of one server "
        "process; 0: as many as they like.",
    )
    requests_per_minute_from_an_address: int = Field(
        default=3_000,
        ge=0,
        description="The same of each address, behind which there may be a whole office.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Where the server listens: this machine only, behind a proxy that speaks TLS.",
    )
    port: int = Field(default=8000, description="The port the server listens on.")
