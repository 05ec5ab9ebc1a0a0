"""What must hold of orders, books and the journal, and between them and the ledger."""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from tradeengine import Engine, codec

from instruments.scaling import round_up
from instruments.selectors import Rules, rules_by_id
from orders.models import (
    IN_ENGINE,
    LIMIT_PRICED,
    LIVE,
    LIVE_STAGES,
    PARKED,
    RESTING,
    Book,
    CommandKind,
    Phase,
    Side,
)
from orders.selectors import VISIBLE
from orders.services import books, engine_codes
from orders.services.holding import Claim, holds_of
from orders.services.phases import status_of
from orders.services.replaying import replay_differences
from tradeplatform.common.invariants import READ_ONLY, invariant, read, sql_invariant

_ORDERS = "SELECT count(*) FROM orders_order"
_TRADES = "SELECT count(*) FROM orders_trade"
_EVENTS = "SELECT count(*) FROM orders_event"


def _words(values: Iterable[str]) -> str:
    """A list of words for IN."""
    return f"({', '.join(sorted(repr(str(value)) for value in values))})"


_LIVE = _words(LIVE)
_LIVE_STAGES = _words(LIVE_STAGES)
_IN_ENGINE = _words(IN_ENGINE)
_RESTING = _words(RESTING)
_PARKED = _words(PARKED)
_STATUS_OF_PHASE = " ".join(f"WHEN {int(phase)} THEN '{status_of(phase, 0)}'" for phase in Phase)
_OPEN_PHASE, _AUCTION_FLAG = int(Phase.OPEN), int(codec.EventFlag.AUCTION)

sql_invariant(
    "iM4-held",
    "Every hold is the sum of what live orders, pending amends and open money requests have reserved",
    examined="SELECT count(*) FROM accounts_ledgeraccount WHERE kind = 'client'",
    breaches=f"""
        SELECT l.id AS ledger_account, l.held AS stored, coalesce(r.sum, 0) AS reserved
        FROM accounts_ledgeraccount l LEFT JOIN (
            SELECT account_id, asset_id, sum(held) FROM (
                SELECT o.account_id, o.held,
                       CASE o.side WHEN 'buy' THEN i.quote_id ELSE i.base_id END AS asset_id
                FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id
                WHERE o.stage IN {_LIVE_STAGES}
                UNION ALL
                SELECT o.account_id, c.held, CASE o.side WHEN 'buy' THEN i.quote_id ELSE i.base_id END
                FROM orders_command c JOIN orders_order o ON o.id = c.order_id
                JOIN instruments_instrument i ON i.id = o.instrument_id
                WHERE c.status = 'pending' AND c.held > 0
                UNION ALL
                SELECT account_id, held, asset_id FROM accounts_moneyrequest
                WHERE state = 'requested' AND held > 0) holds GROUP BY account_id, asset_id) r
            ON r.account_id = l.account_id AND r.asset_id = l.asset_id
        WHERE l.kind = 'client' AND l.held <> coalesce(r.sum, 0)""",
)  # fmt: skip


