"""What must hold of orders, books and the journal, and between them and the ledger."""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instruments.scaling import round_up
from orders.models import Book
from orders.services import books
from orders.services.holding import buyer_hold
from orders.services.replaying import replay_differences
from tradeplatform.common.invariants import READ_ONLY, invariant, read, sql_invariant

_ORDERS = "SELECT count(*) FROM orders_order"
_TRADES = "SELECT count(*) FROM orders_trade"
_EVENTS = "SELECT count(*) FROM orders_event"
_LIVE = "('pending', 'open', 'partially_filled')"

sql_invariant(
    "iM4-held",
    "Every hold is the sum of what live orders and pending amends have reserved",
    examined="SELECT count(*) FROM accounts_ledgeraccount WHERE kind = 'client'",
    breaches=f"""
        SELECT l.id AS ledger_account, l.held AS stored, coalesce(r.sum, 0) AS reserved
        FROM accounts_ledgeraccount l LEFT JOIN (
            SELECT account_id, asset_id, sum(held) FROM (
                SELECT o.account_id, o.held,
                       CASE o.side WHEN 'buy' THEN i.quote_id ELSE i.base_id END AS asset_id
                FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id
                WHERE o.status IN {_LIVE}
                UNION ALL
                SELECT o.account_id, c.held, CASE o.side WHEN 'buy' THEN i.quote_id ELSE i.base_id END
                FROM orders_command c JOIN orders_order o ON o.id = c.order_id
                JOIN instruments_instrument i ON i.id = o.instrument_id
                WHERE c.status = 'pending' AND c.held > 0) holds GROUP BY account_id, asset_id) r
            ON r.account_id = l.account_id AND r.asset_id = l.asset_id
        WHERE l.kind = 'client' AND l.held <> coalesce(r.sum, 0)""",
)  # fmt: skip


@invariant(
    "iM4-required", "Every live order holds exactly what its open quantity may still cost, fees included"
)
def _required_holds() -> tuple[int, Sequence[dict[str, Any]]]:
    rows = read(
        f"""
        SELECT o.id, o.side, o.leaves, coalesce(o.price, o.protection_price) AS price, o.held, o.fee_accrued,
               greatest(o.maker_fee_rate, o.taker_fee_rate) AS rate, q.decimals
        FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id
        JOIN instruments_asset q ON q.id = i.quote_id WHERE o.status IN {_LIVE}"""
    )
    breaches = []
    for row in rows:
        needed = row["leaves"]
        if row["side"] == "buy":
            needed = buyer_hold(
                leaves=row["leaves"],
                price=row["price"],
                fee_rate=row["rate"],
                fee_accrued=row["fee_accrued"],
                decimals=row["decimals"],
            )
        if needed != row["held"]:
            breaches.append({"order": row["id"], "held": row["held"], "needed": needed})
    return len(rows), breaches[:10]


sql_invariant(
    "iM6",
    "A final order holds nothing, and an applied command holds nothing",
    examined=_ORDERS,
    breaches=f"""
        SELECT 'order' AS what, id, held FROM orders_order WHERE status NOT IN {_LIVE} AND held <> 0
        UNION ALL SELECT 'command', id, held FROM orders_command WHERE status = 'done' AND held <> 0""",
)

sql_invariant(
    "iM7-fees",
    "Fees charged on fills = fee transfers = fee account + rounding account",
    examined="SELECT count(*) FROM orders_fill",
    breaches="""
        SELECT a.code AS asset, coalesce(f.sum, 0) AS on_fills, coalesce(t.sum, 0) AS transferred,
               coalesce(l.sum, 0) AS in_accounts
        FROM instruments_asset a
        LEFT JOIN (SELECT fee_asset_id AS id, sum(fee) FROM orders_fill GROUP BY 1) f ON f.id = a.id
        LEFT JOIN (SELECT asset_id AS id, sum(amount) FROM accounts_transfer WHERE kind = 'fee' GROUP BY 1) t
            ON t.id = a.id
        LEFT JOIN (SELECT asset_id AS id, sum(balance) FROM accounts_ledgeraccount
                   WHERE kind IN ('fee', 'rounding') GROUP BY 1) l ON l.id = a.id
        WHERE coalesce(f.sum, 0) <> coalesce(t.sum, 0) OR coalesce(f.sum, 0) <> coalesce(l.sum, 0)""",
)


@invariant(
    "iM7-rounding", "Each order's fees are its exact fee rounded up once; the rest is in the rounding account"
)
def _rounding() -> tuple[int, Sequence[dict[str, Any]]]:
    rows = read(
        """
        SELECT o.id, o.fee_accrued, q.decimals, coalesce(f.sum, 0) AS charged
        FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id
        JOIN instruments_asset q ON q.id = i.quote_id
        LEFT JOIN (SELECT order_id, sum(fee) FROM orders_fill GROUP BY order_id) f ON f.order_id = o.id
        WHERE o.filled > 0"""
    )
    breaches = [
        {"order": row["id"], "exact": row["fee_accrued"], "charged": row["charged"]}
        for row in rows
        if row["charged"] != round_up(row["fee_accrued"], row["decimals"])
    ]
    return len(rows), breaches[:10]


