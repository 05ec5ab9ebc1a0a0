"""What candles must be: a plain count of the trades that the tapes have seen.

Candles live longer than trades: they can be counted again from the first day of which trades are kept, and
those of a second from the first that is kept.
"""

from __future__ import annotations

_COLUMNS = (
    "open", "high", "low", "close", "volume", "quote_volume", "taker_volume", "taker_quote_volume", "trades",
    "first_seq", "last_seq",
)  # fmt: skip
COUNTED = ", ".join(_COLUMNS)
#: Of trades `t`, grouped by when their candle opened.
COUNT = """
    (array_agg(t.price ORDER BY t.seq))[1] AS open, max(t.price) AS high, min(t.price) AS low,
    (array_agg(t.price ORDER BY t.seq DESC))[1] AS close, sum(t.quantity) AS volume,
    sum(t.notional) AS quote_volume,
    coalesce(sum(t.quantity) FILTER (WHERE t.taker_side = 'buy'), 0) AS taker_volume,
    coalesce(sum(t.notional) FILTER (WHERE t.taker_side = 'buy'), 0) AS taker_quote_volume,
    count(*) AS trades, min(t.seq) AS first_seq, max(t.seq) AS last_seq"""
#: The first day of which trades are kept: partitions of trades are whole days.
FIRST_DAY = """
    (SELECT date_trunc('day', min(at), 'UTC') FROM orders_trade WHERE instrument_id = tape.instrument_id)"""
# Word, where it is stored, how its beginning is found, and since when it can be counted again.
_LENGTHS = {
    "1s": ("marketdata_secondcandle s", "date_trunc('second', t.at)"),
    "1m": ("marketdata_candle s", "date_bin('1 minute', t.at, 'epoch')"),
    "1h": ("marketdata_candle s", "date_bin('1 hour', t.at, 'epoch')"),
    "1d": ("marketdata_candle s", "date_bin('1 day', t.at, 'epoch')"),
}
WORDS = tuple(_LENGTHS)


def differences(word: str, *, tapes: str = "true") -> str:
    """The query for candles of this length that are not what the trades make, of the chosen tapes."""
    table, opened = _LENGTHS[word]
    seconds = word == "1s"
    since = "(SELECT min(opened_at) FROM marketdata_secondcandle)" if seconds else "tape.first_day"
    mine = "true" if seconds else f"s.interval = '{word}'"
    mine_columns, counted_columns = (
        ", ".join(f"{name}.{column}" for column in _COLUMNS) for name in ("stored", "counted")
    )
    return f"""
        WITH tape AS MATERIALIZED (
            SELECT instrument_id, book_seq, {FIRST_DAY} AS first_day FROM marketdata_tape tape WHERE {tapes})
        SELECT instrument_id AS instrument, opened_at, stored.trades AS stored, counted.trades AS counted
        FROM (SELECT s.* FROM {table} JOIN tape USING (instrument_id)
              WHERE {mine} AND s.opened_at >= {since}) AS stored
        FULL JOIN (SELECT t.instrument_id, {opened} AS opened_at, {COUNT}
              FROM orders_trade t JOIN tape USING (instrument_id)
              WHERE t.seq <= tape.book_seq AND t.at >= {since} GROUP BY 1, 2) AS counted
        USING (instrument_id, opened_at)
        WHERE ({mine_columns}) IS DISTINCT FROM ({counted_columns})"""  # noqa: S608 - our own words