@invariant(
    "iM4-required", "Every live order holds exactly what it may still cost, fees included; lists together"
)
def _required_holds() -> tuple[int, Sequence[dict[str, Any]]]:
    rows = read(
        f"""
        SELECT o.id, o.side = 'buy' AS buy, o.leaves, coalesce(o.price, o.protection_price) AS price,
               greatest(o.maker_fee_rate, o.taker_fee_rate) AS fee_rate, o.fee_accrued, q.decimals,
               i.lot_size, o.quote_quantity AS amount, o.link = 'attached' AS attached, o.parent_id,
               o.partner_id, o.status = 'pending' AS pending, o.held, o.list_id
        FROM orders_order o JOIN instruments_instrument i ON i.id = o.instrument_id
        JOIN instruments_asset q ON q.id = i.quote_id WHERE o.stage IN {_LIVE_STAGES}"""
    )
    lists: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        alone = row["id"] if not row["list_id"] else 0
        lists[row["list_id"], alone].append(row)
    breaches = []
    for members in lists.values():
        needs = holds_of(Claim(*(row[name] for name in Claim._fields)) for row in members)
        breaches += [
            {"order": row["id"], "held": row["held"], "needed": needs[row["id"]]}
            for row in members
            if row["held"] != needs[row["id"]]
        ]
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
    "Fees on fills = fee transfers; with commission and corrections they are the fee and rounding accounts",
    examined="SELECT count(*) FROM orders_fill",
    breaches="""
        SELECT a.code AS asset, coalesce(f.sum, 0) AS on_fills, coalesce(t.sum, 0) AS transferred,
               coalesce(o.sum, 0) AS otherwise, coalesce(l.sum, 0) AS in_accounts
        FROM instruments_asset a
        LEFT JOIN (SELECT fee_asset_id AS id, sum(fee) FROM orders_fill GROUP BY 1) f ON f.id = a.id
        LEFT JOIN (SELECT asset_id AS id, sum(amount) FROM accounts_transfer WHERE kind = 'fee' GROUP BY 1) t
            ON t.id = a.id
        LEFT JOIN (SELECT m.asset_id AS id, sum(CASE WHEN m.credit_id = l.id THEN m.amount ELSE -m.amount END)
                   FROM accounts_ledgeraccount l JOIN accounts_transfer m ON l.id IN (m.debit_id, m.credit_id)
                   WHERE l.kind IN ('fee', 'rounding') AND m.kind NOT IN ('fee', 'rounding') GROUP BY 1) o
            ON o.id = a.id
        LEFT JOIN (SELECT asset_id AS id, sum(balance) FROM accounts_ledgeraccount
                   WHERE kind IN ('fee', 'rounding') GROUP BY 1) l ON l.id = a.id
        WHERE coalesce(f.sum, 0) <> coalesce(t.sum, 0)
           OR coalesce(f.sum, 0) + coalesce(o.sum, 0) <> coalesce(l.sum, 0)""",
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
           OR (o.status IN {_LIVE} AND o.link <> 'attached'
               AND o.quantity <> o.filled + o.leaves + o.prevented)
           OR o.quantity < o.filled + o.leaves + o.prevented
           OR (o.status NOT IN {_LIVE} AND o.leaves <> 0)""",
)

sql_invariant(
    "iQ1-amount",
    "An order for an amount has the quantity it filled and spends no more than the amount",
    examined=_ORDERS,
    breaches="""
        SELECT id AS "order", quote_quantity, filled_notional, quantity, filled FROM orders_order
        WHERE quote_quantity IS NOT NULL AND (quantity <> filled OR filled_notional > quote_quantity)""",
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
    "iW3",
    "Demo accounts have orders in demo instruments only, and all others in live ones",
    examined=_ORDERS,
    breaches="""
        SELECT o.id AS "order", a.realm AS account_realm, i.realm AS instrument_realm FROM orders_order o
        JOIN accounts_tradingaccount a ON a.id = o.account_id
        JOIN instruments_instrument i ON i.id = o.instrument_id WHERE a.realm <> i.realm""",
)

sql_invariant(
    "iB1",
    "No book that matches is crossed or locked: best bid < best ask",
    examined="SELECT count(*) FROM orders_book",
    breaches=f"""
        SELECT instrument_id AS instrument, max(price) FILTER (WHERE side = 'buy') AS best_bid,
               min(price) FILTER (WHERE side = 'sell') AS best_ask
        FROM orders_order JOIN orders_book USING (instrument_id)
        WHERE stage = 'active' AND status IN {_RESTING} AND phase = {_OPEN_PHASE} GROUP BY instrument_id
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
    "Nobody trades with himself; market, IOC and FOK orders never rest; post-only takes in auctions only; "
    "FOK and minimum quantities are met",
    examined=_TRADES,
    breaches=f"""
        SELECT 'self-trade' AS what, id FROM orders_trade WHERE buyer_id = seller_id
        UNION ALL
        SELECT 'resting', id FROM orders_order
        WHERE status IN {_RESTING} AND (type NOT IN {_words(LIMIT_PRICED)} OR time_in_force IN ('ioc', 'fok'))
        UNION ALL
        SELECT 'post-only took', f.trade_id FROM orders_fill f JOIN orders_order o ON o.id = f.order_id
        JOIN orders_event e ON e.id = f.trade_id AND e.at = f.at
        WHERE o.post_only AND f.liquidity = 'taker' AND e.flags & {_AUCTION_FLAG} = 0
        UNION ALL
        SELECT 'fok in part', id FROM orders_order
        WHERE time_in_force = 'fok' AND link <> 'attached' AND filled > 0 AND filled + prevented < quantity
        UNION ALL
        SELECT 'below its minimum', id FROM orders_order WHERE filled > 0 AND filled < min_quantity""",
)


