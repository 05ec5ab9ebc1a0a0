"""Rows of months of trading, made by a few statements: what a platform has stored that has run for a while.

In groups of four orders: the first two meet in a trade, the others are cancelled. So for N orders there are N
identities, 1.5 N commands, 1.75 N events, N/4 trades, N/2 fills, N transfers and N/10 audit records, evenly
over the days, with the values, references and indexes of real ones. Balances are not moved: those that the
transfers give are made up, so that the invariants of money do not hold afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from accounts.models import Transfer
from audit.models import AuditRecord
from django_partition.services import apply_all
from orders.models import Command, Event, Fill, Order, Trade
from tests.load.world import make_world
from tradeplatform.common.db import execute, fetch

DAYS = 60
_CHUNK = 50_000
# Of a group: g its number, m its number in its book, s that in its shard, in which two of three are.
_GROUPS = """
    CREATE TEMPORARY TABLE history_groups AS
    SELECT g, g / 3 AS m, CASE g %% 3 WHEN 2 THEN g / 3 ELSE g / 3 * 2 + g %% 3 END AS s,
        CASE g %% 3 WHEN 2 THEN 2 ELSE 1 END AS shard, (%(instruments)s::int[])[1 + g %% 3] AS instrument,
        %(begin)s::timestamptz + %(span)s::interval * (g::float8 / %(groups)s) AS at,
        (%(accounts)s::bigint[])[1 + g %% %(count)s] AS buyer,
        (%(accounts)s::bigint[])[1 + (g + 1) %% %(count)s] AS seller,
        (50000 + (g * 7919 %% 1000 - 500) * 0.01)::numeric AS price,
        ((1000 + g %% 4000) * 0.00001)::numeric AS size
    FROM generate_series(%(from)s::bigint, %(to)s::bigint) g
"""

_ORDERS = """
    WITH rows AS (
        SELECT history_groups.*, j, %(order)s + g * 4 + j AS id, j < 2 AS traded, j %% 2 = 0 AS buys
        FROM history_groups, generate_series(0, 3) j
    ), named AS (
        INSERT INTO orders_orderidentity (
            order_id, account_id, client_order_id, order_created_at, fingerprint
        )
        SELECT id, CASE WHEN buys THEN buyer ELSE seller END, %(tag)s || id, at,
            md5(id::text) || md5(at::text)
        FROM rows
    )
    INSERT INTO orders_order (
        id, created_at, updated_at, account_id, instrument_id, client_order_id, side, type, time_in_force,
        post_only, stp_mode, stp_group, price, quantity, filled, leaves, prevented, filled_notional,
        maker_fee_rate, taker_fee_rate, fee_accrued, held, status, reason, priority, last_seq, trigger_by,
        shown, reduce_only, link, parent_id, partner_id, list_id, credential, source, actor_label,
        correlation_id
    )
    SELECT id, at, at, CASE WHEN buys THEN buyer ELSE seller END, instrument, %(tag)s || id,
        CASE WHEN buys THEN 'buy' ELSE 'sell' END, 'limit', 'gtc', false, 'expire_taker', 0, price, size,
        CASE WHEN traded THEN size ELSE 0 END, 0, 0, CASE WHEN traded THEN price * size ELSE 0 END,
        0.0005, 0.001, CASE WHEN traded THEN price * size * 0.001 ELSE 0 END, 0,
        CASE WHEN traded THEN 'filled' ELSE 'cancelled' END, CASE WHEN traded THEN '' ELSE 'client' END,
        CASE j WHEN 0 THEN m * 7 + 1 WHEN 1 THEN 0 ELSE m * 7 + 2 + j END,
        m * 7 + CASE WHEN traded THEN 3 ELSE 4 + j END, '',
        0, false, '', 0, 0, 0, '', 'api', 'bench', md5(id::text)
    FROM rows
