"""What an order may say: which fields go together, and what they are in the engine's integers.

Each contradiction is refused with the fields that contradict each other. Limit and protection prices are held
to the band around the price the order is expected to trade at: its trigger price, its parent's price, or the
market's reference price. A trigger price itself may be as far away as its owner likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tradeengine.codec import NO_TERMS, Terms, TermsFlag

from instruments.models import InstrumentStatus
from instruments.scaling import I64_MAX, product, short_text, steps, steps_below, times
from instruments.selectors import Rules
from orders.models import WAITING_TIMES, OrderType, Side, TimeInForce, TriggerBy
from orders.services import engine_codes
from orders.services.journal import microseconds
from orders.services.requests import NewOrder, conditions
from orders.services.writing import Draft
from risk.services import pretrade
from tradeplatform.common.errors import Code, Refusal

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})

_MAY_BE_ZERO = frozenset({"display_quantity", "limit_offset"})
_HUNDREDTH = Decimal("0.01")
_MOST_BPS = 9_999

_Test = Callable[[OrderType], bool]
# Which type of order a field belongs to, and the sentence for the others.
_BELONGS: dict[str, tuple[_Test, str]] = {
    "trigger_by": (lambda kind: kind.is_triggered, "trigger_by goes with an order that has a trigger."),
    "trail_amount": (lambda kind: kind.is_trailing, "trail_amount goes with a trailing stop."),
    "trail_percent": (lambda kind: kind.is_trailing, "trail_percent goes with a trailing stop."),
    "trail_step": (lambda kind: kind.is_trailing, "trail_step goes with a trailing stop."),
    "limit_offset": (
        lambda kind: kind == OrderType.TRAILING_STOP_LIMIT,
        "limit_offset goes with a trailing stop limit: other limit orders have a price.",
    ),
    "display_quantity": (
        lambda kind: kind.is_limit_priced,
        "display_quantity goes with a limit order: a market order never rests.",
    ),
    "quote_quantity": (lambda kind: kind == OrderType.MARKET, "quote_quantity goes with a market order."),
    "protection_price": (
        lambda kind: not kind.is_limit_priced,
        "protection_price goes with an order that trades at market: this one has a limit.",
    ),
}


def clash(sentence: str, *fields: str) -> Refusal:
    """The refusal of fields that exclude or need each other."""
    return Refusal(Code.INVALID_COMBINATION, sentence, fields=dict.fromkeys(fields, sentence))


def check_numbers(order: NewOrder) -> None:
    """Refuse what is no sensible number before anything is made of it: 1E+999999999 as text is a gigabyte."""
    if order.quantity is not None:
        pretrade.check_number("quantity", order.quantity)
    if order.price is not None:
        pretrade.check_number("price", order.price)
    for name, value in conditions(order).items():
        if isinstance(value, Decimal):
            pretrade.check_number(name, value, may_be_zero=name in _MAY_BE_ZERO)


def check_order(draft: Draft, now: datetime) -> None:
    """Every check of an order by itself; fills in its price, quantity and terms in the engine's integers.

    The parent of a child must have been checked before. Raises Refusal.
    """
    order, rules = draft.order, draft.rules
    if rules.status != InstrumentStatus.ACTIVE:
        pretrade.check_open(rules, waits=_waits(draft))
    said = conditions(order)
    _check_words(draft)
    if said:
        _check_conditions(draft, said)
    reference = draft.parent.valued_at if draft.parent else draft.book.reference(rules)
    if order.quote_quantity is not None:
        _fill_in_budget(draft, order.quote_quantity, reference)
        return
    if order.quantity is None:
        raise Refusal(Code.QUANTITY_REQUIRED, "Say how much: give a quantity.")
    draft.lots = pretrade.check_quantity(rules, order.quantity)
    draft.quantity = times(draft.lots, rules.lot_size)
    terms = _trigger(draft, reference) if order.type.is_triggered else NO_TERMS
    anchor = rules.price(terms.trigger_price) if terms.trigger_price else reference
    _fill_in_price(draft, terms, anchor)
    # A market order is valued where it is expected to trade: its protection would wave small sells through.
    draft.valued_at = rules.price(draft.price_ticks) if order.type.is_limit_priced else anchor
    pretrade.check_notional(rules, price=draft.valued_at, quantity=draft.quantity)
    draft.expires_at = _expiry(draft, now)
    if said or draft.expires_at:
        terms = _with_conditions(draft, terms)
    draft.terms = terms


def _waits(draft: Draft) -> bool:
    """Whether the order can wait for an auction: parked, or resting with no condition on its first trade."""
    order = draft.order
    return (
        order.type.is_triggered
        or draft.parent is not None
        or (
            order.type == OrderType.LIMIT
            and draft.time_in_force in WAITING_TIMES
            and not order.post_only
            and order.min_quantity is None
        )
    )


def _check_words(draft: Draft) -> None:
    """What excludes or needs each other, whatever the numbers."""
    order, kind, tif = draft.order, draft.order.type, draft.time_in_force
    if order.post_only and not (kind.is_limit_priced and tif in WAITING_TIMES):
        raise clash("post_only goes with a limit order good till cancelled.", "post_only")
    if kind == OrderType.MARKET and tif in WAITING_TIMES:
        raise clash("A market order cannot wait: use ioc or fok.", "time_in_force")
    if order.price is not None and not kind.is_limit_priced:
        raise Refusal(Code.PRICE_NOT_ALLOWED, "An order that trades at market has no price: leave it out.")
    if order.price is not None and kind == OrderType.TRAILING_STOP_LIMIT:
        raise Refusal(
            Code.PRICE_NOT_ALLOWED,
            "A trailing stop limit keeps its limit_offset from the stop: leave the price out.",
        )
    if order.reduce_only:
        _check_reduce_only(draft)
    if kind.is_triggered:
        _check_trigger_words(order)


def _check_conditions(draft: Draft, said: Iterable[str]) -> None:
    """The same for what only some orders say."""
    order, kind, waits = draft.order, draft.order.type, draft.time_in_force in WAITING_TIMES
    for name in said:
        fits, sentence = _BELONGS.get(name, (None, ""))
        if fits and not fits(kind):
            raise clash(sentence, name, "type")
    if order.trigger_price is not None and not kind.is_triggered:
        raise Refusal(
            Code.TRIGGER_PRICE_NOT_ALLOWED,
            "This order does not wait for a price: leave the trigger_price out.",
        )
    if order.display_quantity is not None and not waits:
        raise clash("An order that never rests has nothing to show.", "display_quantity", "time_in_force")
    if order.min_quantity is not None and order.post_only:
        raise clash("A post_only order never takes, so it has no min_quantity.", "min_quantity", "post_only")
    parks = kind.is_triggered or draft.parent is not None
    if order.expires_at is not None and draft.time_in_force != TimeInForce.GTD and (waits or not parks):
        raise clash(
            "expires_at goes with an order that waits: send it as gtd.", "expires_at", "time_in_force"
        )


def _check_reduce_only(draft: Draft) -> None:
    if draft.parent is not None:
        raise clash("An order that waits for another cannot be reduce_only: its position is still to come.",
                    "reduce_only")  # fmt: skip
    if draft.order.side == Side.BUY:
        raise Refusal(
            Code.REDUCE_ONLY,
            "A reduce_only order must reduce a position, and an account owes nothing it could buy back.",
            side=draft.order.side.value,
        )


def _check_trigger_words(order: NewOrder) -> None:
    if not order.type.is_trailing:
        if order.trigger_price is None:
            raise Refusal(
                Code.TRIGGER_PRICE_REQUIRED, "This order waits for a price: give its trigger_price."
            )
        return
    if order.trigger_price is not None:
        raise Refusal(
            Code.TRIGGER_PRICE_NOT_ALLOWED, "A trailing stop follows the market: leave the trigger_price out."
        )
    if (order.trail_amount is None) == (order.trail_percent is None):
        raise clash("A trailing stop has a trail_amount or a trail_percent.", "trail_amount", "trail_percent")
    if order.trigger_by == TriggerBy.QUOTE:
        raise clash("A trailing stop follows trades: trigger_by is last.", "trigger_by", "type")
    if order.type == OrderType.TRAILING_STOP_LIMIT and order.limit_offset is None:
        raise clash("A trailing stop limit needs a limit_offset from the stop.", "limit_offset", "type")


def _trigger(draft: Draft, reference: Decimal) -> Terms:
    """What the order waits for."""
    order, rules = draft.order, draft.rules
    kind = engine_codes.trigger_kind(order.type, by_bps=order.trail_percent is not None)
    if not order.type.is_trailing:
        price = order.trigger_price or Decimal(0)
        return Terms(
            trigger=kind,
            source=engine_codes.TRIGGER_SOURCE[order.trigger_by or TriggerBy.LAST],
            trigger_price=pretrade.check_range(rules, price, field="trigger_price"),
        )
    if not reference:
        raise Refusal(
            Code.NO_REFERENCE_PRICE,
            f"{rules.symbol} has no reference price yet that a trailing stop could follow: send a stop.",
            symbol=rules.symbol,
        )
    ticks = steps_below(reference, rules.tick_size)
    if order.trail_percent is None:
        distance = ahead = pretrade.check_ticks(rules, order.trail_amount or Decimal(0), field="trail_amount")
    else:
        distance = basis_points(order.trail_percent)
        ahead = ticks * distance // 10_000
    price_ticks = ticks + ahead if order.side == Side.BUY else ticks - ahead
    if not ahead or price_ticks < 1:
        raise Refusal(
            Code.PRICE_OUT_OF_RANGE,
            f"At {short_text(reference)} this trail is "
            + ("as long as the price itself: shorten it." if ahead else "shorter than a tick: lengthen it."),
            reference=short_text(reference),
            symbol=rules.symbol,
        )
    pretrade.check_range(rules, rules.price(price_ticks), field="trigger_price")
    step = (
        1 if order.trail_step is None else pretrade.check_ticks(rules, order.trail_step, field="trail_step")
    )
    return Terms(trigger=kind, trigger_price=price_ticks, distance=distance, step=step)


def basis_points(percent: Decimal) -> int:
    """Percent as 1/100 of a percent."""
    count = steps(percent, _HUNDREDTH)
    if count is None or not 1 <= count <= _MOST_BPS:
        raise Refusal(
            Code.INVALID_NUMBER,
            "trail_percent lies between 0.01 and 99.99, with at most two digits after the point.",
            field="trail_percent",
        )
    return count


def _fill_in_price(draft: Draft, terms: Terms, anchor: Decimal) -> None:
    """The worst price it may trade at: its limit, or the protection of an order that trades at market."""
    order, rules, buy = draft.order, draft.rules, draft.order.side == Side.BUY
    if not order.type.is_limit_priced:
        draft.price_ticks = (
            pretrade.protection_ticks(rules, buy=buy, reference=anchor)
            if order.protection_price is None
            else pretrade.check_price(rules, order.protection_price, anchor, field="protection_price")
        )
        draft.protection = rules.price(draft.price_ticks)
        return
    price = order.price
    if order.limit_offset is not None:
        offset = pretrade.check_ticks(rules, order.limit_offset, field="limit_offset")
        ticks = terms.trigger_price + offset if buy else terms.trigger_price - offset
        # Below a tick it is far outside the band, and the band is what the refusal should speak of.
        price = rules.price(max(1, ticks))
    if price is None:
        raise Refusal(Code.PRICE_REQUIRED, "A limit order needs a price.")
    draft.price_ticks = pretrade.check_price(rules, price, anchor)


def _fill_in_budget(draft: Draft, amount: Decimal, reference: Decimal) -> None:
    """A market order for an amount of quote: as many lots as it pays, fees on top."""
    order, rules = draft.order, draft.rules
    if order.quantity is not None:
        raise clash("Give a quantity or a quote_quantity.", "quantity", "quote_quantity")
    if draft.time_in_force != TimeInForce.IOC:
        raise clash("quote_quantity buys what it can at once: use ioc.", "quote_quantity", "time_in_force")
    if order.min_quantity is not None:
        raise clash("quote_quantity has no min_quantity.", "quote_quantity", "min_quantity")
    if order.reduce_only:
        raise clash("quote_quantity cannot be reduce_only: give a quantity.", "quote_quantity", "reduce_only")
    if draft.parent is not None:
        raise clash("An order that waits for another needs a quantity.", "quote_quantity")
    pretrade.check_value(rules, amount)
    _fill_in_price(draft, NO_TERMS, reference)
    draft.valued_at = reference
    unit = product(rules.tick_size, rules.lot_size)
    budget = steps_below(amount, unit)
    if budget > I64_MAX:
        raise Refusal(
            Code.NOTIONAL_TOO_LARGE,
            f"The largest order value is {short_text(times(I64_MAX, unit))} {rules.quote_code}.",
            notional=short_text(amount),
            symbol=rules.symbol,
            maximum=short_text(times(I64_MAX, unit)),
        )
    # About as many as that: at the price it is expected to trade at.
    ticks = max(1, steps_below(reference, rules.tick_size))
    pretrade.check_size(rules, rules.quantity(budget // ticks))
    draft.budget = times(budget, unit)
    draft.terms = Terms(budget=budget)


def _expiry(draft: Draft, now: datetime) -> datetime | None:
    order, tif = draft.order, draft.time_in_force
    if tif == TimeInForce.DAY:
        return day_end(draft.rules, now)
    if order.expires_at is None:
        if tif == TimeInForce.GTD:
            raise Refusal(Code.EXPIRY_REQUIRED, "A gtd order needs expires_at.")
        return None
    if order.expires_at <= now:
        raise Refusal(
            Code.EXPIRY_IN_PAST,
            "expires_at must lie in the future.",
            expires_at=order.expires_at.isoformat(),
            now=now.isoformat(),
        )
    return order.expires_at


def day_end(rules: Rules, now: datetime) -> datetime:
    """When the trading day that `now` belongs to is over."""
    end = datetime.combine(now.astimezone(UTC).date(), rules.day_ends_at, tzinfo=UTC)
    return end if end > now else end + timedelta(days=1)


def _with_conditions(draft: Draft, terms: Terms) -> Terms:
    """The terms with what an order says beside its trigger."""
    order, rules = draft.order, draft.rules
    flags = display = least = 0
    if order.display_quantity is not None:
        flags = TermsFlag.HAS_DISPLAY
        display = pretrade.check_lots(rules, order.display_quantity, field="display_quantity")
        if display > draft.lots:
            raise clash("An order cannot show more than its quantity.", "display_quantity", "quantity")
        pretrade.check_slices(rules, lots=draft.lots, shown_lots=display)
    if order.min_quantity is not None:
        least = pretrade.check_lots(rules, order.min_quantity, field="min_quantity")
        if least > draft.lots:
            raise clash("min_quantity is above the quantity.", "min_quantity", "quantity")
    return terms._replace(
        flags=flags,
        display=display,
        min_quantity=least,
        expires=microseconds(draft.expires_at) if draft.expires_at else 0,
    )
