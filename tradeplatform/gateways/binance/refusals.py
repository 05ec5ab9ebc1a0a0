"""The one table between two languages: our refusals, and what this dialect says in their place.

A refusal of ours has a stable code and its numbers; here it becomes a code, an HTTP status and a text. What
is said may depend on what was asked for: an order that is not there is -2013 to who looks for it, and -2011
to who wants it cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.parameters import CLIENT_ID

Said = Callable[[Refusal], BinanceError]


class Asked(Enum):
    """What a request wants done."""

    LOOK = auto()
    PLACE = auto()
    CANCEL = auto()
    AMEND = auto()


INSUFFICIENT = "Account has insufficient balance for requested action."
WOULD_TAKE = "Order would immediately match and take."
DUPLICATE = "Duplicate order sent."
CLOSED = "Market is closed."
MAY_NOT = "This account may not place or cancel orders."
UNKNOWN = "Unknown order sent."
NOT_PERMITTED = "This symbol is not permitted for this account."
COMBINATION = "Unsupported order combination"
NO_EFFECT = "The requested action would change no state; rejecting"
NOT_AMENDABLE = "Order amend is not supported for this symbol."
# This one is ours: there an amend is done when it is answered, and none ever waits.
AMENDING = "An earlier amend of this order is pending."

#: Our fields by the names that this dialect has for them.
_FIELDS = {
    "trigger_price": "stopPrice",
    "display_quantity": "icebergQty",
    "quote_quantity": "quoteOrderQty",
    "trail_percent": "trailingDelta",
    "client_order_id": "newClientOrderId",
    "time_in_force": "timeInForce",
    "stp_mode": "selfTradePreventionMode",
}


def _rejected(msg: str) -> Said:
    return lambda _refusal: errors.order_rejected(msg)


def _cancel_rejected(msg: str) -> Said:
    return lambda _refusal: errors.cancel_rejected(msg)


def _amend_rejected(msg: str) -> Said:
    return lambda _refusal: errors.amend_rejected(msg)


def _filter(name: str) -> Said:
    return lambda _refusal: errors.filter_failure(name)


def _simply(make: Callable[[], BinanceError]) -> Said:
    return lambda _refusal: make()


def _named(make: Callable[[str], BinanceError], name: str) -> Said:
    return lambda _refusal: make(name)


def _bad_number(refusal: Refusal) -> BinanceError:
    name = str(refusal.context.get("field", ""))
    return errors.invalid(_FIELDS.get(name, name))


def _price_filter(refusal: Refusal) -> BinanceError:
    trails = "reference" in refusal.context or "trail_amount" in refusal.context
    return errors.filter_failure("TRAILING_DELTA" if trails else "PRICE_FILTER")


_ANY: dict[Code, Said] = {
    # The request itself.
    Code.INVALID_NUMBER: _bad_number,
    Code.INVALID_CLIENT_ORDER_ID: lambda _refusal: errors.illegal_characters("newClientOrderId", CLIENT_ID),
    Code.INVALID_COMBINATION: lambda _refusal: BinanceError(-1014, f"{COMBINATION}."),
    Code.QUANTITY_REQUIRED: _named(errors.mandatory, "quantity"),
    Code.PRICE_REQUIRED: _named(errors.mandatory, "price"),
    Code.PRICE_NOT_ALLOWED: _named(errors.not_required, "price"),
    Code.TRIGGER_PRICE_REQUIRED: _named(errors.mandatory, "stopPrice"),
    Code.TRIGGER_PRICE_NOT_ALLOWED: _named(errors.not_required, "stopPrice"),
    Code.UNKNOWN_SYMBOL: _simply(errors.bad_symbol),
    # Who asks.
    Code.API_KEY_UNKNOWN: _simply(errors.key_refused),
    Code.API_KEY_REVOKED: _simply(errors.key_refused),
    Code.API_KEY_EXPIRED: _simply(errors.key_refused),
    Code.API_KEY_OWNER_DISABLED: _simply(errors.key_refused),
    Code.API_KEY_UNUSABLE: _simply(errors.key_refused),
    Code.API_KEY_WRONG_IP: _simply(errors.key_refused),
    Code.API_KEY_WRONG_SCOPE: _simply(errors.key_refused),
    Code.BAD_SIGNATURE: _simply(errors.bad_signature),
    Code.NOT_AUTHENTICATED: _simply(errors.key_refused),
    Code.PERMISSION_DENIED: _simply(errors.key_refused),
    Code.ACCOUNT_NOT_FOUND: _simply(errors.key_refused),
    Code.ACCOUNT_INACTIVE: _rejected(MAY_NOT),
    Code.ACCOUNT_LOCKED: _rejected(MAY_NOT),
    Code.WRONG_REALM: _rejected(NOT_PERMITTED),
    # The state of things.
    Code.ORDER_NOT_FOUND: _simply(errors.no_such_order),
    Code.ORDER_NOT_OPEN: _rejected(UNKNOWN),
    Code.LIST_NOT_FOUND: _simply(errors.no_such_list),
    Code.CLIENT_ORDER_ID_CONFLICT: _rejected(DUPLICATE),
    Code.INSUFFICIENT_FUNDS: _rejected(INSUFFICIENT),
    Code.WOULD_TAKE: _rejected(WOULD_TAKE),
    Code.KILLED: _rejected(CLOSED),
    Code.INSTRUMENT_HALTED: _rejected(CLOSED),
    Code.INSTRUMENT_MAINTENANCE: _rejected(CLOSED),
    Code.INSTRUMENT_DELISTED: _rejected(CLOSED),
    Code.INSTRUMENT_CANCEL_ONLY: _rejected(CLOSED),
    Code.INSTRUMENT_CLOSED: _rejected(CLOSED),
    Code.NOT_IN_AUCTION: _rejected(CLOSED),
    Code.NO_REFERENCE_PRICE: lambda _refusal: BinanceError(-1112, "No orders on book for symbol."),
    Code.AMEND_PENDING: _amend_rejected(AMENDING),
    # The instrument's filters, by the names they have in exchangeInfo.
    Code.PRICE_NOT_ON_TICK: _price_filter,
    Code.PRICE_OUT_OF_RANGE: _price_filter,
    Code.PRICE_OUT_OF_BAND: _filter("PERCENT_PRICE_BY_SIDE"),
    Code.QUANTITY_NOT_ON_STEP: _filter("LOT_SIZE"),
    Code.QUANTITY_TOO_SMALL: _filter("LOT_SIZE"),
    Code.QUANTITY_TOO_LARGE: _filter("LOT_SIZE"),
    Code.DISPLAY_QUANTITY_TOO_SMALL: _filter("ICEBERG_PARTS"),
    Code.NOTIONAL_TOO_SMALL: _filter("NOTIONAL"),
    Code.NOTIONAL_TOO_LARGE: _filter("NOTIONAL"),
    Code.TOO_MANY_OPEN_ORDERS: _filter("MAX_NUM_ORDERS"),
    # We cannot.
    Code.UNAVAILABLE: _simply(errors.overloaded),
    Code.OVERLOADED: lambda refusal: errors.overloaded(wait=refusal.context["retry_after"]),
    Code.INTERNAL_ERROR: _simply(errors.unknown_error),
}
_WHERE: dict[Asked, dict[Code, Said]] = {
    Asked.LOOK: {},
    Asked.PLACE: {},
    Asked.CANCEL: {
        Code.ORDER_NOT_FOUND: _cancel_rejected(UNKNOWN),
        Code.ORDER_NOT_OPEN: _cancel_rejected(UNKNOWN),
        Code.LIST_NOT_FOUND: _cancel_rejected(UNKNOWN),
    },
    Asked.AMEND: {
        Code.ORDER_NOT_FOUND: _amend_rejected(UNKNOWN),
        Code.ORDER_NOT_OPEN: _amend_rejected(UNKNOWN),
        Code.BELOW_EXECUTED: _amend_rejected(NO_EFFECT),
        Code.NO_CHANGE: _amend_rejected(NO_EFFECT),
        Code.FIELD_IS_FIXED: _amend_rejected(NOT_AMENDABLE),
        Code.INVALID_COMBINATION: _amend_rejected(NOT_AMENDABLE),
        Code.ACCOUNT_INACTIVE: _amend_rejected(MAY_NOT),
        Code.ACCOUNT_LOCKED: _amend_rejected(MAY_NOT),
        Code.KILLED: _amend_rejected(CLOSED),
        Code.INSTRUMENT_HALTED: _amend_rejected(CLOSED),
        Code.INSTRUMENT_CANCEL_ONLY: _amend_rejected(CLOSED),
        Code.INSTRUMENT_CLOSED: _amend_rejected(CLOSED),
    },
}

#: Why the book itself said no to an order that intake had taken; anything else is a combination it knows not.
_BOOK_SAID = {
    "would_take": WOULD_TAKE,
    "halted": CLOSED,
    "killed": CLOSED,
    "wrong_phase": CLOSED,
    "duplicate_order": DUPLICATE,
}


def translated(refusal: Refusal, asked: Asked = Asked.LOOK) -> BinanceError:
    """What this dialect says; of what it has no word for, that the request was rejected, in our sentence."""
    said = _WHERE[asked].get(refusal.code) or _ANY.get(refusal.code)
    return said(refusal) if said else BinanceError(-1013, refusal.message)


def known() -> frozenset[Code]:
    """The refusals that this dialect has words for."""
    return frozenset(_ANY)


def book_refused(reason: str) -> BinanceError:
    """The answer to an order that the book has rejected, by the order's `reason`."""
    return errors.order_rejected(_BOOK_SAID.get(reason, COMBINATION))