sql_invariant(
    "iQ1",
    "Quantity = filled + open + prevented (+ cancelled, once final); filled = the sum of fills",
    examined=_ORDERS,
    breaches=f"""
        SELECT o.id AS "order", o.quantity, o.filled, o.leaves, o.prevented, coalesce(f.sum, 0) AS fills
        FROM orders_order o
        LEFT JOIN (SELECT order_id, sum(quantity) FROM orders_fill GROUP BY order_id) f ON f.order_id = o.id
        WHERE o.filled <> coalesce(f.sum, 0) OR least(o.filled, o.leaves, o.prevented) < 0
           OR (o.status IN {_LIVE} AND o.quantity <> o.filled + o.leaves + o.prevented)
           OR (o.status NOT IN {_LIVE} AND (o.leaves <> 0 OR o.quantity < o.filled + o.prevented))""",
)

sql_invariant(
    "iQ2",
    "Every trade has one buy and one sell fill of its quantity and price, and its event",
    examined=_TRADES,
    breaches="""
        SELECT t.id AS trade FROM orders_trade t
        LEFT JOIN (SELECT trade_id, count(*) AS legs, count(*) FILTER (WHERE side = 'buy') AS buys,
                          min(price) AS low, max(price) AS high, min(quantity) AS least, max(quantity) AS most
                   FROM orders_fill GROUP BY trade_id) f ON f.trade_id = t.id
        LEFT JOIN orders_event e ON e.id = t.id AND e.at = t.at AND e.kind = 3
        WHERE f.legs IS DISTINCT FROM 2 OR f.buys <> 1 OR f.low <> t.price OR f.high <> t.price
           OR f.least <> t.quantity OR f.most <> t.quantity OR e.id IS NULL""",
)

sql_invariant(
    "iQ2-orphans",
    "Every trade event has its trade",
    examined="SELECT count(*) FROM orders_event WHERE kind = 3",
    breaches="""
        SELECT e.id AS event FROM orders_event e LEFT JOIN orders_trade t ON t.id = e.id AND t.at = e.at
        WHERE e.kind = 3 AND t.id IS NULL""",
)

sql_invariant(
    "iQ2-paid",
    "Every trade moved its quantity to the buyer, its value to the seller, and its fees, each once",
    examined=_TRADES,
    breaches="""
        SELECT t.id AS trade, t.quantity, p.base, t.notional, p.quote, f.fees, p.fees AS paid
        FROM orders_trade t JOIN instruments_instrument i ON i.id = t.instrument_id
        LEFT JOIN (SELECT trade_id, sum(fee) AS fees FROM orders_fill GROUP BY trade_id) f
            ON f.trade_id = t.id
        LEFT JOIN LATERAL (
            SELECT sum(m.amount) FILTER (WHERE m.kind = 'trade_base' AND m.asset_id = i.base_id
                       AND d.account_id = t.seller_id AND c.account_id = t.buyer_id) AS base,
                   sum(m.amount) FILTER (WHERE m.kind = 'trade_quote' AND m.asset_id = i.quote_id
                       AND d.account_id = t.buyer_id AND c.account_id = t.seller_id) AS quote,
                   coalesce(sum(m.amount) FILTER (WHERE m.kind = 'fee'), 0) AS fees
            FROM accounts_transfer m JOIN accounts_ledgeraccount d ON d.id = m.debit_id
            JOIN accounts_ledgeraccount c ON c.id = m.credit_id WHERE m.trade_id = t.id) p ON true
        WHERE p.base IS DISTINCT FROM t.quantity OR p.quote IS DISTINCT FROM t.notional
           OR p.fees <> f.fees""",
)

sql_invariant(
    "iB1",
    "No book is crossed or locked: best bid < best ask",
    examined="SELECT count(*) FROM orders_book",
    breaches="""
        SELECT instrument_id AS instrument, max(price) FILTER (WHERE side = 'buy') AS best_bid,
               min(price) FILTER (WHERE side = 'sell') AS best_ask
        FROM orders_order WHERE status IN ('open', 'partially_filled') GROUP BY instrument_id
        HAVING max(price) FILTER (WHERE side = 'buy') >= min(price) FILTER (WHERE side = 'sell')""",
)

sql_invariant(
    "iB3",
    "Trades are on tick and lot, and no unamended order traded beyond its limit",
    examined=_TRADES,
    breaches="""
        SELECT t.id AS trade, t.price, t.quantity FROM orders_trade t
        JOIN instruments_instrument i ON i.id = t.instrument_id
        WHERE mod(t.price, i.tick_size) <> 0 OR mod(t.quantity, i.lot_size) <> 0
        UNION ALL
        SELECT f.trade_id, f.price, f.quantity FROM orders_fill f JOIN orders_order o ON o.id = f.order_id
        WHERE NOT EXISTS (SELECT 1 FROM orders_event e WHERE e.order_id = o.id AND e.kind = 5)
          AND ((o.side = 'buy' AND f.price > coalesce(o.price, o.protection_price))
               OR (o.side = 'sell' AND f.price < coalesce(o.price, o.protection_price)))""",
)

