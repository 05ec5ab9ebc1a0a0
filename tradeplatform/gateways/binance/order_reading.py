"""Orders as clients of this dialect write them, read into what intake takes.

Which parameters a type needs and which it must not have is said here, with the words that clients know; what
the numbers must be is intake's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from instruments.selectors import Rules
from orders.models import OrderType, StpMode, TimeInForce
from orders.services.requests import NewOrder
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.exchange_info import TRAILING_DELTA
from tradeplatform.gateways.binance.parameters import I32_MAX, Parameters, must
from tradeplatform.gateways.binance.refusals import COMBINATION
from tradeplatform.gateways.binance.words import (
    PRICED,
    SIDE,
    STP,
    TIME,
    TIMED,
    TRIGGERED,
    TYPE,
    ResponseWord,
    SideWord,
    StpWord,
    TimeWord,
    TypeWord,
)

_LEAST_STRATEGY_TYPE = 1_000_000


class Names(NamedTuple):
    """What the parameters of one order are called; those of a list's legs begin with the leg's name."""

    type: str = "type"
    time_in_force: str = "timeInForce"
    price: str = "price"
    stop_price: str = "stopPrice"
    trailing_delta: str = "trailingDelta"
    iceberg: str = "icebergQty"
    client_id: str = "newClientOrderId"
    strategy: str = "strategyId"
    strategy_type: str = "strategyType"
    peg_price: str = "pegPriceType"
    peg_offset: str = "pegOffsetType"
    peg_value: str = "pegOffsetValue"

    @property
    def suffix(self) -> str:
        """What tells the names of a request's orders apart that it did not name."""
        return "" if self.type == "type" else f"-{self.type.removesuffix('Type')}"


def leg(name: str) -> Names:
    """The names of the parameters of one leg: `above` or `below`."""
    words = (word[0].upper() + word[1:] for word in Names()._replace(client_id="clientOrderId"))
    return Names(*(name + word for word in words))


