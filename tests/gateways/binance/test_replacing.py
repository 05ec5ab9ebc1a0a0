"""Change an order in its place, replace it by another, or only try one."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services import rates
from accounts.services.rates import Allowance
from orders.models import Order
from tests.factories import Market, everything_stored, stored
from tests.gateways.binance.client import FORM, Signed, now_ms, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("book")]

FAILED = (-2022, "Order cancel-replace failed.", 400)
HALF = (-2021, "Order cancel-replace partially failed.", 409)
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
POOR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


def limit(market: Market, side: str, quantity: str, price: str, /, **more: Any) -> dict[str, Any]:
    """A limit order, good till cancelled."""
    words = {"symbol": market.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return words | {"quantity": quantity, "price": price} | more


def placed(client: Signed, market: Market, side: str, quantity: str, price: str, /, **more: Any) -> int:
    """The id of a new limit order."""
    return int(client.do("order", **limit(market, side, quantity, price, **more))["orderId"])


@pytest.fixture
def one_order_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an account may place, and no more."""
    monkeypatch.setattr(rates, "_tiers", {None: Allowance(orders_1d=1)})
    monkeypatch.setattr(rates, "_fresh_until", float("inf"))


class TestCancelReplace:
    def test_does_both(self, market: Market, client_a: Signed) -> None:
        old = placed(client_a, market, "BUY", "1", "49000")

        answer = client_a.do(
            "order/cancelReplace",
            **limit(market, "BUY", "2", "48000"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=old,
            cancelNewClientOrderId="the-end",
        )

        assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        cancelled, new = answer["cancelResponse"], answer["newOrderResponse"]
        assert (cancelled["orderId"], cancelled["status"]) == (old, "CANCELED")
        assert cancelled["clientOrderId"] == "the-end"
        assert (new["price"], new["origQty"], new["status"]) == ("48000.00000000", "2.00000000", "NEW")

    def test_uses_what_the_old_order_held(self, market: Market, client_a: Signed) -> None:
        old = placed(client_a, market, "SELL", "100", "50000")

        answer = client_a.do(
            "order/cancelReplace",
            **limit(market, "SELL", "100", "51000"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=old,
        )

        assert answer["newOrderResponse"]["status"] == "NEW"

    @pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
    def test_beyond_the_order_limit_leaves_the_old_order_alone(
        self, market: Market, client_a: Signed, one_order_a_day: None, mode: str
    ) -> None:
        old = placed(client_a, market, "BUY", "1", "49000")
        before = everything_stored()

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "2", "48000"),
            cancelReplaceMode=mode,
            cancelOrderId=old,
        )

        refused(answer, -1015, "Too many new orders; current limit is 1 orders per 1 DAY.", 429)
        assert everything_stored() == before
        assert [row["count"] for row in client_a.ask("rateLimit/order")][1] == 1

    def test_beyond_the_order_limit_only_cancels_where_that_is_wished(
        self, market: Market, client_a: Signed, one_order_a_day: None
    ) -> None:
        old = placed(client_a, market, "BUY", "1", "49000")

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "2", "48000"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=old,
            orderRateLimitExceededMode="CANCEL_ONLY",
        )

        data = refused(answer, *HALF)["data"]
        assert (data["cancelResult"], data["newOrderResult"]) == ("SUCCESS", "FAILURE")
        assert data["newOrderResponse"]["code"] == -1015
        assert stored(old).status == "cancelled"

    def test_stops_when_there_is_nothing_to_cancel(self, market: Market, client_a: Signed) -> None:
        before = everything_stored()

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "1", "49000"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=1,
        )

        assert refused(answer, *FAILED)["data"] == {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": UNKNOWN,
            "newOrderResponse": None,
        }
        assert everything_stored() == before

    def test_goes_on_when_it_may(self, market: Market, client_a: Signed) -> None:
        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "1", "49000"),
            cancelReplaceMode="ALLOW_FAILURE",
            cancelOrigClientOrderId="never-was",
        )

        data = refused(answer, *HALF)["data"]
        assert (data["cancelResult"], data["newOrderResult"]) == ("FAILURE", "SUCCESS")
        assert data["cancelResponse"] == UNKNOWN
        assert stored(data["newOrderResponse"]["orderId"]).status == "open"

    def test_says_that_the_old_one_is_gone_and_the_new_one_not_there(
        self, market: Market, client_a: Signed
    ) -> None:
        old = placed(client_a, market, "BUY", "1", "49000")

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "900", "49000"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=old,
        )

        data = refused(answer, *HALF)["data"]
        assert (data["cancelResponse"]["status"], data["newOrderResponse"]) == ("CANCELED", POOR)
        assert Order.objects.count() == 1

    def test_fails_twice(self, market: Market, client_a: Signed) -> None:
        before = everything_stored()

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "900", "49000"),
            cancelReplaceMode="ALLOW_FAILURE",
            cancelOrderId=1,
        )

        data = refused(answer, *FAILED)["data"]
        assert (data["cancelResponse"], data["newOrderResponse"]) == (UNKNOWN, POOR)
        assert everything_stored() == before

    def test_looks_at_the_new_order_before_it_cancels(self, market: Market, client_a: Signed) -> None:
        old = placed(client_a, market, "BUY", "1", "49000")

        answer = client_a.send(
            "order/cancelReplace",
            **limit(market, "BUY", "1", "49000", timeInForce="NEVER"),
            cancelReplaceMode="ALLOW_FAILURE",
            cancelOrderId=old,
        )

        refused(answer, -1115, "Invalid timeInForce.")
        assert stored(old).status == "open"


