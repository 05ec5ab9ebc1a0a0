"""Fire the alerts whose price was reached, all that a step reaches in one statement.

Called with the tapes locked, so each trade and each quote is held against an alert once; and an alert that
is active no more is left alone by the statement, and by the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from orders.market.services.tapes import Step, columns, earliest
from tradeplatform.common.db import execute, fetch


def fire_by_trades(steps: Sequence[Step]) -> int:
    """Fire by the first trade of these steps that reached the alert's price; how many alerts."""
    since = earliest(steps)
    return execute(_BY_TRADES, [*columns(steps), since, since], prepared=True)


def fire_by_quotes() -> int:
    """Fire by the first quote since the last look that reached the alert's price; how many alerts.

    Every quote counts, not only the newest; but one that comes later than a newer one is history.
    """
    with transaction.atomic():
        rows = fetch(
            "SELECT tape.instrument_id, quote.at FROM marketdata_tape tape"
            " JOIN instruments_quote quote USING (instrument_id)"
            " WHERE quote.at > coalesce(tape.quotes_at, '-infinity')"
            " ORDER BY tape.instrument_id FOR NO KEY UPDATE OF tape"
        )
        looks = [[number for number, _at in rows], [at for _number, at in rows]]
        fired = execute(_BY_QUOTES, looks, prepared=True)
        execute(
            "UPDATE marketdata_tape tape SET quotes_at = look.until"
            " FROM unnest(%s::int[], %s::timestamptz[]) AS look(number, until)"
            " WHERE tape.instrument_id = look.number",
            looks,
        )
    return fired


# First the alerts that the step's highest or lowest price has reached, by index; then, for these few, which
# trade it was.
_BY_TRADES = """
    UPDATE marketdata_pricealert alert
    SET state = 'fired', fired_at = hit.at, fired_price = hit.price, trade_id = hit.id
    FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS step(number, after, until)
    CROSS JOIN LATERAL (
        SELECT max(price) AS high, min(price) AS low FROM orders_trade
        WHERE instrument_id = step.number AND id > step.after AND id <= step.until
            AND at >= %s::timestamptz) reach
    JOIN marketdata_pricealert waiting ON waiting.instrument_id = step.number AND waiting.state = 'active'
        AND waiting.watches = 'last' AND (waiting.direction = 'above' AND waiting.price <= reach.high
            OR waiting.direction = 'below' AND waiting.price >= reach.low)
    CROSS JOIN LATERAL (
        SELECT t.id, t.at, t.price FROM orders_trade t
        WHERE t.instrument_id = step.number AND t.id <= step.until AND t.at >= %s::timestamptz
            AND t.id > greatest(step.after, (step.number::bigint << 40) + waiting.after_seq)
            AND CASE waiting.direction WHEN 'above' THEN t.price >= waiting.price
                ELSE t.price <= waiting.price END
        ORDER BY t.id LIMIT 1) hit
    WHERE alert.id = waiting.id AND alert.state = 'active'"""

_BY_QUOTES = """
    UPDATE marketdata_pricealert alert SET state = 'fired', fired_at = hit.at, fired_price = hit.price
    FROM unnest(%s::int[], %s::timestamptz[]) AS look(number, until)
    JOIN marketdata_tape tape ON tape.instrument_id = look.number
    JOIN marketdata_pricealert waiting ON waiting.instrument_id = look.number AND waiting.state = 'active'
        AND waiting.watches IN ('bid', 'ask')
    CROSS JOIN LATERAL (
        SELECT quote.at, side.price FROM instruments_datedquote quote
        CROSS JOIN LATERAL (SELECT CASE waiting.watches WHEN 'bid' THEN quote.bid ELSE quote.ask END
                            AS price) side
        WHERE quote.instrument_id = look.number AND quote.at <= look.until
            AND quote.at > greatest(tape.quotes_at, waiting.created_at)
            AND CASE waiting.direction WHEN 'above' THEN side.price >= waiting.price
                ELSE side.price <= waiting.price END
        ORDER BY quote.at LIMIT 1) hit
    WHERE alert.id = waiting.id AND alert.state = 'active'"""
