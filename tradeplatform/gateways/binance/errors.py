"""Every "no" of this dialect: a code, an HTTP status and a text that clients compare letter by letter.

Codes and texts are those of the public document of Binance's spot API ("Error codes"). Which refusal of ours
becomes which of these is said in refusals.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class BinanceError(Exception):
    """An answer that is no answer. `data` and `headers` go with it where the document says so."""

    def __init__(
        self,
        code: int,
        msg: str,
        status: int = HTTPStatus.BAD_REQUEST,
        *,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.status = int(status)
        self.data = data
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        plain: dict[str, Any] = {"code": self.code, "msg": self.msg}
        return plain if self.data is None else plain | {"data": self.data}


# --- The platform ---------------------------------------------------------------------------------------


def unknown_error() -> BinanceError:
    """A fault of ours; the outcome is unknown."""
    return BinanceError(
        -1000, "An unknown error occurred while processing the request.", HTTPStatus.INTERNAL_SERVER_ERROR
    )


def too_much_weight(*, limit: int, wait: int) -> BinanceError:
    """The address has used up its minute; `wait` seconds are left of it."""
    msg = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return BinanceError(-1003, msg, HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(wait)})


def banned(*, until_ms: int, wait: int) -> BinanceError:
    """The address went on after it had been told to wait."""
    msg = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return BinanceError(-1003, msg, 418, headers={"Retry-After": str(wait)})


def timed_out() -> BinanceError:
    """It may have been done or not: ask again by your own id."""
    return BinanceError(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        HTTPStatus.GATEWAY_TIMEOUT,
    )


def overloaded(*, wait: int = 0) -> BinanceError:
    """Nothing was begun; in `wait` seconds, if that is known, there may be room."""
    return BinanceError(
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
        HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(wait)} if wait else None,
    )


def too_many_orders(*, limit: int, per: str, wait: int) -> BinanceError:
    """The account has as many unfilled orders in the interval as it may, such as `10 SECOND`."""
    return BinanceError(
        -1015,
        f"Too many new orders; current limit is {limit} orders per {per}.",
        HTTPStatus.TOO_MANY_REQUESTS,
        headers={"Retry-After": str(wait)},
    )


def not_supported() -> BinanceError:
    """There is nothing at this address with this method."""
    return BinanceError(-1020, "This operation is not supported.", HTTPStatus.NOT_FOUND)


# --- Who asks, and when ---------------------------------------------------------------------------------


def outside_window() -> BinanceError:
    """The request is older than its recvWindow."""
    return BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_time() -> BinanceError:
    """The caller's clock is fast."""
    return BinanceError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def bad_signature() -> BinanceError:
    """What came is not what was signed, or not by this key."""
    return BinanceError(-1022, "Signature for this request is not valid.")


def not_authorised() -> BinanceError:
    """Over a socket: it needs session.logon first."""
    return BinanceError(-1099, "Not found, authenticated, or authorized.", HTTPStatus.UNAUTHORIZED)


def key_kind_not_supported(kind: str) -> BinanceError:
    """A session is logged on with an Ed25519 key alone."""
    return BinanceError(-4056, f"{kind} API key is not supported.")


def bad_key_format() -> BinanceError:
    """This can be nobody's key."""
    return BinanceError(-2014, "API-key format invalid.", HTTPStatus.UNAUTHORIZED)


def key_refused() -> BinanceError:
    """Unknown, revoked, from another address, or not for this: the caller cannot tell which."""
    return BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", HTTPStatus.UNAUTHORIZED)


# --- What was sent --------------------------------------------------------------------------------------


def illegal_characters(name: str, legal: str) -> BinanceError:
    """`legal` is the pattern that the value does not match."""
    return BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def unreadable() -> BinanceError:
    """The parameters cannot be told apart, or are no text."""
    return BinanceError(-1100, "Illegal characters found in a parameter.")


def too_many_parameters() -> BinanceError:
    """More than any endpoint takes."""
    return BinanceError(-1101, "Too many parameters sent for this endpoint.")


def given_twice() -> BinanceError:
    """Nobody can tell which of the two was meant."""
    return BinanceError(-1101, "Duplicate values for a parameter detected.")


def mandatory(name: str) -> BinanceError:
    """Not sent, or nonsense."""
    return BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of(name: str, other: str) -> BinanceError:
    """Neither was sent."""
    return BinanceError(-1102, f"Param '{name}' or '{other}' must be sent, but both were empty/null!")


def greater_than(name: str, most: int) -> BinanceError:
    """Beyond its maximum."""
    return BinanceError(-1102, f"'{name}' contains unexpected value. Cannot be greater than '{most}'.")


