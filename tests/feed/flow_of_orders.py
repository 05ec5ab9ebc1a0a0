"""Random but reproducible order flow through the public services, and the book it leaves in the database."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal

from accounts.models import TradingAccount
from instruments.scaling import text
from instruments.selectors import rules_by_symbol
from orders.models import Order, Side, TimeInForce
from orders.selectors import depth
from tests.factories import Market
from tradeplatform.common.errors import Refusal

Levels = list[list[str]]


def random_flow(
    market: Market, accounts: Sequence[TradingAccount], *, steps: int, seed: int
) -> Iterator[int]:
    """Send, amend and cancel orders around 50000, and drain after each step; yields the step."""
    chance = random.Random(seed)
    for step in range(steps):
        for _ in range(chance.randint(1, 6)):
            with suppress(Refusal):
                _act(market, chance.choice(accounts), chance)
        market.drain()
        yield step


def _act(market: Market, account: TradingAccount, chance: random.Random) -> None:
    resting = list(
        Order.objects.resting().for_account(account.pk).filter(instrument=market.instrument).order_by("id")
    )
    what = chance.random()
    if resting and what < 0.2:
        market.cancel(chance.choice(resting).pk, account)
    elif resting and what < 0.3:
        order = chance.choice(resting)
        market.amend(order.pk, account, quantity=str(order.filled + Decimal(chance.randint(1, 30)) / 10))
    else:
        side = chance.choice([Side.BUY, Side.SELL])
        away = Decimal(chance.randint(-8, 20)) * 10
        price = 50000 - away if side == Side.BUY else 50000 + away
        tif = chance.choice([TimeInForce.GTC] * 4 + [TimeInForce.IOC])
        market.send(market.request(account, side, Decimal(chance.randint(1, 30)) / 10, price, tif=tif))


def stored_book(market: Market) -> tuple[int, Levels, Levels]:
    """The committed book as the feed prints it: seq, bids, asks."""
    rules = rules_by_symbol([market.symbol])[market.symbol]
    book = depth(rules, limit=10_000)

    def printed(levels: list[tuple[Decimal, Decimal]]) -> Levels:
        return [
            [text(price, rules.price_decimals), text(quantity, rules.quantity_decimals)]
            for price, quantity in levels
        ]

    return book.seq, printed(book.bids), printed(book.asks)
