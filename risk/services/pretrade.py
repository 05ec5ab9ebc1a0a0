"""Pre-trade checks on plain values: what the platform must know before an order may hold money.

Each check raises Refusal with its own code and the numbers that explain it; none touches the database.
Limits follow the instrument's filters; the price band is the collar of RTS 6 article 15(1)(a). Checks of
more than one field name the field in the refusal.
"""

from __future__ import annotations

from decimal import Decimal

from instruments.models import InstrumentStatus
from instruments.scaling import EXACT, I64_MAX, product, short_text, steps
from instruments.selectors import Rules
from tradeplatform.common.errors import Code, Refusal

# An iceberg shows itself in at most so many slices: each costs the book as much as an order.
MAX_SLICES = 1_000
# Beyond this a number is refused before anything is computed with it: NUMERIC(38, 18) holds 10**20.
MAX_NUMBER = Decimal(10) ** 18
_MAX_DECIMALS = 18

_CLOSED = {
    InstrumentStatus.HALTED: (Code.INSTRUMENT_HALTED, "Trading in {0} is halted: only cancels are taken."),
    InstrumentStatus.MAINTENANCE: (
        Code.INSTRUMENT_MAINTENANCE,
        "{0} is under maintenance: only cancels are taken.",
    ),
    InstrumentStatus.DELISTED: (Code.INSTRUMENT_DELISTED, "{0} is delisted: only cancels are taken."),
    InstrumentStatus.CANCEL_ONLY: (Code.INSTRUMENT_CANCEL_ONLY, "{0} takes only cancels for now."),
    InstrumentStatus.CLOSED: (
        Code.INSTRUMENT_CLOSED,
        "{0} is closed: only cancels are taken until it opens.",
    ),
}
_GATHERING = (InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION)


def check_open(rules: Rules, *, waits: bool = True) -> None:
    """Refuse unless the instrument takes new orders and amends.

    Before the opening and in auctions only orders are taken that can wait (`waits`).
    """
    closed = _CLOSED.get(rules.status)
    if closed:
        code, message = closed
        raise Refusal(code, message.format(rules.symbol), symbol=rules.symbol, status=rules.status.value)
    if rules.status in _GATHERING and not waits:
        raise Refusal(
            Code.NOT_IN_AUCTION,
            f"{rules.symbol} gathers orders for an auction: an order that must trade or end at once, "
            "or must not take, has no place in it.",
            symbol=rules.symbol,
            status=rules.status.value,
        )


def check_number(name: str, value: Decimal, *, may_be_zero: bool = False) -> None:
    """Refuse NaN, infinities and numbers too large to be meant; zero and negatives are named as such."""
    if not value.is_finite():
        raise Refusal(Code.INVALID_NUMBER, f"{name} must be a number.", field=name)
    if value < 0 or not (value or may_be_zero):
        raise Refusal(Code.INVALID_NUMBER, f"{name} must be greater than zero.", field=name)
    exponent = value.as_tuple().exponent
    if value >= MAX_NUMBER or (isinstance(exponent, int) and -exponent > _MAX_DECIMALS):
        raise Refusal(
            Code.INVALID_NUMBER,
            f"{name} must be below 10^18 with at most 18 digits after the point.",
            field=name,
        )


def check_quantity(rules: Rules, quantity: Decimal) -> int:
    """The quantity in lots; refuse it when too small, too large or between steps."""
    check_number("quantity", quantity)
    check_size(rules, quantity)
    return check_lots(rules, quantity, field="quantity")


def check_size(rules: Rules, quantity: Decimal) -> None:
    """Refuse a quantity below the least or above the greatest the instrument allows."""
    numbers = {"quantity": short_text(quantity), "symbol": rules.symbol}
    if quantity < rules.min_quantity:
        raise Refusal(
            Code.QUANTITY_TOO_SMALL,
            f"The smallest quantity of {rules.symbol} is {short_text(rules.min_quantity)}.",
            **numbers,
            minimum=short_text(rules.min_quantity),
        )
    if quantity > rules.max_quantity:
        raise Refusal(
            Code.QUANTITY_TOO_LARGE,
            f"The largest quantity of {rules.symbol} is {short_text(rules.max_quantity)}.",
            **numbers,
            maximum=short_text(rules.max_quantity),
        )


def check_lots(rules: Rules, quantity: Decimal, *, field: str) -> int:
    """A quantity, or a part of one, in lots; refuse it between steps."""
    lots = steps(quantity, rules.lot_size)
    if lots is None or lots > I64_MAX:
        raise Refusal(
            Code.QUANTITY_NOT_ON_STEP,
            f"Quantities of {rules.symbol} are multiples of {short_text(rules.lot_size)}.",
            **{field: short_text(quantity)},
            symbol=rules.symbol,
            step=short_text(rules.lot_size),
        )
    return lots


