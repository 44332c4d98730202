"""People and payees: sealed, bound to their row, and unreadable without the key."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr
from sqlalchemy import Engine, Table, create_engine, delete, insert, select, update

from ledger.accounts import masked, parse_account_name, parse_account_number, parse_sort_code
from ledger.config import Settings
from ledger.durable import durable, payee_details, people
from ledger.errors import (
    KeyFileExposed,
    KeyGivenTwice,
    KeyUnusable,
    PayeeReferenceMismatch,
    PayeeUnknown,
    PersonUnknown,
    SealBroken,
    UnreadableAccountName,
    UnreadableAccountNumber,
    UnreadableSortCode,
)
from ledger.keyring import Keyring
from ledger.people import PayeeDetails, People, PersonDetails, Row, payee_reference

KEY = "0f" * 32
OTHER_KEY = "f0" * 32
NOW = datetime(2026, 4, 6, 9, 30, tzinfo=UTC)
SIAN = PersonDetails("R000001", "Siân O'Connor", date(1950, 2, 3))
AMINA = PersonDetails("R000002", "Amina Khan", date(1988, 12, 31))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    durable.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def book(engine: Engine) -> People:
    return People(engine, Keyring.from_text(KEY))


def write(engine: Engine, table: Table, rows: list[Row]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table), rows)


@pytest.fixture
def stored(engine: Engine, book: People) -> tuple[PayeeDetails, PayeeDetails]:
    """Siân and Amina with an account each, written."""
    rows = book.sealed_people([SIAN, AMINA], NOW)
    sian = book.new_payee("R000001", "S O'Connor", "99-99-01", "1234567")
    amina = book.new_payee("R000002", "Amina Khan", "99-99-02", "87654321")
    payees = book.sealed_payees([sian, amina], NOW, rows)
    write(engine, people, rows)
    write(engine, payee_details, payees)
    return sian, amina


def test_people_and_payees_are_read_as_they_were_given(book: People, stored) -> None:
    sian, amina = stored
    assert book.person("R000001") == SIAN
    assert book.payee(sian.payee_reference) == sian
    assert (sian.sort_code, sian.account_number) == ("999901", "01234567")
    wanted = [sian.payee_reference, "absent", amina.payee_reference, sian.payee_reference]
    assert book.payees(wanted) == {sian.payee_reference: sian, amina.payee_reference: amina}
    assert book.payees([]) == {}
    assert book.existing(["R000001", "R000003", "R000002"]) == {"R000001", "R000002"}


def test_a_payee_of_someone_already_recorded_needs_no_rows(engine, book: People, stored) -> None:
    second = book.new_payee("R000001", "Siân O'Connor", "99 99 03", "12345678")
    write(engine, payee_details, book.sealed_payees([second], NOW))
    assert book.payee(second.payee_reference) == second


def test_recorded_at_is_kept_in_utc(engine: Engine, book: People, stored) -> None:
    with engine.connect() as connection:
        moments = connection.execute(select(people.c.recorded_at).distinct()).all()
    assert moments == [("2026-04-06T09:30:00.000000+00:00",)]


def test_unknown_people_and_payees_are_refused(book: People) -> None:
    with pytest.raises(PersonUnknown):
        book.person("R999999")
    with pytest.raises(PayeeUnknown):
        book.payee("absent")
    payee = book.new_payee("R999999", "A B", "999901", "12345678")
    with pytest.raises(PersonUnknown) as refusal:
        book.sealed_payees([payee], NOW)
    assert refusal.value.details == {"person_references": ["R999999"]}


def test_an_erased_person_and_their_accounts_cannot_be_read(engine, book: People, stored) -> None:
    sian, amina = stored
    with engine.begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000001"))
    with pytest.raises(PersonUnknown):
        book.person("R000001")
    with pytest.raises(PayeeUnknown):
        book.payee(sian.payee_reference)
    assert book.payee(amina.payee_reference) == amina


def test_ciphertext_moved_to_another_row_or_column_does_not_open(engine, book, stored) -> None:
    sian, amina = stored
    with engine.begin() as connection:
        born = select(people.c.date_of_birth_sealed).where(people.c.person_reference == "R000001")
        connection.execute(
            update(people)
            .where(people.c.person_reference == "R000001")
            .values(name_sealed=born.scalar_subquery())
        )
        mine = payee_details.c.payee_reference == sian.payee_reference
        sealed = select(payee_details.c.sealed).where(mine).scalar_subquery()
        theirs = payee_details.c.payee_reference == amina.payee_reference
        connection.execute(update(payee_details).where(theirs).values(sealed=sealed))
    for read in (lambda: book.person("R000001"), lambda: book.payee(amina.payee_reference)):
        with pytest.raises(SealBroken):
            read()


def test_a_payee_given_to_another_person_does_not_open(engine, book: People, stored) -> None:
    sian, _ = stored
    with engine.begin() as connection:
        connection.execute(update(payee_details).values(person_reference="R000002"))
    with pytest.raises(SealBroken):
        book.payee(sian.payee_reference)


def test_a_whole_person_row_under_another_reference_does_not_open(engine, book, stored) -> None:
    with engine.begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000002"))
        connection.execute(update(people).values(person_reference="R000002"))
    with pytest.raises(SealBroken):
        book.person("R000002")


def test_a_changed_fingerprint_is_noticed(engine: Engine, book: People, stored) -> None:
    sian, _ = stored
    with engine.begin() as connection:
        connection.execute(update(payee_details).values(fingerprint="0" * 32))
    with pytest.raises(SealBroken):
        book.payee(sian.payee_reference)


def test_another_master_key_opens_nothing(engine: Engine, stored) -> None:
    stranger = People(engine, Keyring.from_text(OTHER_KEY))
    with pytest.raises(SealBroken):
        stranger.person("R000001")
    with pytest.raises(SealBroken):
        stranger.payees([payee.payee_reference for payee in stored])


def test_a_payee_reference_must_be_that_of_its_account(book: People) -> None:
    rows = book.sealed_people([SIAN], NOW)
    payee = PayeeDetails("made-up", "R000001", "S O'Connor", "999901", "12345678")
    with pytest.raises(PayeeReferenceMismatch):
        book.sealed_payees([payee], NOW, rows)


def test_nothing_can_be_read_in_the_raw_database(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    durable.create_all(engine)
    book = People(engine, Keyring.from_text(KEY))
    rows = book.sealed_people([SIAN, AMINA], NOW)
    payee = book.new_payee("R000001", "S O'Connor", "99-99-01", "87654321")
    write(engine, people, rows)
    write(engine, payee_details, book.sealed_payees([payee], NOW, rows))
    engine.dispose()
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"R000001" in raw
    for secret in ("Siân", "O'Connor", "Connor", "Khan", "1950", "87654321", "999901", "99-99-01"):
        assert secret.encode() not in raw
    assert bytes.fromhex(KEY) not in raw


def test_a_record_in_a_log_shows_references_only(book: People, stored) -> None:
    sian, _ = stored
    for shown in (f"{SIAN} {sian!r}", pretty_repr([SIAN, sian])):
        assert "R000001" in shown
        for secret in ("Connor", "1950", "999901", "1234567"):
            assert secret not in shown


# --- keys -------------------------------------------------------------------------------------


def test_sealing_twice_gives_other_bytes_and_any_changed_byte_is_noticed() -> None:
    key, _ = Keyring.from_text(KEY).new_person_key("R000001")
    sealed = Keyring.seal(key, b"words", "here")
    assert sealed != Keyring.seal(key, b"words", "here")
    assert Keyring.open(key, sealed, "here") == b"words"
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            Keyring.open(key, bytes(changed), "here")
    for broken, where in ((sealed, "there"), (sealed[:27], "here"), (b"", "here")):
        with pytest.raises(SealBroken):
            Keyring.open(key, broken, where)


def test_a_wrapped_key_opens_for_its_person_only() -> None:
    ring = Keyring.from_text(KEY)
    key, wrapped = ring.new_person_key("R000001")
    assert ring.unwrap(wrapped, "R000001") == key
    assert key not in wrapped
    with pytest.raises(SealBroken):
        ring.unwrap(wrapped, "R000002")
    with pytest.raises(SealBroken):
        Keyring.from_text(OTHER_KEY).unwrap(wrapped, "R000001")


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(KeyUnusable, match=str(path)):
        Keyring.from_file(path)
    first = Keyring.from_file(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().strip()) == 64
    for ring in (Keyring.from_file(path), Keyring.from_file(str(path), create=True)):
        assert ring.fingerprint("999901", "12345678") == first.fingerprint("999901", "12345678")
        assert ring.file_key == first.file_key
    with pytest.raises(KeyUnusable, match="cannot be created"):
        Keyring.from_file(tmp_path / "absent" / "key", create=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_open_to_others_is_refused_by_name(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(mode)
    with pytest.raises(KeyFileExposed, match=str(path)) as refusal:
        Keyring.from_file(path)
    assert KEY not in str(refusal.value)


def test_a_key_is_read_from_hexadecimal_or_base64(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    expected = Keyring.from_text(KEY).fingerprint("999901", "12345678")
    for text in (KEY, KEY.upper() + "\n", base64.b64encode(bytes.fromhex(KEY)).decode()):
        path.write_text(text)
        assert Keyring.from_file(path).fingerprint("999901", "12345678") == expected
    for text in ("", "0f" * 31, "0f" * 33, "x" * 64, "not base64!", "é"):
        path.write_text(text)
        with pytest.raises(KeyUnusable, match=str(path)):
            Keyring.from_file(path)
    for key in (b"", os.urandom(31)):
        with pytest.raises(KeyUnusable):
            Keyring(key)


def settings_with(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def test_a_key_that_is_a_setting_is_that_of_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(KEY)
    of_the_file = Keyring.of(settings_with(key_file=path))
    in_base64 = base64.b64encode(bytes.fromhex(KEY)).decode()
    for text in (KEY, in_base64):
        settings = settings_with(key=text)
        assert Keyring.of(settings).file_key == of_the_file.file_key
        assert text not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("text", ["", "0f" * 31, "x" * 64, base64.b64encode(b"short").decode()])
def test_a_key_that_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(KeyUnusable, match=r"^LEDGER_KEY: ") as refusal:
        Keyring.of(settings_with(key=text))
    assert not text or text not in f"{refusal.value} {refusal.value.details}"
    assert refusal.value.__context__ is None, "nor does what a traceback shows"


def test_a_key_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(KeyGivenTwice, match=r"LEDGER_KEY and LEDGER_KEY_FILE") as refusal:
        Keyring.of(settings_with(key=KEY, key_file=tmp_path / "key"))
    assert KEY not in str(refusal.value)


# --- accounts ---------------------------------------------------------------------------------


def test_an_account_has_one_fingerprint_however_it_is_written() -> None:
    ring = Keyring.from_text(KEY)
    first = ring.fingerprint("20-00-00", "1234567")
    assert (
        first == ring.fingerprint("200000", "01234567") == ring.fingerprint("20 00 00", "1234567")
    )
    assert len(first) == 32
    assert int(first, 16) >= 0
    others = [
        ring.fingerprint("20-00-01", "1234567"),
        ring.fingerprint("20-00-00", "12345678"),
        Keyring.from_text(OTHER_KEY).fingerprint("20-00-00", "1234567"),
    ]
    assert len({first, *others}) == 4


def test_known_answers_never_change() -> None:
    """Stored fingerprints and references must mean the same in every later release."""
    fingerprint = Keyring.from_text(KEY).fingerprint("200000", "12345678")
    assert fingerprint == "4327cf762a10f861559ab043e64651b7"
    assert payee_reference("R000001", fingerprint) == "f2a9864003485902abea82641ddfaa96"
    assert payee_reference("R000002", fingerprint) != payee_reference("R000001", fingerprint)


@pytest.mark.parametrize("text", ["20-00-00", "20 00 00", "200000", " 200000 "])
def test_a_sort_code_is_read(text: str) -> None:
    assert parse_sort_code(text) == "200000"


@pytest.mark.parametrize(
    "text", ["", "20000", "2000000", "20--00-00", "20/00/00", "2O0000", "٢٠٠٠٠٠"]
)
def test_a_sort_code_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UnreadableSortCode, match=r"^payee: ") as refusal:
        parse_sort_code(text, "payee")
    assert not text or text not in f"{refusal.value} {refusal.value.details}"


@pytest.mark.parametrize(
    ("text", "number"),
    [("12345678", "12345678"), ("1234567", "01234567"), ("123456", "00123456")],
)
def test_an_account_number_is_read(text: str, number: str) -> None:
    assert parse_account_number(text) == number


@pytest.mark.parametrize("text", ["", "12345", "123456789", "1234 5678", "12345x78", "٢٠٠٠٠٠٠٠"])
def test_an_account_number_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UnreadableAccountNumber, match=r"^payee: ") as refusal:
        parse_account_number(text, "payee")
    assert not text or text not in f"{refusal.value} {refusal.value.details}"


def test_an_account_name_is_read() -> None:
    assert parse_account_name("  Siân \n O'Connor ") == "Siân O'Connor"
    assert parse_account_name("x" * 140)
    for text in ("", " \t", "x" * 141, "a\x00b", "a\x1bb"):
        with pytest.raises(UnreadableAccountName, match=r"^account_name: "):
            parse_account_name(text)


@given(st.text())
def test_any_text_is_an_account_number_or_a_refusal(text: str) -> None:
    with suppress(UnreadableAccountNumber):
        assert len(parse_account_number(text)) == 8


def test_masked() -> None:
    assert masked("12345678") == "****5678"
