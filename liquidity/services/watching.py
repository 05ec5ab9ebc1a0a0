"""Close positions whose stop loss or take profit a quote has touched.

Every quote counts, not only the newest: what touched an exit between two looks closed it there, at the price
of the first quote that touched. Longs watch the bid and shorts the ask, each moved by the group's markup.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from accounts.models import DealKind, Direction
from accounts.services.posting import Cause
from liquidity.services.desk import Desk
from tradeplatform.common.db import execute, fetch
from tradeplatform.common.errors import Refusal
from tradeplatform.common.valkey import tell_balances_moved

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Touched:
    """A position and the first quote that touched one of its exits; `exits_at` is since when it has them."""

    account_id: int
    position_id: int
    instrument_id: int
    exits_at: datetime
    bid: Decimal
    ask: Decimal


# The client's prices, as Terms.marked_up has them: on a tick, away from the client by the markup.
_TOUCHED = """
    SELECT p.account_id, p.id, p.instrument_id, p.exits_at, touch.bid, touch.ask
    FROM instruments_quote newest
    LEFT JOIN liquidity_pricewatch w ON w.instrument_id = newest.instrument_id
    JOIN instruments_instrument i ON i.id = newest.instrument_id
    JOIN accounts_position p ON p.instrument_id = newest.instrument_id
    JOIN accounts_tradingaccount a ON a.id = p.account_id
    LEFT JOIN accounts_tradinggroup g ON g.id = a.group_id
    LEFT JOIN accounts_groupinstrument x ON x.group_id = a.group_id AND x.instrument_id = p.instrument_id
    CROSS JOIN LATERAL (SELECT coalesce(x.markup_steps, g.markup_steps, 0) * i.tick_size AS markup) m
    CROSS JOIN LATERAL (
        SELECT d.bid, d.ask FROM instruments_datedquote d
        CROSS JOIN LATERAL (
            SELECT greatest(i.tick_size, d.bid - mod(d.bid, i.tick_size) - m.markup) AS bid,
                   d.ask + mod(i.tick_size - mod(d.ask, i.tick_size), i.tick_size) + m.markup AS ask) client
        WHERE d.instrument_id = p.instrument_id AND d.at > greatest(w.watched_at, p.exits_at)
            AND d.at <= newest.at
            AND CASE p.direction WHEN 'long' THEN client.bid <= p.stop_loss OR client.bid >= p.take_profit
                ELSE client.ask >= p.stop_loss OR client.ask <= p.take_profit END
        ORDER BY d.at LIMIT 1) touch
    WHERE newest.at > coalesce(w.watched_at, '-infinity') AND p.closed_at IS NULL AND p.exits_at IS NOT NULL
    ORDER BY p.account_id, p.id"""

_MOVED = """
    SELECT newest.instrument_id, newest.at FROM instruments_quote newest
    LEFT JOIN liquidity_pricewatch w ON w.instrument_id = newest.instrument_id
    WHERE newest.at > coalesce(w.watched_at, '-infinity') ORDER BY newest.instrument_id"""

_SEEN = """
    INSERT INTO liquidity_pricewatch (instrument_id, watched_at)
    SELECT * FROM unnest(%s::int[], %s::timestamptz[])
    ON CONFLICT (instrument_id) DO UPDATE SET watched_at = excluded.watched_at
    WHERE excluded.watched_at > liquidity_pricewatch.watched_at"""


def watch_exits(*, now: datetime) -> int:
    """Close what quotes have touched since the last look; returns how many positions.

    Each account by itself. What cannot be closed now, for want of a rate, is found again by the next look:
    its instrument counts as unwatched until then.
    """
    moved = dict(fetch(_MOVED, prepared=True))
    by_account: dict[int, list[Touched]] = defaultdict(list)
    for touched in (Touched(*row) for row in fetch(_TOUCHED, prepared=True)):
        by_account[touched.account_id].append(touched)
    closed, failed = 0, set[int]()
    for account_id, touches in by_account.items():
        try:
            closed += _close(account_id, touches, now=now)
        except Refusal as refusal:
            failed |= {touched.instrument_id for touched in touches}
            logger.warning("exits_not_closed", account=account_id, code=refusal.code, message=refusal.message)
    seen = {number: at for number, at in moved.items() if number not in failed}
    execute(_SEEN, [list(seen), list(seen.values())])
    return closed


def _close(account_id: int, touches: Iterable[Touched], *, now: datetime) -> int:
    with transaction.atomic():
        desk = Desk.lock(account_id, now=now)
        for touched in touches:
            position = desk.positions.get(touched.position_id)
            # Closed, or given other exits, since it was found.
            if position is None or position.exits_at != touched.exits_at:
                continue
            terms, long = desk.terms[position.instrument_id], position.direction == Direction.LONG
            price = terms.marked_up(touched.bid if long else touched.ask, buys=not long)
            stop = position.stop_loss
            stopped = stop is not None and (price <= stop if long else price >= stop)
            kind = DealKind.STOP_LOSS if stopped else DealKind.TAKE_PROFIT
            desk.close(position, position.volume, price, kind=kind)
        deals = desk.settle(Cause(), needs_margin=False)
        if deals:
            transaction.on_commit(lambda: tell_balances_moved(account_id), robust=True)
    return len(deals)
