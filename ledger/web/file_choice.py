"""Which file the bank is sent: of the council's usual kind, unless another is chosen this once."""

from __future__ import annotations

from typing import get_args

from ledger.bank_file import FileKind, file_kind
from ledger.config import FileFormat, ServiceLevel, Settings
from ledger.web.command_words import Asked
from ledger.web.questions import Question

_FORMATS: dict[FileFormat, str] = {
    "bacs18": "Bacs Standard 18",
    "bacs18-multi": "Bacs Standard 18, in the layout for several processing days",
    "pain.001.001.03": "ISO 20022 pain.001.001.03",
    "pain.001.001.09": "ISO 20022 pain.001.001.09",
}
_LEVELS: dict[ServiceLevel, str] = {
    "NURG": "by Bacs",
    "URNS": "by Faster Payments (URNS)",
    "URGP": "by Faster Payments (URGP)",
}


def file_question(settings: Settings) -> Question:
    """Asks for the kind of file; the usual one is chosen already."""
    return Question(
        "file_kind",
        "choice",
        Asked("Which file does the bank take?", "The one chosen already is your council’s usual."),
        choices=tuple((_code(kind), _words(kind)) for kind in _KINDS),
        default=_code(file_kind(settings)),
    )


def kind_chosen(code: str) -> FileKind:
    """The kind of file that was chosen."""
    return next(kind for kind in _KINDS if _code(kind) == code)


_KINDS = [
    FileKind(file_format, level)
    for file_format in _FORMATS
    for level in (("NURG",) if file_format.startswith("bacs18") else get_args(ServiceLevel))
]


def _code(kind: FileKind) -> str:
    return f"{kind.file_format}/{kind.service_level}"


def _words(kind: FileKind) -> str:
    words = _FORMATS[kind.file_format]
    return (
        words
        if kind.file_format.startswith("bacs18")
        else f"{words}, {_LEVELS[kind.service_level]}"
    )
