"""The table of errors that clients compare letter by letter: code, status, text, and nothing moved."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from tests.factories import Market, everything_stored
from tests.gateways.binance.client import Signed, Venue, now_ms, refused
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import market as market_doors
from tradeplatform.gateways.binance import orders as order_doors
from tradeplatform.gateways.binance import refusals
from tradeplatform.gateways.binance.refusals import Asked, translated

pytestmark = pytest.mark.django_db

BALANCE = "Account has insufficient balance for requested action."
MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
ILLEGAL = "Illegal characters found in parameter '{}'; legal range is '{}'."
TIMEOUT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
NOT_REQUIRED = "Parameter '{}' sent when not required."


def order(market: Market, /, **changes: Any) -> dict[str, Any]:
    """The smallest valid order, changed; a change to None leaves the parameter out."""
    words = {"symbol": market.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    return words | {"quantity": "1", "price": "50000"} | changes


class TestOrdersThatAreRefused:
    """Before the book: each by its words, and nothing of it is stored."""

    @pytest.mark.parametrize(
        ("changes", "code", "msg"),
        [
            ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
            ({"symbol": None}, -1102, MANDATORY.format("symbol")),
            ({"side": "UP"}, -1117, "Invalid side."),
            ({"side": None}, -1102, MANDATORY.format("side")),
            ({"type": "ODD"}, -1116, "Invalid orderType."),
            ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
            ({"timeInForce": None}, -1102, MANDATORY.format("timeInForce")),
            ({"price": None}, -1102, MANDATORY.format("price")),
            ({"quantity": None}, -1102, MANDATORY.format("quantity")),
            ({"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
            (
                {"quantity": "-1"},
                -1100,
                ILLEGAL.format("quantity", r"^([0-9]{1,20})(\.[0-9]{1,20})?$"),
            ),
            ({"quantity": "1.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
            ({"price": "50000.123456789"}, -1111, "Parameter 'price' has too much precision."),
            (
                {"newClientOrderId": "x" * 37},
                -1100,
                ILLEGAL.format("newClientOrderId", "^[.A-Z:/a-z0-9_-]{1,36}$"),
            ),
            ({"stopPrice": "49000"}, -1106, NOT_REQUIRED.format("stopPrice")),
            ({"quoteOrderQty": "1000"}, -1106, NOT_REQUIRED.format("quoteOrderQty")),
            (
                {"selfTradePreventionMode": "NONE"},
                -1130,
                "Data sent for parameter 'selfTradePreventionMode' is not valid.",
            ),
            (
                {"newOrderRespType": "ALL"},
                -1130,
                "Data sent for parameter 'newOrderRespType' is not valid.",
            ),
            ({"icebergQty": "2"}, -2010, "IcebergQty exceeds QTY."),
            ({"icebergQty": "1", "timeInForce": "IOC"}, -1014, "Unsupported order combination."),
            (
                {"pegPriceType": "PRIMARY_PEG"},
                -2010,
                "Pegged orders are not supported for this symbol.",
            ),
            (
                {"misspelt": "1"},
                -1104,
                "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
            ),
            ({"strategyId": "mine"}, -1100, ILLEGAL.format("strategyId", "^[0-9]{1,20}$")),
            ({"strategyId": str(2**63)}, -1108, "Parameter 'strategyId' overflowed."),
            ({"strategyType": "1000000.5"}, -1100, ILLEGAL.format("strategyType", "^[0-9]{1,20}$")),
            ({"strategyType": "999999"}, -1134, "strategyType was less than 1000000."),
            ({"strategyType": str(2**31)}, -1108, "Parameter 'strategyType' overflowed."),
            ({"quantity": "1.00001"}, -1013, "Filter failure: LOT_SIZE"),
            ({"quantity": "1001"}, -1013, "Filter failure: LOT_SIZE"),
            ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
            ({"price": "60000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
            ({"quantity": "900", "price": "50000"}, -2010, BALANCE),
            ({"type": "MARKET"}, -1106, NOT_REQUIRED.format("price")),
            ({"type": "MARKET", "price": None}, -1106, NOT_REQUIRED.format("timeInForce")),
            (
                {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None},
                -1102,
                "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
            ),
            (
                {"type": "STOP_LOSS_LIMIT"},
                -1102,
                "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
            ),
            (
                {"type": "STOP_LOSS", "timeInForce": None, "price": None, "trailingDelta": "10000"},
                -1013,
                "Filter failure: TRAILING_DELTA",
            ),
            (
                {"type": "STOP_LOSS_LIMIT", "trailingDelta": "100"},
                -1014,
                "Unsupported order combination.",
            ),
        ],
    )
    def test_by_code_and_text(
        self, market: Market, client_a: Signed, changes: dict[str, Any], code: int, msg: str
    ) -> None:
        before = everything_stored()

        refused(client_a.send("order", **order(market, **changes)), code, msg)

        assert everything_stored() == before

    def test_below_the_least_value(self, market: Market, client_a: Signed) -> None:
        market.instrument.min_notional = 10
        market.instrument.save(update_fields=["min_notional"])
        before = everything_stored()
        refused(
            client_a.send("order", **order(market, quantity="0.0001", price="49999")),
            -1013,
            "Filter failure: NOTIONAL",
        )
        assert everything_stored() == before

    def test_beyond_the_open_orders_of_an_account(
        self, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        market.instrument.max_open_orders = 1
        market.instrument.save(update_fields=["max_open_orders"])
        market.buy(alice, 1, 49000)
        before = everything_stored()
        refused(client_a.send("order", **order(market)), -1013, "Filter failure: MAX_NUM_ORDERS")
        assert everything_stored() == before

    def test_under_a_name_that_was_used(
        self, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        market.buy(alice, 1, 49000, client_order_id="mine")
        before = everything_stored()
        for price in ("49000", "49001"):
            refused(
                client_a.send("order", **order(market, price=price, newClientOrderId="mine")),
                -2010,
                "Duplicate order sent.",
            )
        assert everything_stored() == before

    def test_in_a_market_that_is_halted(self, market: Market, client_a: Signed) -> None:
        market.phase(InstrumentStatus.HALTED)
        market.drain()
        before = everything_stored()
        refused(client_a.send("order", **order(market)), -2010, "Market is closed.")
        assert everything_stored() == before

    def test_of_an_account_that_is_locked(
        self, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        alice.is_locked = True
        alice.save(update_fields=["is_locked"])
        before = everything_stored()
        refused(
            client_a.send("order", **order(market)), -2010, "This account may not place or cancel orders."
        )
        assert everything_stored() == before

    def test_that_came_too_late_while_they_were_looked_at(
        self, market: Market, client_a: Signed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of two clocks, the one that is read just before intake is set ahead."""
        before = everything_stored()
        monkeypatch.setattr(
            "tradeplatform.gateways.binance.serving.microseconds_now",
            iter([now_ms() * 1_000, (now_ms() + 11_000) * 1_000]).__next__,
        )
        refused(
            client_a.send("order", **order(market, recvWindow=10_000)),
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        )
        assert everything_stored() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("book")
