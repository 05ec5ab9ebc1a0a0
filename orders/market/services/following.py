"""Follow the trades behind the drain, which does nothing for it: grow the candles, fire the alerts.

What waits is found by state: a book's seq against how far its tape has come. Both have one writer each and
are moved in the transaction that writes what they count: no trade is passed over, none is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from orders.market.counting import COUNT, COUNTED
from orders.market.services.firing import fire_by_quotes, fire_by_trades
from orders.market.services.tapes import Step, advance, columns, earliest, lock_steps
from orders.market.services.telling import tell_fired
from tradeplatform.common.db import execute


@dataclass(frozen=True, slots=True)
class Followed:
    """What a follower did: candles made or corrected, alerts fired."""

    candles: int
    alerts: int


def follow(*, now: datetime) -> Followed:
    """Follow every book and quote to its end, a step of each in a transaction; tell whose alerts fired."""
    candles = alerts = 0
    while True:
        with transaction.atomic():
            steps = lock_steps()
            if not steps:
                break
            candles += grow(steps)
            alerts += fire_by_trades(steps)
            advance(steps)
    alerts += fire_by_quotes()
    tell_fired(now=now)
    return Followed(candles, alerts)


def grow(steps: Sequence[Step]) -> int:
    """Count the trades of these steps into their candles; how many candles that touched.

    A trade may come late, into a candle that was made before: it corrects it. Of open and close the seq
    decides, so candles do not depend on how the trades were cut into steps.
    """
    numbers, afters, untils = columns(steps)
    scope = {"numbers": numbers, "afters": afters, "untils": untils, "since": earliest(steps)}
    return sum(execute(statement, scope) for statement in (_GROW_SECONDS, _GROW))


_TRADES = """
    FROM unnest(%(numbers)s::int[], %(afters)s::bigint[], %(untils)s::bigint[])
        AS step(number, after, until)
    JOIN orders_trade t ON t.instrument_id = step.number AND t.id > step.after AND t.id <= step.until
        AND t.at >= %(since)s"""
_MERGE = """DO UPDATE SET
    open = CASE WHEN excluded.first_seq < old.first_seq THEN excluded.open ELSE old.open END,
    high = greatest(old.high, excluded.high), low = least(old.low, excluded.low),
    close = CASE WHEN excluded.last_seq > old.last_seq THEN excluded.close ELSE old.close END,
    volume = old.volume + excluded.volume, quote_volume = old.quote_volume + excluded.quote_volume,
    taker_volume = old.taker_volume + excluded.taker_volume,
    taker_quote_volume = old.taker_quote_volume + excluded.taker_quote_volume,
    trades = old.trades + excluded.trades,
    first_seq = least(old.first_seq, excluded.first_seq),
    last_seq = greatest(old.last_seq, excluded.last_seq)"""

_GROW_SECONDS = f"""
    INSERT INTO marketdata_secondcandle AS old
        (instrument_id, opened_at, {COUNTED})
    SELECT t.instrument_id, date_trunc('second', t.at), {COUNT} {_TRADES} GROUP BY 1, 2
    ON CONFLICT (instrument_id, opened_at) {_MERGE}"""
_GROW = f"""
    INSERT INTO marketdata_candle AS old
        (instrument_id, interval, opened_at, {COUNTED})
    SELECT t.instrument_id, base.word, date_bin(base.width, t.at, 'epoch'), {COUNT} {_TRADES}
    CROSS JOIN (VALUES ('1m', interval '1 minute'), ('1h', interval '1 hour'), ('1d', interval '1 day'))
        AS base(word, width)
    GROUP BY 1, 2, 3
    ON CONFLICT (instrument_id, interval, opened_at) {_MERGE}"""
