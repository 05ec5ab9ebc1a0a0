"""Record quotes: the newest of each instrument, and all of them as dated rates. The only writer of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Quote
from instruments.scaling import short_text
from instruments.selectors import require_rules
from tradeplatform.common.db import execute
from tradeplatform.common.errors import Code, Refusal

#: The source of a quote that a person gave.
BY_HAND = "operator"

_TOO_MUCH = Decimal(10) ** 20
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class NewQuote:
    """What an instrument can be sold and bought at, as somebody (`source`) said it at a moment."""

    instrument_id: int
    bid: Decimal
    ask: Decimal
    at: datetime
    source: str


def record_quotes(quotes: Sequence[NewQuote], *, now: datetime) -> int:
    """Keep all of them, and the newest of each instrument as its quote; returns how many were new.

    Known by (instrument, at): the same quote again is no second fact, and of two at one microsecond the first
    counts. One that comes late is kept as a dated rate and does not replace a newer one.
    Raises Refusal invalid_number, and invalid_field for a quote from the future; then none was kept.
    """
    for quote in quotes:
        _check(quote, now)
    # In the order of instruments: two that record at once meet the rows in the same order.
    ordered = sorted(quotes, key=lambda quote: (quote.instrument_id, quote.at))
    values = [
        [quote.instrument_id for quote in ordered],
        [quote.bid for quote in ordered],
        [quote.ask for quote in ordered],
        [quote.at for quote in ordered],
        [quote.source for quote in ordered],
    ]
    with transaction.atomic():
        recorded = execute(_INSERT_DATED, values)
        execute(_MOVE_NEWEST, values)
    return recorded


def set_quote(
    *, symbol: str, bid: Decimal, ask: Decimal, actor: Actor, now: datetime, reason: str
) -> NewQuote:
    """Quote an instrument by hand, from now until somebody quotes it again.

    Raises Refusal: reason_required, unknown_symbol, invalid_number, no_change (a newer quote is there).
    """
    reason = require_reason(reason)
    rules = require_rules(symbol)
    quote = NewQuote(rules.id, bid, ask, now, BY_HAND)
    with transaction.atomic():
        before = Quote.objects.select_for_update(no_key=True).filter(instrument_id=rules.id).first()
        if not record_quotes([quote], now=now) or (before is not None and before.at > now):
            raise Refusal(Code.NO_CHANGE, f"{symbol} was quoted at this moment already: try again.")
        record(
            actor=actor,
            action="instruments.quote.set",
            target_type="instruments.instrument",
            target_id=rules.id,
            target_label=rules.symbol,
            reason=reason,
            before={"bid": short_text(before.bid), "ask": short_text(before.ask)} if before else {},
            after={"bid": short_text(bid), "ask": short_text(ask)},
            now=now,
        )
    return quote


_GIVEN = """
    FROM unnest(%s::int[], %s::numeric[], %s::numeric[], %s::timestamptz[], %s::text[])
    WITH ORDINALITY AS given(instrument_id, bid, ask, at, source, place)"""
_INSERT_DATED = (
    "INSERT INTO instruments_datedquote (instrument_id, bid, ask, at, source)"
    " SELECT instrument_id, bid, ask, at, source" + _GIVEN + " ORDER BY place ON CONFLICT DO NOTHING"
)
_MOVE_NEWEST = (
    "INSERT INTO instruments_quote (instrument_id, bid, ask, at, source)"
    " SELECT DISTINCT ON (instrument_id) instrument_id, bid, ask, at, source"
    + _GIVEN
    + """ ORDER BY instrument_id, at DESC, place
    ON CONFLICT (instrument_id) DO UPDATE
    SET bid = excluded.bid, ask = excluded.ask, at = excluded.at, source = excluded.source
    WHERE excluded.at > instruments_quote.at"""
)


def _check(quote: NewQuote, now: datetime) -> None:
    bid, ask = quote.bid, quote.ask
    if not (bid.is_finite() and ask.is_finite()) or not 0 < bid <= ask < _TOO_MUCH:
        raise Refusal(
            Code.INVALID_NUMBER,
            "A quote has a bid above zero and an ask that is not below it.",
            instrument=quote.instrument_id,
            bid=str(bid)[:64],
            ask=str(ask)[:64],
        )
    if any(-int(price.as_tuple().exponent) > _MOST_DIGITS for price in (bid, ask)):
        raise Refusal(Code.INVALID_NUMBER, "A price has at most 18 digits after the point.", field="bid")
    if quote.at > now:
        raise Refusal(
            Code.INVALID_FIELD,
            "A quote cannot come from the future: it would hide all that are true until then.",
            field="at",
        )
