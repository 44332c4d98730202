"""What may stand in an address: references, each with its own letters, for both front doors."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class _Reference(Convertor[str]):
    """A reference in an address. It may hold a "/", written so or as %2F."""

    regex = "[A-Z0-9/-]{1,20}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _CycleReference(_Reference):
    regex = "[A-Z0-9-]{1,20}"


class _PayeeReference(_Reference):
    regex = "[0-9a-f]{32}"


register_url_convertor("reference", _Reference())
register_url_convertor("cycle", _CycleReference())
register_url_convertor("payee", _PayeeReference())


def concerns_budget(path: str) -> bool:
    """Whether a route's path names one budget."""
    return "/budgets/{reference" in path
