"""What an address may ask for in a minute, and how many unfilled orders an account may have placed.

The counters are the house's (tradeplatform.common.limits, accounts.services.rates): an account's orders are
counted together through whichever door they come, and who goes on asking is shut out of all. Cancels have a
count of their own and are never shut out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from accounts.services.rates import Allowance, allowance, order_limits
from tradeplatform.common import limits as counting
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import errors

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of time in which orders are counted, as this dialect names it."""

    number: int
    letter: str
    word: str

    @property
    def header(self) -> str:
        """Which says how many there are."""
        return f"X-MBX-ORDER-COUNT-{self.number}{self.letter}"

    def body(self, most: int) -> dict[str, object]:
        """As exchangeInfo and rateLimit/order show the limit."""
        named = {"interval": self.word, "intervalNum": self.number}
        return {"rateLimitType": "ORDERS", **named, "limit": most}


#: In the order of the limits of an account's orders.
_INTERVALS = (Interval(10, "S", "SECOND"), Interval(1, "D", "DAY"))


def shown(tier_id: int | None = None) -> list[dict[str, object]]:
    """The limits, as exchangeInfo shows them."""
    return [_weight_body(), *(interval.body(most) for interval, most in _most(allowance(tier_id)))]


def use_weight(address: str, weight: int, *, cancels: bool, now: float) -> int:
    """Count a request of this weight; how much the address has used in this minute. Raises -1003."""
    name = f"binance:{address}:{'cancel' if cancels else 'call'}"
    limit = counting.Limit(name, _weight(), _MINUTE, weight)
    try:
        (used,) = counting.take([limit], now=now, offender="" if cancels else f"address:{address}")
    except Refusal as refusal:
        wait = int(refusal.context["retry_after"])
        if refusal.code == Code.BANNED:
            raise errors.banned(until_ms=int((now + wait) * 1_000), wait=wait) from None
        raise errors.too_much_weight(limit=_weight(), wait=wait) from None
    return used


@dataclass(frozen=True, slots=True)
class Orders:
    """An account's unfilled orders, counted; those of a request are given back once they are filled."""

    account_id: int
    tier_id: int | None
    now: float

    def take(self, orders: int) -> list[int]:
        """Count new orders; what each interval has then. Raises -1015, and then none is counted."""
        allowed = allowance(self.tier_id)
        try:
            return counting.take(order_limits(self.account_id, orders, allowed), now=self.now)
        except Refusal as refusal:
            full = next(one for one, most in _most(allowed) if most == refusal.context["limit"])
            raise errors.too_many_orders(
                limit=refusal.context["limit"],
                per=f"{full.number} {full.word}",
                wait=refusal.context["retry_after"],
            ) from None

    def require_room(self) -> None:
        """Refuse now what another order would be refused for, and count nothing. Raises -1015."""
        self.take(1)
        self.give_back()

    def give_back(self) -> None:
        """One of them has been filled: who trades may go on placing."""
        counting.give_back(order_limits(self.account_id, 1, allowance(self.tier_id)), now=self.now)

    def counts(self) -> list[dict[str, object]]:
        """How many there are and how many there may be, as rateLimit/order shows it."""
        counts = self.take(0)
        return [
            interval.body(most) | {"count": max(0, count)}
            for (interval, most), count in zip(_most(allowance(self.tier_id)), counts, strict=True)
        ]


def headers(counts: Sequence[int]) -> dict[str, str]:
    """The headers of an answer about new orders."""
    return {interval.header: str(max(0, count)) for interval, count in zip(_INTERVALS, counts, strict=True)}


def counted_weight(used: int) -> dict[str, object]:
    """The weight of the address's minute so far, as answers over sockets show it."""
    return _weight_body() | {"count": used}


def counted_orders(counts: Mapping[str, str], tier_id: int | None) -> list[dict[str, object]]:
    """The counts of new orders among these headers, as answers over sockets show them."""
    return [
        interval.body(most) | {"count": int(counts[interval.header])}
        for interval, most in _most(allowance(tier_id))
        if interval.header in counts
    ]


def _most(allowed: Allowance) -> list[tuple[Interval, int]]:
    return list(zip(_INTERVALS, (allowed.orders_10s, allowed.orders_1d), strict=True))


def _weight_body() -> dict[str, object]:
    return {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": _weight()}


def _weight() -> int:
    return int(settings.RATE_LIMITS["binance_weight"])