"""

_COMMANDS = """
    INSERT INTO orders_command (
        id, at, shard_id, instrument_id, kind, status, order_id, account_id, side, order_type, time_in_force,
        flags, stp_mode, stp_group, reason_code, price_ticks, quantity_lots, phase, time_us, held,
        actor_label, reason, correlation_id, position, last_seq
    )
    SELECT %(command)s + g * 6 + j, at, shard, instrument, CASE WHEN j < 4 THEN 1 ELSE 2 END, 'done',
        %(order)s + g * 4 + CASE WHEN j < 4 THEN j ELSE j - 2 END,
        CASE j %% 2 WHEN 0 THEN buyer ELSE seller END, CASE WHEN j < 4 THEN 1 + j %% 2 ELSE 0 END,
        CASE WHEN j < 4 THEN 1 ELSE 0 END, CASE WHEN j < 4 THEN 1 ELSE 0 END, 0,
        CASE WHEN j < 4 THEN 1 ELSE 0 END, 0, 0, CASE WHEN j < 4 THEN price * 100 ELSE 0 END,
        CASE WHEN j < 4 THEN size * 100000 ELSE 0 END, 0,
        (extract(epoch FROM at) * 1000000)::bigint, 0, 'bench', '', '',
        CASE shard WHEN 1 THEN %(first_shard)s ELSE %(second_shard)s END + s * 6 + j + 1,
        m * 7 + j + 1 + CASE WHEN j > 0 THEN 1 ELSE 0 END
    FROM history_groups, generate_series(0, 5) j
"""

_EVENTS = """
    INSERT INTO orders_event (
        id, at, instrument_id, seq, command_id, kind, reason_code, side, flags, order_id, account_id,
        maker_order_id, maker_account_id, price_ticks, quantity_lots, leaves_lots, maker_leaves_lots,
        priority, epoch
    )
    SELECT (instrument::bigint << 40) | (m * 7 + j), at, instrument, m * 7 + j,
        %(command)s + g * 6 + CASE WHEN j > 2 THEN j - 2 ELSE j - 1 END,
        CASE WHEN j = 3 THEN 3 WHEN j < 6 THEN 1 ELSE 4 END, 0, CASE j %% 2 WHEN 1 THEN 1 ELSE 2 END, 0,
        %(order)s + g * 4 + CASE j WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 1 ELSE 2 + (j %% 2) END, buyer,
        CASE WHEN j = 3 THEN %(order)s + g * 4 ELSE 0 END, CASE WHEN j = 3 THEN buyer ELSE 0 END,
        price * 100, size * 100000, 0, 0, m * 7 + j, 1
    FROM history_groups, generate_series(1, 7) j
"""

_TRADES = """
    WITH fills AS (
        INSERT INTO orders_fill (
            id, at, trade_id, order_id, account_id, instrument_id, side, liquidity, price, quantity, fee_rate,
            fee, fee_asset_id
        )
        SELECT %(fill)s + g * 2 + j, at, (instrument::bigint << 40) | (m * 7 + 3), %(order)s + g * 4 + j,
            CASE j WHEN 0 THEN buyer ELSE seller END, instrument, CASE j WHEN 0 THEN 'buy' ELSE 'sell' END,
            CASE j WHEN 0 THEN 'maker' ELSE 'taker' END, price, size, 0.001, price * size * 0.001, %(quote)s
        FROM history_groups, generate_series(0, 1) j
    )
    INSERT INTO orders_trade (
        id, at, instrument_id, seq, price, quantity, notional, taker_side, buy_order_id, sell_order_id,
        buyer_id, seller_id
    )
    SELECT (instrument::bigint << 40) | (m * 7 + 3), at, instrument, m * 7 + 3, price, size, price * size,
        'sell', %(order)s + g * 4, %(order)s + g * 4 + 1, buyer, seller
    FROM history_groups
"""

_TRANSFERS = """
    INSERT INTO accounts_transfer (
        id, entry_id, at, kind, asset_id, realm, debit_id, credit_id, amount, debit_balance_after,
        credit_balance_after, order_id, trade_id, request_id, reason
    )
    SELECT %(transfer)s + g * 4 + j, %(transfer)s + g * 4, at,
        CASE WHEN j < 2 THEN 'trade_quote' ELSE 'fee' END,
        %(quote)s, 'live', d.id, c.id, CASE WHEN j < 2 THEN price * size ELSE price * size * 0.001 END, 1, 1,
        %(order)s + g * 4, (instrument::bigint << 40) | (m * 7 + 3), '', ''
    FROM history_groups, generate_series(0, 3) j,
        accounts_ledgeraccount d, accounts_ledgeraccount c
    WHERE d.account_id = buyer AND c.account_id = seller AND d.kind = 'client' AND c.kind = 'client'
        AND d.asset_id = %(quote)s AND c.asset_id = %(quote)s
