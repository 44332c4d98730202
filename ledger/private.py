"""Records that keep what they hold to themselves."""

from __future__ import annotations

from typing import Any

import msgspec


class Private(msgspec.Struct, frozen=True):
    """A record about a person; its `repr` shows references only: so do logs and tracebacks."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [n for n in self.__struct_fields__ if n == "item" or n.endswith("reference")]
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.__rich_repr__()]
        return f"{type(self).__name__}({', '.join([*shown, '...'])})"
