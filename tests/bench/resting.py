"""A book full of resting orders, made at once: by the engine first, then as the rows a drain would leave.

The engine takes the orders as commands and says the state hash; the rows are written by one statement from
the same numbers. Whoever restores the book from its rows must come to the engine's own hash. Events and
commands of these orders are left out: nothing that starts a shard reads them.
"""

from __future__ import annotations

import random
import uuid

from django.utils import timezone
from tradeengine import Engine, codec

from instruments.selectors import rules_by_symbol
from orders.models import Book, Shard
from orders.services.book_refs import books_for
from orders.services.journal import microseconds
from tests.bench import order_ways
from tradeplatform.common.db import execute, fetch

_ACCOUNTS = 200
_CHUNK = 50_000
_MID = 5_000_000
_INSERT = """
    INSERT INTO orders_order (
        id, created_at, updated_at, account_id, instrument_id, client_order_id, side, type, time_in_force,
        post_only, stp_mode, stp_group, price, quantity, filled, leaves, prevented, filled_notional,
        maker_fee_rate, taker_fee_rate, fee_accrued, held, status, reason, priority, last_seq, trigger_by,
        shown, reduce_only, link, parent_id, partner_id, list_id, credential, source, actor_label,
        correlation_id
    )
    SELECT %(first)s + i, %(at)s, %(at)s, (%(accounts)s::bigint[])[1 + i %% %(count)s], %(instrument)s,
        %(tag)s || i, CASE i %% 2 WHEN 0 THEN 'buy' ELSE 'sell' END, 'limit', 'gtc', false, 'expire_taker', 0,
        p.price, q.quantity, 0, q.quantity, 0, 0, 0, 0, 0,
        CASE i %% 2 WHEN 0 THEN p.price * q.quantity ELSE q.quantity END, 'open', '', i, i, '',
        0, false, '', 0, 0, 0, '', 'api', 'bench', ''
    FROM generate_series(%(from)s::bigint, %(to)s::bigint) i,
        LATERAL (
            SELECT (%(mid)s + CASE i %% 2 WHEN 0 THEN -1 ELSE 1 END * (1 + i * 7919 %% 5000)) * 0.01
        ) p(price),
        LATERAL (SELECT (1000 + i %% 4000) * 0.00001) q(quantity)
"""


def fill_book(count: int, *, shard_id: int) -> str:
    """A new instrument on the shard with so many resting orders of 200 accounts; its symbol."""
    drawn = order_ways.market(random.Random(0), 1, _ACCOUNTS)[0]
    accounts = order_ways.accounts_of(drawn.symbol)
    rules = rules_by_symbol([drawn.symbol])[drawn.symbol]
    execute("UPDATE instruments_instrument SET maker_fee = 0, taker_fee = 0 WHERE id = %s", [rules.id])
    Shard.objects.get_or_create(id=shard_id)
    books_for([rules])
    now = timezone.now()
    ((first,),) = fetch("SELECT nextval('orders_order_id_seq')")
    fetch("SELECT setval('orders_order_id_seq', %s)", [first + count])
    engine = Engine()
    engine.add_book(rules.id)
    for start in range(1, count + 1, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count + 1))
        engine.apply(b"".join(_command(i, rules.id, first, accounts, microseconds(now)) for i in numbers))
    values = {
        "first": first,
        "at": now,
        "accounts": accounts,
        "count": len(accounts),
    }
    values |= {"instrument": rules.id, "tag": uuid.uuid4().hex[:8], "mid": _MID, "from": 1, "to": count}
    execute(_INSERT, values)
    execute(
        "UPDATE accounts_ledgeraccount l SET held = l.held + h.held FROM ("
        " SELECT o.account_id, CASE o.side WHEN 'buy' THEN i.quote_id ELSE i.base_id END AS asset_id,"
        "  sum(o.held) AS held FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id"
        "  WHERE o.instrument_id = %s GROUP BY 1, 2"
        ") h WHERE l.kind = 'client' AND l.account_id = h.account_id AND l.asset_id = h.asset_id",
        [rules.id],
    )
    Book.objects.filter(instrument_id=rules.id).update(
        shard_id=shard_id,
        seq=engine.seq(rules.id),
        last_time=engine.last_time(rules.id),
        state_hash=engine.state_hash(rules.id),
    )
    execute("ANALYZE orders_order")
    return drawn.symbol


def _command(i: int, instrument: int, first: int, accounts: list[int], time_us: int) -> bytes:
    """The order that the statement above writes as row `i`."""
    sign = 1 if i % 2 else -1
    return codec.COMMAND.pack(
        codec.CommandKind.NEW, 2 if i % 2 else 1, codec.OrderType.LIMIT, codec.TimeInForce.GTC, 0,
        codec.StpMode.EXPIRE_TAKER, 0, 0, instrument, 0, i, first + i, accounts[i % len(accounts)], 0,
        _MID + sign * (1 + i * 7919 % 5000), 1_000 + i % 4_000, time_us,
    )  # fmt: skip