"""

_RECORDS = """
    INSERT INTO audit_auditrecord (
        at, actor_kind, actor_label, action, target_type, target_id, target_label, reason, before, after,
        correlation_id
    )
    SELECT at, 'system', 'bench', 'accounts.money.internal', 'accounts.tradingaccount', buyer::text,
        'bench', '', jsonb_build_object('balance', '1'), jsonb_build_object('balance', '2'), ''
    FROM history_groups WHERE g %% 5 < 2
"""

Told = Callable[[int], None]


def store(orders: int, *, told: Told = lambda _done: None) -> None:
    """Store so many orders and what came of them, in books of their own; `told` hears how many there are."""
    groups = orders // 4
    world = make_world()
    symbols = [ticker.symbol for ticker in world.tickers]
    found = fetch(
        "SELECT id, quote_id FROM instruments_instrument WHERE symbol = ANY(%s) ORDER BY symbol", [symbols]
    )
    _partitions()
    values = {
        "instruments": [number for number, _ in found],
        "quote": found[0][1],
        "accounts": [holder.account_id for holder in world.holders],
        "count": len(world.holders),
        "groups": groups,
        "begin": datetime.now(UTC) - timedelta(days=DAYS),
        "span": timedelta(days=DAYS - 1),
        "tag": f"{world.tag}h",
        "first_shard": _position(1),
        "second_shard": _position(2),
        "order": _reserved("orders_order_id_seq", orders),
        "command": _reserved("orders_command_id_seq", groups * 6),
        "fill": _reserved("orders_fill_id_seq", groups * 2),
        "transfer": _reserved("accounts_transfer_id_seq", groups * 4),
    }
    for start in range(0, groups, _CHUNK):
        chunk = values | {"from": start, "to": min(start + _CHUNK, groups) - 1}
        execute("DROP TABLE IF EXISTS history_groups")
        for statement in (_GROUPS, _ORDERS, _COMMANDS, _EVENTS, _TRADES, _TRANSFERS, _RECORDS):
            execute(statement, chunk)
        told(4 * (chunk["to"] + 1))
    _move_on(values["instruments"], groups)
    # What months would have done bit by bit: it is no part of what a stored order costs afterwards.
    for table in ("order", "orderidentity", "command", "event", "trade", "fill"):
        execute(f"VACUUM (ANALYZE) orders_{table}")
    execute("VACUUM (ANALYZE) accounts_transfer")
    execute("VACUUM (ANALYZE) audit_auditrecord")


def _reserved(sequence: str, count: int) -> int:
    """Take so many ids and four more; the id before the first."""
    ((first,),) = fetch("SELECT nextval(%s)", [sequence])
    fetch("SELECT setval(%s, %s)", [sequence, first + count + 8])
    return int(first)


def _position(shard_id: int) -> int:
    ((position,),) = fetch("SELECT position FROM orders_shard WHERE id = %s", [shard_id])
    return int(position)


def _partitions() -> None:
    """Those of the days before, as they were made when these were ahead."""
    today = datetime.now(UTC).date()
    for back in range(DAYS + 7, 0, -7):
        day = today - timedelta(days=back)
        apply_all([Event, Trade, Fill], today=day)
        apply_all([Order, Command, Transfer, AuditRecord], today=day)


def _move_on(instruments: list[int], groups: int) -> None:
    """Books, followers and shards to where this history has left them: nothing rests, nobody is behind."""
    for place, instrument in enumerate(instruments):
        count = len(range(place, groups, 3))
        for followed in ("history_timeline", "marketdata_tape"):
            execute(
                f"INSERT INTO {followed} (instrument_id, book_seq) VALUES (%s, %s)"  # noqa: S608 - our own
                " ON CONFLICT (instrument_id) DO UPDATE SET book_seq = EXCLUDED.book_seq",
                [instrument, 7 * count],
            )
        execute(
            "UPDATE orders_book SET seq = %s, last_time = 1 WHERE instrument_id = %s", [7 * count, instrument]
        )
    for shard, places in ((1, (0, 1)), (2, (2,))):
        count = 6 * sum(len(range(place, groups, 3)) for place in places)
        execute("UPDATE orders_shard SET position = position + %s WHERE id = %s", [count, shard])