def check_slices(rules: Rules, *, lots: int, shown_lots: int) -> None:
    """Refuse an iceberg that would show itself in too many slices. Showing 0 means hidden."""
    if shown_lots and lots > shown_lots * MAX_SLICES:
        least = rules.quantity(-(-lots // MAX_SLICES))
        raise Refusal(
            Code.DISPLAY_QUANTITY_TOO_SMALL,
            f"An order shows itself in at most {MAX_SLICES} slices: show at least {short_text(least)}, or 0.",
            display_quantity=short_text(rules.quantity(shown_lots)),
            symbol=rules.symbol,
            minimum=short_text(least),
        )


def check_ticks(rules: Rules, distance: Decimal, *, field: str) -> int:
    """A price or a distance between prices in ticks; refuse it between ticks."""
    ticks = steps(distance, rules.tick_size)
    if ticks is None or ticks > I64_MAX:
        raise Refusal(
            Code.PRICE_NOT_ON_TICK,
            f"Prices of {rules.symbol} are multiples of {short_text(rules.tick_size)}.",
            **{field: short_text(distance)},
            symbol=rules.symbol,
            tick=short_text(rules.tick_size),
        )
    return ticks


def check_range(rules: Rules, price: Decimal, *, field: str) -> int:
    """The price in ticks; refuse it when it can be no price of the instrument, or is off the tick.

    This is all that a trigger price must pass: it may be as far from the market as its owner likes.
    """
    check_number(field, price)
    if price < rules.min_price or (rules.max_price and price > rules.max_price):
        raise Refusal(
            Code.PRICE_OUT_OF_RANGE,
            f"Prices of {rules.symbol} lie between {short_text(rules.min_price)} and "
            f"{short_text(rules.max_price) if rules.max_price else 'any price'}.",
            **{field: short_text(price)},
            symbol=rules.symbol,
            minimum=short_text(rules.min_price),
            maximum=short_text(rules.max_price),
        )
    return check_ticks(rules, price, field=field)


def check_price(rules: Rules, price: Decimal, reference: Decimal, *, field: str = "price") -> int:
    """The price in ticks; refuse it when off the tick, out of range, or outside the band around `reference`.

    A `reference` of 0 means that none is known: the band is then not applied.
    """
    ticks = check_range(rules, price, field=field)
    if reference:
        low, high = product(reference, 1 - rules.price_band), product(reference, 1 + rules.price_band)
        if not low <= price <= high:
            raise Refusal(
                Code.PRICE_OUT_OF_BAND,
                f"The price must lie within {short_text(rules.price_band * 100)} % of the reference price "
                f"{short_text(reference)}.",
                **{field: short_text(price)},
                symbol=rules.symbol,
                reference=short_text(reference),
                low=short_text(low),
                high=short_text(high),
            )
    return ticks


def protection_ticks(rules: Rules, *, buy: bool, reference: Decimal) -> int:
    """The worst price, in ticks, that a market order may trade at: the edge of the band.

    Refuse when no reference price is known: a market order without a collar is not taken.
    """
    if not reference:
        raise Refusal(
            Code.NO_REFERENCE_PRICE,
            f"{rules.symbol} has no reference price yet, so a market order cannot be protected: "
            "send a limit order.",
            symbol=rules.symbol,
        )
    edge = product(reference, 1 + rules.price_band if buy else 1 - rules.price_band)
    ticks, rest = EXACT.divmod(edge, rules.tick_size)
    # Round towards the reference, so that the protection never lies outside the band.
    worst = int(ticks) if buy or not rest else int(ticks) + 1
    if not 1 <= worst <= I64_MAX:
        raise Refusal(
            Code.NO_REFERENCE_PRICE,
            f"The reference price of {rules.symbol} is not a price of this instrument: send a limit order.",
            symbol=rules.symbol,
            reference=short_text(reference),
        )
    return worst


def check_notional(rules: Rules, *, price: Decimal, quantity: Decimal) -> None:
    """Refuse an order whose value is below the least or above the greatest the instrument allows."""
    check_value(rules, product(price, quantity))


def check_value(rules: Rules, notional: Decimal) -> None:
    """As `check_notional`, of a value stated as such."""
    numbers = {"notional": short_text(notional), "symbol": rules.symbol}
    if notional < rules.min_notional:
        raise Refusal(
            Code.NOTIONAL_TOO_SMALL,
            f"The smallest order value is {short_text(rules.min_notional)} {rules.quote_code}.",
            **numbers,
            minimum=short_text(rules.min_notional),
        )
    if notional >= MAX_NUMBER or (rules.max_notional and notional > rules.max_notional):
        limit = rules.max_notional or MAX_NUMBER
        raise Refusal(
            Code.NOTIONAL_TOO_LARGE,
            f"The largest order value is {short_text(limit)} {rules.quote_code}.",
            **numbers,
            maximum=short_text(limit),
        )


def check_open_orders(rules: Rules, open_orders: int) -> None:
    """Refuse when the account already has as many live orders as the instrument allows."""
    if open_orders >= rules.max_open_orders:
        raise Refusal(
            Code.TOO_MANY_OPEN_ORDERS,
            f"At most {rules.max_open_orders} open orders in {rules.symbol}: cancel some first.",
            symbol=rules.symbol,
            open_orders=open_orders,
            maximum=rules.max_open_orders,
        )
