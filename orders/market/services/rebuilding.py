"""Make candles again from the trades, for what a fault may have done to them."""

from __future__ import annotations

from django.db import transaction

from orders.market.counting import FIRST_DAY, WORDS, differences
from orders.market.services.following import grow
from orders.market.services.tapes import Step
from orders.models import event_id
from tradeplatform.common.db import execute, fetch


def wrong_candles(instrument_id: int) -> dict[str, int]:
    """How many stored candles of each length are not what the trades make."""
    return {
        word: fetch(
            f"SELECT count(*) FROM ({differences(word, tapes='instrument_id = %s')}) AS wrong",  # noqa: S608
            [instrument_id],
        )[0][0]
        for word in WORDS
    }


def rebuild(instrument_id: int) -> dict[str, int]:
    """Make every candle again that can be counted; how many of each length were wrong.

    The follower waits meanwhile, and whoever reads sees the old ones until all are there.
    """
    with transaction.atomic():
        tapes = fetch(
            f"SELECT book_seq, {FIRST_DAY} FROM marketdata_tape tape"  # noqa: S608 - our own words
            " WHERE instrument_id = %s FOR NO KEY UPDATE",
            [instrument_id],
        )
        wrong = wrong_candles(instrument_id)
        for seq, first_day in tapes:
            if first_day is None:
                continue
            for table in ("marketdata_candle", "marketdata_secondcandle"):
                execute(
                    f"DELETE FROM {table} WHERE instrument_id = %s AND opened_at >= %s",  # noqa: S608
                    [instrument_id, first_day],
                )
            grow([Step(instrument_id, event_id(instrument_id, 0), event_id(instrument_id, seq), first_day)])
    return wrong
