"""How much anybody may ask in a minute: counted by address and by who asks, in this process."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from ledger.config import Settings
from ledger.errors import TooManyRequests

WINDOW_SECONDS = 60

Policy = Literal["address", "actor"]


class Standing(NamedTuple):
    """Where somebody stands against a limit; `resets_at` is in seconds since 1970."""

    quota: int
    remaining: int
    resets_at: float


class Limits:
    """The limits that the settings give, and what was asked in this minute."""

    def __init__(self, settings: Settings) -> None:
        quotas: dict[Policy, int] = {
            "address": settings.requests_per_minute_from_an_address,
            "actor": settings.requests_per_minute_by_an_actor,
        }
        self._limits: dict[Policy, RateLimitItem] = {
            policy: RateLimitItemPerMinute(quota) for policy, quota in quotas.items() if quota
        }
        self._counted = FixedWindowRateLimiter(MemoryStorage())

    def take(self, scope: Any, policy: Policy, whom: str) -> None:
        """Count a request of somebody's, and note in its scope where they stand then.

        Raises `TooManyRequests`."""
        limit = self._limits.get(policy)
        if limit is None:
            return
        is_within = self._counted.hit(limit, policy, whom)
        resets_at, remaining = self._counted.get_window_stats(limit, policy, whom)
        standing = Standing(limit.amount, remaining, resets_at)
        scope.setdefault("rate_limits", {})[policy] = standing
        if not is_within:
            raise TooManyRequests(
                f"At most {limit.amount} requests a minute are answered; wait a little."
            )