@invariant("iB5", "Open orders in the database rebuild every book to its stored state hash, and to its depth")
def _rebuilt_books() -> tuple[int, Sequence[dict[str, Any]]]:
    found = list(Book.objects.using(READ_ONLY).order_by("instrument_id"))
    rules = rules_by_id((book.instrument_id for book in found), using=READ_ONLY)
    breaches = []
    for book in found:
        number = book.instrument_id
        try:
            engine = books.rebuild([book], using=READ_ONLY)
            engine.check()
        except (books.StateMismatch, ValueError) as error:
            breaches.append({"instrument": number, "error": str(error)})
            continue
        if wrong := set(_engine_depth(engine, rules[number])) ^ set(_visible_depth(number)):
            breaches.append({"instrument": number, "levels": str(sorted(wrong)[:5])})
    return len(found), breaches[:10]


_Level = tuple[str, Decimal, Decimal]  # side, price, quantity


def _engine_depth(engine: Engine, rules: Rules) -> Iterator[_Level]:
    for level in codec.iter_levels(engine.depth(rules.id)):
        side = engine_codes.SIDE_WORD[level.side].value
        yield side, rules.price(level.price), rules.quantity(level.quantity)


def _visible_depth(instrument_id: int) -> Iterator[_Level]:
    """What the stored orders show: slices of icebergs, nothing of hidden and parked ones."""
    rows = read(
        f"""
        SELECT side, price, sum({VISIBLE}) AS quantity FROM orders_order
        WHERE instrument_id = %s AND stage = 'active' AND status IN {_RESTING}
        GROUP BY side, price HAVING sum({VISIBLE}) > 0""",
        [instrument_id],
    )
    return ((Side(row["side"]).value, row["price"], row["quantity"]) for row in rows)


sql_invariant(
    "iB6",
    "What is parked has not traded and shows nothing; what rests shows its slice",
    examined=_ORDERS,
    breaches=f"""
        SELECT id AS "order", status, filled, shown, display_quantity FROM orders_order
        WHERE (status IN {_PARKED} AND (filled > 0 OR shown > 0))
           OR (status IN {_RESTING} AND display_quantity > 0 AND shown NOT BETWEEN 0 AND display_quantity)
           OR (status IN {_RESTING} AND display_quantity > 0 AND shown = 0)""",
)

sql_invariant(
    "iB7",
    "No order outlives its time: what has expired by the book's time is not in the book",
    examined=f"SELECT count(*) FROM orders_order WHERE status IN {_IN_ENGINE}",
    breaches=f"""
        SELECT o.id AS "order", o.expires_at, b.last_time FROM orders_order o
        JOIN orders_book b USING (instrument_id)
        WHERE o.status IN {_IN_ENGINE} AND extract(epoch FROM o.expires_at) * 1000000 <= b.last_time""",
)

sql_invariant(
    "iL1",
    "A waiting order has a live parent; of a pair each live order names the other",
    examined=f"SELECT count(*) FROM orders_order WHERE list_id > 0 AND status IN {_IN_ENGINE}",
    breaches=f"""
        SELECT o.id AS "order", 'parent' AS what, o.parent_id AS other FROM orders_order o
        LEFT JOIN orders_order p ON p.id = o.parent_id AND p.status IN {_LIVE}
        WHERE o.status = 'waiting' AND p.id IS NULL
        UNION ALL
        SELECT o.id, 'partner', o.partner_id FROM orders_order o
        LEFT JOIN orders_order p ON p.id = o.partner_id AND p.status IN {_LIVE} AND p.partner_id = o.id
        WHERE o.status IN {_IN_ENGINE} AND o.partner_id > 0 AND p.id IS NULL""",
)

