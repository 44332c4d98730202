"""The council's master key and what is made from it: person keys, seals, fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.accounts import parse_account_number, parse_sort_code
from ledger.config import Settings
from ledger.errors import KeyFileExposed, KeyGivenTwice, KeyUnusable, SealBroken

NONCE_BYTES = 12
TAG_BYTES = 16
_WRAPPED = "people.wrapped_key"


def place(column: str, *row: str) -> str:
    """What a seal is bound to: "table.column" and the row's keys, parted by NUL.

    Neither database stores a NUL in a text, so two places never read the same.
    """
    return "\x00".join((column, *row))


class Keyring:
    """Everything that needs the 32-byte master key: wrapping, sealing, fingerprints.

    The master key itself is not kept: each use has a sub-key of its own (HKDF-SHA-256).
    Seals are AES-256-GCM, a random 12-byte nonce first. `bound_to` names the table, column
    and row, so that bytes moved to another row do not open there.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise KeyUnusable()
        self._wrapping_key = _sub_key(master, b"pbledger/wrapping/v1")
        self._fingerprint_key = _sub_key(master, b"pbledger/fingerprint/v1")
        self._request_key = _sub_key(master, b"pbledger/requests/v1")
        self.file_key = _sub_key(master, b"pbledger/bank-files/v1")

    @classmethod
    def of(cls, settings: Settings, create: bool = False) -> Self:
        """The keyring of the settings: from the key itself, or from the file that holds it.

        `create` makes a missing file. Raises `KeyGivenTwice` for a setting of each, besides
        the refusals of both.
        """
        if settings.key is None:
            return cls.from_file(settings.key_file, create)
        if "key_file" in settings.model_fields_set:
            raise KeyGivenTwice("LEDGER_KEY and LEDGER_KEY_FILE are both set; take one away.")
        return cls.from_text(settings.key.get_secret_value(), "LEDGER_KEY")

    @classmethod
    def from_text(cls, text: str, source: str = "the key") -> Self:
        """A keyring from 64 hexadecimal characters or base64 of 32 bytes; else `KeyUnusable`."""
        return cls(_master(text, source))

    @classmethod
    def from_file(cls, path: str | Path, create: bool = False) -> Self:
        """A keyring from a file of 64 hexadecimal characters or base64 of 32 bytes.

        `create` makes a missing file with a new random key and mode 0600. Raises
        `KeyFileExposed` when group or others have any access, `KeyUnusable` otherwise.
        """
        path = Path(path)
        if create and not path.exists():
            _create_key_file(path)
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as fault:
            raise KeyUnusable(
                f"Key file {path} cannot be read: {KeyUnusable.rule}", path=str(path)
            ) from fault
        if mode & 0o077:
            raise KeyFileExposed(
                f"Key file {path} can be read by others (mode {mode & 0o777:04o}); chmod 600 it.",
                path=str(path),
            )
        return cls(_master(text, f"key file {path}"))

    def new_person_key(self, person_reference: str) -> tuple[bytes, bytes]:
        """A new random key for a person, and the same wrapped for their row."""
        key = AESGCM.generate_key(256)
        return key, self.seal(self._wrapping_key, key, place(_WRAPPED, person_reference))

    def unwrap(self, wrapped: bytes, person_reference: str) -> bytes:
        """The person's key from their row; `SealBroken` under another master key or row."""
        return self.open(self._wrapping_key, wrapped, place(_WRAPPED, person_reference))

    @staticmethod
    def seal(key: bytes, plaintext: bytes, bound_to: str) -> bytes:
        """Nonce, ciphertext and tag: 28 bytes longer than the plaintext."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to.encode())

    @staticmethod
    def open(key: bytes, sealed: bytes, bound_to: str) -> bytes:
        """The plaintext; `SealBroken` if the key, the bytes or the place is another."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise SealBroken(place=bound_to.split("\x00", 1)[0])
        try:
            ciphertext = memoryview(sealed)[NONCE_BYTES:]  # no copy: a bank file may be large
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], ciphertext, bound_to.encode())
        except InvalidTag:
            raise SealBroken(place=bound_to.split("\x00", 1)[0]) from None

    def fingerprint(self, sort_code: str, account_number: str, *also: str) -> str:
        """32 hex characters, the same for the same account; not computable without the key.

        Keyed because sort codes and account numbers are few enough to try them all. With what
        is known of it `also`, such as a name, it is that of the account and all of this.
        """
        account = parse_sort_code(sort_code) + parse_account_number(account_number)
        told = place(account, *also).encode()
        return hmac.digest(self._fingerprint_key, told, hashlib.sha256).hex()[:32]

    def request_digest(self, request: bytes) -> str:
        """64 hex characters, the same for the same request; not computable without the key.

        Keyed because a request may hold an account or a date of birth, which can be tried.
        """
        return hmac.digest(self._request_key, request, hashlib.sha256).hex()


def _sub_key(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(master)


def _master(text: str, source: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise KeyUnusable(f"{source[0].upper()}{source[1:]}: {KeyUnusable.rule}")
    return key


def _create_key_file(path: Path) -> None:
    """A whole key file or none; if another process was first, its key is the key."""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(AESGCM.generate_key(256).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(beside, path)
        finally:
            Path(beside).unlink()
    except OSError as fault:
        raise KeyUnusable(
            f"Key file {path} cannot be created: {fault.strerror}.", path=str(path)
        ) from fault