def test_a_post_only_order_that_would_take_is_refused_by_the_book(
    market: Market, client_a: Signed, client_b: Signed
) -> None:
    client_b.do("order", **order(market, side="SELL"))

    refused(
        client_a.send("order", **order(market, type="LIMIT_MAKER", timeInForce=None)),
        -2010,
        "Order would immediately match and take.",
    )


class TestPlatform:
    @pytest.mark.django_db(transaction=True)
    def test_a_book_that_does_not_answer_leaves_the_outcome_unknown(
        self, market: Market, client_a: Signed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(order_doors, "MAX_WAIT_MS", 20)

        refused(
            client_a.send("order", **order(market, newClientOrderId="mine")),
            -1007,
            TIMEOUT,
            504,
        )

        found = client_a.ask("order", symbol=market.symbol, origClientOrderId="mine")
        assert found["status"] == "NEW"
        market.drain()

    @pytest.mark.parametrize(
        ("error", "code", "status", "msg"),
        [
            (ZeroDivisionError(), -1000, 500, "An unknown error occurred while processing the request."),
            (
                OperationalError("the connection was lost"),
                -1007,
                504,
                TIMEOUT,
            ),
            (
                Refusal(Code.UNAVAILABLE, "No shard exists."),
                -1008,
                503,
                "Server is currently overloaded with other requests. Please try again in a few minutes.",
            ),
        ],
    )
    def test_faults_of_ours(
        self,
        venue: Venue,
        market: Market,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        code: int,
        status: int,
        msg: str,
    ) -> None:
        def fail(*_args: object, **_more: object) -> None:
            raise error

        monkeypatch.setattr(market_doors, "depths", fail)

        refused(venue.look("depth", symbol=market.symbol), code, msg, status)

    def test_too_much_weight_is_counted_before_anything_else(self, venue: Venue, settings: Settings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"binance_weight": 0}
        body = venue.get("/api/v3/ping", REMOTE_ADDR="192.0.2.99").json()
        assert (body["code"], body["msg"][:36]) == (-1003, "Too much request weight used; curren")


@pytest.mark.django_db(transaction=True)
def test_an_amend_while_another_waits_is_rejected_and_not_told_to_come_back(
    market: Market, alice: TradingAccount, client_a: Signed
) -> None:
    number = market.buy(alice, 2, 49000)
    market.drain()
    market.amend(number, alice, quantity=1)
    before = everything_stored()

    amend = {"symbol": market.symbol, "orderId": number, "newQty": "1"}
    answer = client_a.send("order/amend/keepPriority", "PUT", **amend)

    refused(answer, -2038, "An earlier amend of this order is pending.")
    assert "Retry-After" not in answer
    assert everything_stored() == before


class TestTable:
    """What this dialect says of every refusal of ours that can come to one of its doors."""

    @pytest.mark.parametrize(
        ("code", "asked", "said"),
        [
            (Code.ORDER_NOT_FOUND, Asked.LOOK, (-2013, 400, "Order does not exist.")),
            (Code.ORDER_NOT_FOUND, Asked.CANCEL, (-2011, 400, "Unknown order sent.")),
            (Code.ORDER_NOT_FOUND, Asked.AMEND, (-2038, 400, "Unknown order sent.")),
            (Code.ORDER_NOT_OPEN, Asked.CANCEL, (-2011, 400, "Unknown order sent.")),
            (Code.LIST_NOT_FOUND, Asked.LOOK, (-2013, 400, "Order list does not exist.")),
            (Code.LIST_NOT_FOUND, Asked.CANCEL, (-2011, 400, "Unknown order sent.")),
            (Code.INSUFFICIENT_FUNDS, Asked.PLACE, (-2010, 400, BALANCE)),
            (
                Code.WRONG_REALM,
                Asked.PLACE,
                (-2010, 400, "This symbol is not permitted for this account."),
            ),
            (Code.INSTRUMENT_CLOSED, Asked.PLACE, (-2010, 400, "Market is closed.")),
            (Code.NOT_IN_AUCTION, Asked.PLACE, (-2010, 400, "Market is closed.")),
            (Code.NO_REFERENCE_PRICE, Asked.PLACE, (-1112, 400, "No orders on book for symbol.")),
            (Code.DISPLAY_QUANTITY_TOO_SMALL, Asked.PLACE, (-1013, 400, "Filter failure: ICEBERG_PARTS")),
            (
                Code.NO_CHANGE,
                Asked.AMEND,
                (-2038, 400, "The requested action would change no state; rejecting"),
            ),
            (
                Code.API_KEY_UNKNOWN,
                Asked.LOOK,
                (-2015, 401, "Invalid API-key, IP, or permissions for action."),
            ),
            (Code.BAD_SIGNATURE, Asked.LOOK, (-1022, 400, "Signature for this request is not valid.")),
            (
                Code.INVALID_NUMBER,
                Asked.PLACE,
                (-1130, 400, "Data sent for parameter 'stopPrice' is not valid."),
            ),
            # What there is no word for keeps our sentence.
            (Code.DEMO_MONEY, Asked.PLACE, (-1013, 400, "Our sentence.")),
        ],
    )
    def test_says(self, code: Code, asked: Asked, said: tuple[int, int, str]) -> None:
        error = translated(Refusal(code, "Our sentence.", field="trigger_price"), asked)
        assert (error.code, error.status, error.msg) == said

    def test_has_an_entry_for_each_refusal_of_an_order(self) -> None:
        """Those that the checks before intake, and intake's own, are documented to raise."""
        ours = {code for code in Code if code.value.startswith(("instrument_", "price_", "quantity_"))}
        ours |= {Code.NOTIONAL_TOO_SMALL, Code.NOTIONAL_TOO_LARGE, Code.TOO_MANY_OPEN_ORDERS}
        of_leveraged_positions = {Code.INSTRUMENT_NOT_HALTED, Code.INSTRUMENT_NOT_ENABLED}
        assert ours - refusals.known() == of_leveraged_positions
