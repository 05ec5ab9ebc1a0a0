"""The ways of settling trades that bench_settlement compares; each returns the seconds it took."""

from __future__ import annotations

import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import django
from django.utils import timezone

from instruments.selectors import rules_by_symbol
from orders.models import Book, OrderType, Shard, Side, Source
from orders.services.book_refs import books_for
from orders.services.drain import drain, drain_all
from orders.services.intake import submit_orders
from orders.services.requests import NewOrder
from tests.bench import order_ways

ACCOUNTS = 20
_SHARDS = (1, 2)
_LIST = 500


def batch(trades: int) -> float:
    """1,000 orders to a transaction, a trade each."""
    _meet(trades, makers_each=1)
    return _drained(1)


def sweep(trades: int) -> float:
    """1,000 orders to a transaction, ten trades each."""
    _meet(trades, makers_each=10)
    return _drained(1)


def shards(trades: int) -> float:
    """As `batch`, half of it on each of two shards, drained by two processes at once."""
    workers = _workers()
    sides = [_sides(trades // len(_SHARDS), makers_each=1, shard_id=shard_id) for shard_id in _SHARDS]
    for makers, _takers in sides:
        _submit(makers)
    # The same two processes, so that they own the shards and hold the books when the clock starts.
    list(workers.map(_drained, _SHARDS))
    for _makers, takers in sides:
        _submit(takers)
    started = time.perf_counter()
    list(workers.map(_drained, _SHARDS))
    return time.perf_counter() - started


def single(trades: int) -> float:
    """An order, and its trade, to a transaction."""
    _meet(trades, makers_each=1)
    started = time.perf_counter()
    while drain(shard_id=1, now=timezone.now(), batch=1).commands:
        pass
    return time.perf_counter() - started


def naive(trades: int) -> float:
    """Matching by a query, a save() for each row, a transaction for each trade; makers rest beforehand."""
    makers, takers = _sides(trades, makers_each=1, shard_id=1)
    order_ways.naive(makers)
    started = time.perf_counter()
    order_ways.naive(takers)
    return time.perf_counter() - started


def _sides(trades: int, *, makers_each: int, shard_id: int) -> tuple[list[NewOrder], list[NewOrder]]:
    """Sell orders of one size at one price, and buy orders that take `makers_each` of them; in a new book."""
    drawn = order_ways.market(random.Random(0), 1, ACCOUNTS)[0]
    Shard.objects.get_or_create(id=shard_id)
    books_for(rules_by_symbol([drawn.symbol]).values())
    Book.objects.filter(instrument__symbol=drawn.symbol).update(shard_id=shard_id)
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
    """Makers rest in a book of the first shard, takers wait for the drain."""
    makers, takers = _sides(trades, makers_each=makers_each, shard_id=1)
    _submit(makers)
    drain_all(shard_id=1, clock=timezone.now)
    _submit(takers)


def _submit(orders: list[NewOrder]) -> None:
    for start in range(0, len(orders), _LIST):
        submit_orders(
            orders=orders[start : start + _LIST],
            actor=order_ways.ACTOR,
            source=Source.API,
            now=timezone.now(),
        )


def _drained(shard_id: int) -> float:
    """Drain a shard; the seconds it took."""
    started = time.perf_counter()
    drain_all(shard_id=shard_id, clock=timezone.now)
    return time.perf_counter() - started


@cache
def _workers() -> ProcessPoolExecutor:
    """Two processes, as two workers are: each keeps the engines of the shards it drains."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(len(_SHARDS), mp_context=context, initializer=django.setup)