sql_invariant(
    "iB4",
    "Nobody trades with himself; market, IOC and FOK orders never rest; post-only never takes",
    examined=_TRADES,
    breaches="""
        SELECT 'self-trade' AS what, id FROM orders_trade WHERE buyer_id = seller_id
        UNION ALL
        SELECT 'resting', id FROM orders_order
        WHERE status IN ('open', 'partially_filled') AND (type = 'market' OR time_in_force <> 'gtc')
        UNION ALL
        SELECT 'post-only took', f.trade_id FROM orders_fill f JOIN orders_order o ON o.id = f.order_id
        WHERE o.post_only AND f.liquidity = 'taker'
        UNION ALL
        SELECT 'fok in part', id FROM orders_order
        WHERE time_in_force = 'fok' AND filled > 0 AND filled + prevented < quantity""",
)


@invariant("iB5", "Open orders in the database rebuild every book to its stored state hash")
def _rebuilt_books() -> tuple[int, Sequence[dict[str, Any]]]:
    found = list(Book.objects.using(READ_ONLY).order_by("instrument_id"))
    breaches = []
    for book in found:
        try:
            books.rebuild([book], using=READ_ONLY).check()
        except (books.StateMismatch, ValueError) as error:
            breaches.append({"instrument": book.instrument_id, "error": str(error)})
    return len(found), breaches[:10]


sql_invariant(
    "iS1",
    "Each book's seq starts at 1 and has no gap and no double",
    examined=_EVENTS,
    breaches="""
        SELECT b.instrument_id AS instrument, b.seq AS stored, e.count, e.min, e.max, e.distinct
        FROM orders_book b LEFT JOIN (
            SELECT instrument_id, count(*), min(seq), max(seq), count(DISTINCT seq) AS distinct
            FROM orders_event GROUP BY instrument_id) e ON e.instrument_id = b.instrument_id
        WHERE b.seq <> coalesce(e.count, 0)
           OR (b.seq > 0 AND (e.min <> 1 OR e.max <> b.seq OR e.distinct <> b.seq))""",
)

sql_invariant(
    "iS2",
    "Time never runs backwards along a book's seq",
    examined=_EVENTS,
    breaches="""
        SELECT instrument, seq FROM (
            SELECT instrument_id AS instrument, seq, at,
                   lag(at) OVER (PARTITION BY instrument_id ORDER BY seq) AS before FROM orders_event) e
        WHERE at < before""",
)

sql_invariant(
    "iS3",
    "Each shard's applied commands have positions 1..n, each once; epochs never go back along a seq",
    examined="SELECT count(*) FROM orders_command WHERE status = 'done'",
    breaches="""
        SELECT s.id AS shard, s.position, c.count, c.max, c.distinct, NULL::bigint AS seq
        FROM orders_shard s LEFT JOIN (
            SELECT shard_id, count(*), max(position), count(DISTINCT position) AS distinct
            FROM orders_command WHERE status = 'done' GROUP BY shard_id) c ON c.shard_id = s.id
        WHERE s.position <> coalesce(c.count, 0)
           OR (s.position > 0 AND (c.max <> s.position OR c.distinct <> s.position))
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, seq FROM (
            SELECT seq, epoch, lag(epoch) OVER (PARTITION BY instrument_id ORDER BY seq) AS before
            FROM orders_event) e WHERE epoch < before""",
)


@invariant("iS4", "The journal replayed from zero gives the same events, and the same state hash")
def _replayed() -> tuple[int, Sequence[dict[str, Any]]]:
    return replay_differences(using=READ_ONLY)


sql_invariant(
    "iC1",
    "Every order has exactly one command that brought it and every such command its order",
    examined=_ORDERS,
    breaches="""
        SELECT coalesce(o.id, c.order_id) AS "order", coalesce(c.count, 0) AS commands
        FROM orders_order o
        FULL JOIN (SELECT order_id, count(*) FROM orders_command WHERE kind = 1 GROUP BY order_id) c
            ON c.order_id = o.id
        WHERE o.id IS NULL OR c.count IS DISTINCT FROM 1""",
)

sql_invariant(
    "iC2",
    "Every order has its forever identity, and every identity its order",
    examined="SELECT count(*) FROM orders_orderidentity",
    breaches="""
        SELECT coalesce(o.id, i.order_id) AS "order" FROM orders_order o
        FULL JOIN orders_orderidentity i ON i.order_id = o.id
        WHERE o.id IS NULL OR i.order_id IS NULL OR o.account_id <> i.account_id
           OR o.client_order_id <> i.client_order_id""",
)

sql_invariant(
    "iA2-trading",
    "Every halt and resume has an audit record with who and why",
    examined="SELECT count(*) FROM orders_command WHERE kind IN (4, 5)",
    breaches="""
        SELECT c.id AS command FROM orders_command c WHERE c.kind IN (4, 5) AND NOT EXISTS (
            SELECT 1 FROM audit_auditrecord a WHERE a.action IN
                ('instruments.trading.halt', 'instruments.trading.resume') AND a.at = c.at AND a.reason <> ''
                AND (a.after ->> 'command')::bigint = c.id)""",
)
