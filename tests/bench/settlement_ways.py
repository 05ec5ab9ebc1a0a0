"""The ways of settling trades that bench_settlement compares; each returns the seconds it took."""

from __future__ import annotations

import random
import time

from django.utils import timezone

from orders.models import OrderType, Side, Source
from orders.services.drain import drain, drain_all
from orders.services.intake import submit_orders
from orders.services.requests import NewOrder
from tests.bench import order_ways

ACCOUNTS = 20
_SHARD = 1
_LIST = 500


def batch(trades: int) -> float:
    """1,000 orders to a transaction, a trade each."""
    _meet(trades, makers_each=1)
    return _timed_drain()


def sweep(trades: int) -> float:
    """1,000 orders to a transaction, ten trades each."""
    _meet(trades, makers_each=10)
    return _timed_drain()


def single(trades: int) -> float:
    """An order, and its trade, to a transaction."""
    _meet(trades, makers_each=1)
    started = time.perf_counter()
    while drain(shard_id=_SHARD, now=timezone.now(), batch=1).commands:
        pass
    return time.perf_counter() - started


def naive(trades: int) -> float:
    """Matching by a query, a save() for each row, a transaction for each trade; makers rest beforehand."""
    makers, takers = _sides(trades, makers_each=1)
    order_ways.naive(makers)
    started = time.perf_counter()
    order_ways.naive(takers)
    return time.perf_counter() - started


def _sides(trades: int, *, makers_each: int) -> tuple[list[NewOrder], list[NewOrder]]:
    """Sell orders of one size at one price, and buy orders that take `makers_each` of them."""
    drawn = order_ways.market(random.Random(0), 1, ACCOUNTS)[0]
    accounts = order_ways.accounts_of(drawn.symbol)
    sellers, buyers = accounts[: ACCOUNTS // 2], accounts[ACCOUNTS // 2 :]

    def order(account_id: int, side: Side, size: int) -> NewOrder:
        return NewOrder(
            account_id=account_id,
            symbol=drawn.symbol,
            side=side,
            type=OrderType.LIMIT,
            quantity=order_ways.LOT * 1_000 * size,
            price=order_ways.PRICE,
        )

    sells = [order(sellers[n % len(sellers)], Side.SELL, 1) for n in range(trades)]
    buys = [order(buyers[n % len(buyers)], Side.BUY, makers_each) for n in range(trades // makers_each)]
    return sells, buys


def _meet(trades: int, *, makers_each: int) -> None:
    """Makers rest, takers wait for the drain."""
    makers, takers = _sides(trades, makers_each=makers_each)
    _submit(makers)
    drain_all(shard_id=_SHARD, clock=timezone.now)
    _submit(takers)


def _submit(orders: list[NewOrder]) -> None:
    for start in range(0, len(orders), _LIST):
        submit_orders(
            orders=orders[start : start + _LIST],
            actor=order_ways.ACTOR,
            source=Source.API,
            now=timezone.now(),
        )


def _timed_drain() -> float:
    started = time.perf_counter()
    drain_all(shard_id=_SHARD, clock=timezone.now)
    return time.perf_counter() - started
