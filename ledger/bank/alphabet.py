"""The alphabet that UK banks read, and names written in it.

What is written here goes into Bacs Standard 18 and pain.001 alike: 18 characters are all that
reaches the payee's statement by either.
"""

from __future__ import annotations

import re
import unicodedata

from ledger.errors import UnwritableName

_PLAIN = re.compile(r"[A-Z0-9.&/-]+(?: [A-Z0-9.&/-]+)*")


class _Folding(dict[int, str | None]):
    """What becomes of a character: itself, other letters, nothing (None), or a blank."""

    def __missing__(self, codepoint: int) -> str | None:
        mark = unicodedata.category(chr(codepoint)) in ("Mn", "Me", "Cf")
        return None if mark else " "


_FOLDING = _Folding(
    {ord(kept): kept for kept in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.&/- "}
    # Apostrophes and quotation marks, straight, curly, modifier letters, primes, full width.
    | {ord(mark): None for mark in "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e"}
    | {ord(mark): None for mark in "\u02b9\u02bb\u02bc\u02bd\u02c8\u2032\u2033\uff07"}
    # Hyphens, dashes and the minus sign; the fraction slash.
    | {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"}
    | {ord("\u2044"): "/"}
    # Letters that are not a plain letter with an accent.
    | {ord(letter): "D" for letter in "ÐĐƉ"}
    | {ord(letter): plain for letter, plain in zip("ĦŁØŦŊƏ", "HLOTNE", strict=True)}
    | {ord("Æ"): "AE", ord("Œ"): "OE", ord("ẞ"): "SS", ord("Þ"): "TH"}
)
_ACUTE = "\u00b4"  # used as an apostrophe, but decomposes into a blank: dropped first


def fold(text: str) -> str:
    """Text in Bacs' alphabet, A-Z 0-9 . & / - and single spaces: "Siân Łuczak" is "SIAN LUCZAK".

    Upper case, accents off, apostrophes and quotes dropped; all else becomes a blank, as the
    scheme would make it. May be empty, when nothing of the text can be written.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.replace(_ACUTE, ""))
    return " ".join(text.upper().translate(_FOLDING).split())


def written_name(text: str, where: int | str) -> str:
    """A name as it is written, at most 18 characters; `where` is an item number or a field."""
    folded = fold(text)
    if not folded.strip(".&/- "):
        field = f"Item {where}, payee_name" if isinstance(where, int) else where
        raise UnwritableName(f"{field}: {UnwritableName.rule}", field=field)
    return folded[:18].rstrip()