def not_all_read(*, read: int, sent: int) -> BinanceError:
    """Something was sent that this endpoint does not know: it may be a misspelt one that matters."""
    msg = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return BinanceError(-1104, msg)


def empty(name: str) -> BinanceError:
    """Sent, without a value."""
    return BinanceError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> BinanceError:
    """Does not go with the rest."""
    return BinanceError(-1106, f"Parameter '{name}' sent when not required.")


def overflow(name: str) -> BinanceError:
    """A number beyond what can be counted."""
    return BinanceError(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> BinanceError:
    """More digits after the point than the instrument has."""
    return BinanceError(-1111, f"Parameter '{name}' has too much precision.")


def time_in_force_not_required() -> BinanceError:
    """Of an order that says it by its type."""
    return BinanceError(-1114, "TimeInForce parameter sent when not required.")


def bad_time_in_force() -> BinanceError:
    """No such word."""
    return BinanceError(-1115, "Invalid timeInForce.")


def bad_order_type() -> BinanceError:
    """No such word."""
    return BinanceError(-1116, "Invalid orderType.")


def bad_side() -> BinanceError:
    """No such word."""
    return BinanceError(-1117, "Invalid side.")


def bad_interval() -> BinanceError:
    """No candles of such a length."""
    return BinanceError(-1120, "Invalid interval.")


def bad_symbol() -> BinanceError:
    """No such instrument."""
    return BinanceError(-1121, "Invalid symbol.")


def bad_symbol_status() -> BinanceError:
    """No such word."""
    return BinanceError(-1122, "Invalid symbolStatus.")


def too_long_a_window(hours: int) -> BinanceError:
    """From startTime to endTime."""
    return BinanceError(-1127, f"More than {hours} hours between startTime and endTime.")


def bad_combination() -> BinanceError:
    """Each is fine by itself."""
    return BinanceError(-1128, "Combination of optional parameters invalid.")


def invalid(name: str) -> BinanceError:
    """No value that it can have."""
    return BinanceError(-1130, f"Data sent for parameter '{name}' is not valid.")


def bad_strategy_type(name: str) -> BinanceError:
    """A number below those that clients may use."""
    return BinanceError(-1134, f"{name} was less than 1000000.")


def bad_json(name: str) -> BinanceError:
    """A list was to be sent as JSON."""
    return BinanceError(-1135, f"JSON sent for parameter '{name}' is not valid")


def bad_cancel_restrictions() -> BinanceError:
    """No such word."""
    return BinanceError(-1145, "Invalid cancelRestrictions")


def repeated_symbol() -> BinanceError:
    """Each may be named once."""
    return BinanceError(-1151, "Symbol is present multiple times in the list.")


def bad_time_unit() -> BinanceError:
    """The header X-MBX-TIME-UNIT says something else."""
    return BinanceError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def bad_request() -> BinanceError:
    """A message over a socket is no JSON object."""
    return BinanceError(-1135, "Invalid JSON Request")


# --- Orders ---------------------------------------------------------------------------------------------


def filter_failure(name: str) -> BinanceError:
    """One of the instrument's filters, by the name it has in exchangeInfo."""
    return BinanceError(-1013, f"Filter failure: {name}")


def order_rejected(msg: str) -> BinanceError:
    """The text says why, and is what clients look at."""
    return BinanceError(-2010, msg)


def cancel_rejected(msg: str) -> BinanceError:
    """The same of a cancel."""
    return BinanceError(-2011, msg)


def no_such_order() -> BinanceError:
    """It is not there, or another's."""
    return BinanceError(-2013, "Order does not exist.")


def half_replaced(data: dict[str, Any]) -> BinanceError:
    """One of cancel and new order was done, the other was not."""
    msg = "Order cancel-replace partially failed."
    return BinanceError(-2021, msg, HTTPStatus.CONFLICT, data=data)


def not_replaced(data: dict[str, Any]) -> BinanceError:
    """Neither was done."""
    return BinanceError(-2022, "Order cancel-replace failed.", data=data)


def amend_rejected(msg: str) -> BinanceError:
    """The order stays as it was."""
    return BinanceError(-2038, msg)


def already_subscribed() -> BinanceError:
    """This socket has the account's events already."""
    return BinanceError(-2035, "User Data Stream subscription already active.")


def not_subscribed() -> BinanceError:
    """This socket has no such subscription."""
    return BinanceError(-2036, "User Data Stream subscription not active.")


def no_such_list() -> BinanceError:
    """It is not there, or another's."""
    return BinanceError(-2013, "Order list does not exist.")