sql_invariant(
    "iL2",
    "The orders of a list are one account's, in one instrument",
    examined="SELECT count(*) FROM orders_order WHERE list_id > 0",
    breaches="""
        SELECT list_id AS list FROM orders_order WHERE list_id > 0 GROUP BY list_id
        HAVING count(DISTINCT (account_id, instrument_id)) > 1""",
)

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
    "iC5",
    "From the position where a stop took effect nothing of its scope trades, until that of its release",
    examined="SELECT count(*) FROM orders_killeffect WHERE position IS NOT NULL",
    breaches=f"""
        WITH press AS (
            SELECT e.id, e.shard_id, e.position AS first, e.position + e.commands AS behind, s.scope, s.key,
                   a.members, e.commands, (
                       SELECT min(n.position) FROM orders_killeffect n JOIN risk_killact r ON r.id = n.act_id
                       WHERE n.shard_id = e.shard_id AND r.switch_id = s.id AND r.id > a.id) AS released
            FROM orders_killeffect e JOIN risk_killact a ON a.id = e.act_id
            JOIN risk_killswitch s ON s.id = a.switch_id
            WHERE a.stage = 'stopped' AND e.position IS NOT NULL
        ), book AS (
            SELECT p.id, p.scope, p.key, p.members, c.instrument_id, max(c.last_seq) AS since, (
                       SELECT max(l.last_seq) FROM orders_command l
                       WHERE l.shard_id = p.shard_id AND l.instrument_id = c.instrument_id
                         AND l.position >= p.first AND l.position < p.released) AS until
            FROM press p JOIN orders_command c
                ON c.shard_id = p.shard_id AND c.position >= p.first AND c.position < p.behind
            GROUP BY p.id, p.scope, p.key, p.members, c.instrument_id, p.shard_id, p.first, p.released
        )
        SELECT b.id AS effect, 'traded' AS what, t.id AS trade FROM book b
        JOIN orders_trade t ON t.instrument_id = b.instrument_id AND t.seq > b.since
            AND (b.until IS NULL OR t.seq <= b.until)
        WHERE b.scope IN ('global', 'instrument')
           OR b.scope = 'account' AND b.key IN (t.buyer_id, t.seller_id)
           OR b.scope = 'group' AND (t.buyer_id = ANY(b.members) OR t.seller_id = ANY(b.members))
           OR b.scope = 'api_key' AND EXISTS (
               SELECT FROM orders_order o WHERE o.id IN (t.buy_order_id, t.sell_order_id)
                   AND o.credential = 'key:' || b.key)
        UNION ALL
        SELECT p.id, 'not in the journal', NULL FROM press p LEFT JOIN orders_command c
            ON c.shard_id = p.shard_id AND c.position >= p.first AND c.position < p.behind
            AND (c.kind = {int(CommandKind.TIME)} OR c.reason_code = {engine_codes.REASON["killed"]})
        GROUP BY p.id, p.commands HAVING count(c.id) <> p.commands""",
)

sql_invariant(
    "iA2-trading",
    "Every change of phase has an audit record with who and why",
    examined="SELECT count(*) FROM orders_command WHERE kind = 4",
    breaches="""
        SELECT c.id AS command FROM orders_command c WHERE c.kind = 4 AND NOT EXISTS (
            SELECT 1 FROM audit_auditrecord a WHERE starts_with(a.action, 'instruments.trading.')
                AND a.at = c.at
                AND a.reason <> '' AND (a.after ->> 'command')::bigint = c.id)""",
)


sql_invariant(
    "iA3",
    "Every instrument has a status of its book's phase, unless another is asked for",
    examined="SELECT count(*) FROM orders_book",
    breaches=f"""
        SELECT i.symbol, i.status, b.phase FROM orders_book b
        JOIN instruments_instrument i ON i.id = b.instrument_id
        WHERE i.status <> CASE b.phase {_STATUS_OF_PHASE} END
          AND (b.phase <> {int(Phase.HALTED)} OR i.status NOT IN ('maintenance', 'delisted'))
          AND NOT EXISTS (SELECT 1 FROM orders_command c WHERE c.shard_id = b.shard_id
                          AND c.instrument_id = i.id AND c.kind = 4 AND c.status = 'pending')""",
)

sql_invariant(
    "iE1",
    "An account's private events have no gap and no double, from the oldest kept to the last number given",
    examined="SELECT count(*) FROM orders_privateevent",
    breaches="""
        SELECT s.account_id AS account, s.last, count(e.id) AS kept, min(e.number) AS first
        FROM orders_privatestream s LEFT JOIN orders_privateevent e ON e.account_id = s.account_id
        GROUP BY s.account_id HAVING count(e.id) > 0 AND (
            max(e.number) <> s.last OR count(e.id) <> s.last - min(e.number) + 1
            OR count(DISTINCT e.number) <> count(e.id)
            OR count(DISTINCT (e.kind, e.source_id, e.order_id)) <> count(e.id))""",
)