class TestAmend:
    def amend(self, client: Signed, market: Market, order: int, quantity: str, **more: Any) -> Any:
        return client.send(
            "order/amend/keepPriority", "PUT", symbol=market.symbol, orderId=order, newQty=quantity, **more
        )

    def test_keeps_the_place(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        first = placed(client_a, market, "BUY", "2", "49000", newClientOrderId="first")
        placed(client_b, market, "BUY", "1", "49000")

        answer = self.amend(client_a, market, first, "1.5").json()

        order = answer["amendedOrder"]
        assert (order["orderId"], order["qty"], order["status"]) == (first, "1.50000000", "NEW")
        assert (order["clientOrderId"], order["origClientOrderId"]) == ("first", "first")
        placed(client_b, market, "SELL", "1.5", "49000", selfTradePreventionMode="EXPIRE_MAKER")
        assert stored(first).status == "filled"

    def test_only_takes_quantity_off(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        order = placed(client_a, market, "BUY", "2", "49000")
        placed(client_b, market, "SELL", "1", "49000")
        no_effect = (-2038, "The requested action would change no state; rejecting")
        before = everything_stored()

        more = "Order amend (quantity increase) is not supported."
        refused(self.amend(client_a, market, order, "3"), -2038, more)
        refused(self.amend(client_a, market, order, "2"), *no_effect)
        refused(self.amend(client_a, market, order, "1"), *no_effect)
        refused(self.amend(client_b, market, order, "1.5"), -2038, "Unknown order sent.")
        refused(
            self.amend(client_a, market, order, "1.5", newClientOrderId="another"),
            -1106,
            "Parameter 'newClientOrderId' sent when not required.",
        )
        assert everything_stored() == before


class TestCopies:
    """Somebody sends again, byte for byte, what was signed and sent before."""

    @pytest.mark.parametrize("named", [{}, {"newClientOrderId": "mine"}])
    def test_of_an_order_place_nothing(self, market: Market, client_a: Signed, named: dict[str, str]) -> None:
        text = client_a.signed(limit(market, "BUY", "1", "49000", **named))
        first = client_a.generic("POST", "/api/v3/order", text, content_type=FORM)
        assert first.status_code == 200
        before = everything_stored()

        again = client_a.generic("POST", "/api/v3/order", text, content_type=FORM)

        refused(again, -2010, "Duplicate order sent.")
        assert everything_stored() == before

    def test_of_a_list_place_nothing(self, market: Market, client_a: Signed) -> None:
        pair = {"symbol": market.symbol, "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER"}
        pair |= {"abovePrice": "52000", "belowType": "STOP_LOSS", "belowStopPrice": "48000"}
        text = client_a.signed(pair)
        assert client_a.generic("POST", "/api/v3/orderList/oco", text, content_type=FORM).status_code == 200
        before = everything_stored()

        refused(
            client_a.generic("POST", "/api/v3/orderList/oco", text, content_type=FORM),
            -2010,
            "Duplicate order sent.",
        )
        assert everything_stored() == before

    def test_the_same_order_signed_anew_is_another(self, market: Market, client_a: Signed) -> None:
        order = limit(market, "BUY", "1", "49000")
        ids = {client_a.do("order", **order, timestamp=now_ms() - back)["orderId"] for back in (0, 1)}
        assert len(ids) == 2


class TestTry:
    def test_refuses_what_placing_would_and_leaves_nothing(
        self, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        before = everything_stored()

        assert client_a.do("order/test", **limit(market, "BUY", "1", "49000")) == {}
        refused(client_a.send("order/test", **limit(market, "BUY", "900", "49000")), -2010, str(POOR["msg"]))
        refused(
            client_a.send("order/test", **limit(market, "BUY", "1", "90000")),
            -1013,
            "Filter failure: PERCENT_PRICE_BY_SIDE",
        )

        assert everything_stored() == before
        placed(client_a, market, "BUY", "1", "49000", newClientOrderId="mine")
        refused(
            client_a.send("order/test", **limit(market, "BUY", "1", "49000", newClientOrderId="mine")),
            -2010,
            "Duplicate order sent.",
        )

    def test_says_what_it_would_cost(self, market: Market, client_a: Signed) -> None:
        answer = client_a.do(
            "order/test", **limit(market, "BUY", "1", "49000"), computeCommissionRates="true"
        )

        assert answer["standardCommissionForOrder"] == {"maker": "0.00050000", "taker": "0.00100000"}
