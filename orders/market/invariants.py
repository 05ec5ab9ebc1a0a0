"""What must hold of market data: candles are made of the trades, and alerts fire when they said."""

from __future__ import annotations

from orders.market.counting import WORDS, differences
from tradeplatform.common.invariants import sql_invariant

for _word in WORDS:
    sql_invariant(
        f"iD1-{_word}",
        f"Every candle of {_word} that can be counted again is what its trades make, and no trade is in none",
        examined="SELECT count(*) FROM marketdata_secondcandle"
        if _word == "1s"
        else f"SELECT count(*) FROM marketdata_candle WHERE interval = '{_word}'",  # noqa: S608 - our own words
        breaches=differences(_word),
    )

_REACHES = (
    "CASE a.direction WHEN 'above' THEN t.price >= a.price ELSE t.price <= a.price END"
    " AND t.seq > a.after_seq"
)

sql_invariant(
    "iD2-fired",
    "Every alert of trades that fired names the first trade after it that reached its price",
    examined="SELECT count(*) FROM marketdata_pricealert WHERE state = 'fired' AND watches = 'last'",
    breaches=f"""
        SELECT a.id AS alert FROM marketdata_pricealert a
        LEFT JOIN orders_trade named ON named.id = a.trade_id AND named.at = a.fired_at
        WHERE a.state = 'fired' AND a.watches = 'last' AND (
            named.id IS NULL OR named.instrument_id <> a.instrument_id OR named.price <> a.fired_price
            OR EXISTS (SELECT 1 FROM orders_trade t WHERE t.instrument_id = a.instrument_id
                AND t.seq < named.seq AND {_REACHES}))""",  # noqa: S608 - our own words
)

sql_invariant(
    "iD2-waiting",
    "No alert waits for a price that a followed trade has reached",
    examined="SELECT count(*) FROM marketdata_pricealert WHERE state = 'active' AND watches = 'last'",
    breaches=f"""
        SELECT a.id AS alert FROM marketdata_pricealert a JOIN marketdata_tape tape USING (instrument_id)
        WHERE a.state = 'active' AND a.watches = 'last' AND EXISTS (
            SELECT 1 FROM orders_trade t WHERE t.instrument_id = a.instrument_id AND t.seq <= tape.book_seq
                AND {_REACHES})""",  # noqa: S608 - our own words
)
