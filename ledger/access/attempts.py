"""How often signing in may fail before there is a wait: a limit on guessing.

It is counted in the server's memory, by address and by name, and only failures count: a whole
council may sign in from one address at nine o'clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address, ip_network

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ledger.errors import Refusal, TooManyAttempts

_MINUTES = 5


class Attempts:
    """Counts the failures of the last five minutes."""

    def __init__(self, most_failures: int) -> None:
        self._failures = MovingWindowRateLimiter(MemoryStorage())
        self._most = RateLimitItemPerMinute(most_failures, _MINUTES)

    @contextmanager
    def one(self, address: str, name: str = "") -> Iterator[None]:
        """One attempt; it has failed if it is refused. Raises `TooManyAttempts`."""
        keys = [f"from {_place(address)}", *([f"as {name}"] if name else [])]
        for key in keys:
            if not self._failures.test(self._most, key):
                raise TooManyAttempts(retry_after_seconds=_MINUTES * 60)
        try:
            yield
        except Refusal as refusal:
            if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                for key in keys:
                    self._failures.hit(self._most, key)
            raise


def _place(address: str) -> str:
    """Where an address is: one of IPv6 is one of very many that somebody has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if ip.version == 6 else address
