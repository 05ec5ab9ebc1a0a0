"""What an address may ask for in a minute, and how many unfilled orders an account may have placed.

Counted in Valkey by one atomic increment, in windows of the clock. Without Valkey nothing is counted and all
are let through: a lost counter must not stop anyone from cancelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from tradeplatform.common.valkey import client
from tradeplatform.gateways.binance import errors

logger = structlog.get_logger(__name__)

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class OrderLimit:
    """At most `limit` unfilled orders in each interval."""

    letter: str
    interval: str
    number: int
    seconds: int
    setting: str

    @property
    def limit(self) -> int:
        """As the settings have it."""
        return int(settings.BINANCE_LIMITS[self.setting])

    @property
    def words(self) -> str:
        """As refusals name it."""
        return f"{self.number} {self.interval}"

    @property
    def header(self) -> str:
        """Which says how many there are."""
        return f"X-MBX-ORDER-COUNT-{self.number}{self.letter}"

    def body(self, count: int | None = None) -> dict[str, object]:
        """As exchangeInfo and rateLimit/order show it."""
        plain: dict[str, object] = {
            "rateLimitType": "ORDERS",
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }
        return plain if count is None else plain | {"count": count}

    def key(self, account_id: int, now: int) -> str:
        """Of the counter of the interval that `now` (seconds) falls in."""
        return f"binance:orders:{account_id}:{self.number}{self.letter}:{now // self.seconds}"


ORDER_LIMITS = (
    OrderLimit("S", "SECOND", 10, 10, "orders_10s"),
    OrderLimit("D", "DAY", 1, 86_400, "orders_1d"),
)


def weight_limit() -> dict[str, object]:
    """As exchangeInfo shows it."""
    return {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": settings.BINANCE_LIMITS["weight_1m"],
    }


def use_weight(address: str, weight: int, *, now: int) -> int:
    """Count a request of this weight; how much the address has used in this minute. Raises -1003."""
    window, passed = divmod(now, _MINUTE)
    key = f"binance:weight:{address}:{window}"
    try:
        used = int(client().incrby(key, weight))
        if used == weight:
            client().expire(key, _MINUTE)
    except (RedisError, OSError) as error:
        logger.warning("weight_not_counted", error=str(error))
        return weight
    limit = settings.BINANCE_LIMITS["weight_1m"]
    if used > limit:
        raise errors.too_much_weight(limit=limit, wait=_MINUTE - passed)
    return used


def count_orders(account_id: int, change: int, *, now: int) -> list[int]:
    """Change the counts of an account's unfilled orders, one for each interval; what they are then."""
    try:
        pipe = client().pipeline(transaction=False)
        for limit in ORDER_LIMITS:
            pipe.incrby(limit.key(account_id, now), change)
            pipe.expire(limit.key(account_id, now), limit.seconds, nx=True)
        return [max(0, int(count)) for count in pipe.execute()[::2]]
    except (RedisError, OSError) as error:
        logger.warning("orders_not_counted", error=str(error))
        return [0 for _limit in ORDER_LIMITS]


def take_order_places(account_id: int, orders: int, *, now: int) -> list[int]:
    """Count new orders; the counts. Raises -1015, and then they are not counted."""
    counts = count_orders(account_id, orders, now=now)
    for limit, count in zip(ORDER_LIMITS, counts, strict=True):
        if count > limit.limit:
            count_orders(account_id, -orders, now=now)
            wait = limit.seconds - now % limit.seconds
            raise errors.too_many_orders(limit=limit.limit, per=limit.words, wait=wait)
    return counts


def order_headers(counts: Sequence[int]) -> dict[str, str]:
    """The headers of an answer about orders."""
    return {limit.header: str(count) for limit, count in zip(ORDER_LIMITS, counts, strict=True)}