ALONE = Names()
#: What all orders of a request share.
SHARED = ("symbol", "side", "quantity", "selfTradePreventionMode", "newOrderRespType")
#: Everything that says something of one order.
ORDER = (*SHARED, "quoteOrderQty", *ALONE)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the orders of one request for one account.

    An order that has no name gets that of its signed request: a copy of the request then names the same order
    again, and places nothing.
    """

    parameters: Parameters
    rules: Rules
    account_id: int
    name: str

    def order(self, names: Names = ALONE) -> NewOrder:
        """One order. Raises -11xx and -1013 for what its type does not take, or needs."""
        sent, kind = self.parameters, self._type(names)
        self._refuse_pegs(names)
        self._check_strategy(names)
        quantity, amount = self._how_much(kind)
        stop, trail = self._trigger(kind, names)
        return NewOrder(
            account_id=self.account_id,
            symbol=self.rules.symbol,
            side=SIDE[must(sent.word("side", SideWord, errors.bad_side()), "side")],
            type=TYPE[kind] if trail is None else OrderType.TRAILING_STOP,
            quantity=quantity,
            price=self._limit(kind, names.price),
            time_in_force=self._time(kind, names),
            post_only=kind is TypeWord.LIMIT_MAKER,
            stp_mode=self._stp(),
            client_order_id=sent.client_id(names.client_id) or self.name + names.suffix,
            trigger_price=stop,
            trail_percent=trail,
            display_quantity=self._iceberg(kind, names, quantity),
            quote_quantity=amount,
        )

    def response(self, kind: OrderType) -> ResponseWord:
        """How much is to be answered: all of a market or limit order, of others that they were taken."""
        said = self.parameters.word("newOrderRespType", ResponseWord, errors.invalid("newOrderRespType"))
        plain = kind in {OrderType.MARKET, OrderType.LIMIT}
        return said or (ResponseWord.FULL if plain else ResponseWord.ACK)

    def price(self, name: str) -> Decimal | None:
        """A price, no finer than the quote asset."""
        return self.parameters.decimal(name, digits=self.rules.quote_decimals)

    def quantity(self, name: str) -> Decimal | None:
        """A quantity, no finer than the base asset."""
        return self.parameters.decimal(name, digits=self.rules.base_decimals)

    def _type(self, names: Names) -> TypeWord:
        return must(self.parameters.word(names.type, TypeWord, errors.bad_order_type()), names.type)

    def _refuse_pegs(self, names: Names) -> None:
        if any(map(self.parameters.has, (names.peg_price, names.peg_offset, names.peg_value))):
            raise errors.order_rejected("Pegged orders are not supported for this symbol.")

    def _check_strategy(self, names: Names) -> None:
        """What a client notes for itself is not kept, but has to be what it is said to be. Raises -11xx."""
        self.parameters.integer(names.strategy)
        kind = self.parameters.integer(names.strategy_type, most=I32_MAX)
        if kind is not None and kind < _LEAST_STRATEGY_TYPE:
            raise errors.bad_strategy_type(names.strategy_type)

    def _how_much(self, kind: TypeWord) -> tuple[Decimal | None, Decimal | None]:
        """(quantity, amount of quote): only a market order may have the second in place of the first."""
        quantity, amount = self.quantity("quantity"), self.price("quoteOrderQty")
        if kind is not TypeWord.MARKET:
            if amount is not None:
                raise errors.not_required("quoteOrderQty")
            return must(quantity, "quantity"), None
        if quantity is None and amount is None:
            raise errors.one_of("quantity", "quoteOrderQty")
        if quantity is not None and amount is not None:
            raise errors.not_required("quoteOrderQty")
        return quantity, amount

    def _trigger(self, kind: TypeWord, names: Names) -> tuple[Decimal | None, Decimal | None]:
        """(trigger price, percent that the trigger trails by)."""
        stop, delta = self.price(names.stop_price), self.parameters.integer(names.trailing_delta)
        if kind not in TRIGGERED:
            for name, value in ((names.stop_price, stop), (names.trailing_delta, delta)):
                if value is not None:
                    raise errors.not_required(name)
            return None, None
        if stop is None and delta is None:
            raise errors.one_of(names.stop_price, names.trailing_delta)
        if delta is None:
            return stop, None
        least, most = TRAILING_DELTA
        if not least <= delta <= most:
            raise errors.filter_failure("TRAILING_DELTA")
        if kind is not TypeWord.STOP_LOSS or stop is not None:
            # A trailing order of ours trails from the start, and its limit goes with it.
            raise BinanceError(-1014, f"{COMBINATION}.")
        return None, Decimal(delta).scaleb(-2)

    def _time(self, kind: TypeWord, names: Names) -> TimeInForce | None:
        said = self.parameters.word(names.time_in_force, TimeWord, errors.bad_time_in_force())
        if kind in TIMED:
            return TIME[must(said, names.time_in_force)]
        if said is not None:
            raise errors.not_required(names.time_in_force)
        return None

    def _stp(self) -> StpMode:
        name = "selfTradePreventionMode"
        said = self.parameters.word(name, StpWord, errors.invalid(name))
        return StpMode.EXPIRE_TAKER if said is None else STP[said]

    def _iceberg(self, kind: TypeWord, names: Names, quantity: Decimal | None) -> Decimal | None:
        shown = self.quantity(names.iceberg)
        if shown is None:
            return None
        if kind not in PRICED:
            raise errors.not_required(names.iceberg)
        if quantity is not None and shown > quantity:
            raise errors.order_rejected("IcebergQty exceeds QTY.")
        return shown

    def _limit(self, kind: TypeWord, name: str) -> Decimal | None:
        """The price, which must be there or must not."""
        value = self.price(name)
        if kind in PRICED:
            return must(value, name)
        if value is not None:
            raise errors.not_required(name)
        return None
