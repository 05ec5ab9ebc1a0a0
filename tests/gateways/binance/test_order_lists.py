"""One cancels the other: placed, looked up and cancelled as one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import Market, everything_stored, stored
from tests.gateways.binance.client import Signed, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("book")]


def pair(market: Market, /, **changes: Any) -> dict[str, Any]:
    """Sell one at 52000, or at market once 48000 has traded; a change to None leaves the parameter out."""
    words = {"symbol": market.symbol, "side": "SELL", "quantity": "1"}
    above = {"aboveType": "LIMIT_MAKER", "abovePrice": "52000"}
    below = {"belowType": "STOP_LOSS", "belowStopPrice": "48000"}
    return words | above | below | changes


class TestPlace:
    def test_shows_both_orders(self, market: Market, client_a: Signed) -> None:
        answer = client_a.do("orderList/oco", **pair(market, newOrderRespType="RESULT"))

        above, below = answer["orderReports"]
        assert list(answer)[:7] == [
            "orderListId",
            "contingencyType",
            "listStatusType",
            "listOrderStatus",
            "listClientOrderId",
            "transactionTime",
            "symbol",
        ]
        assert (answer["contingencyType"], answer["listOrderStatus"]) == ("OCO", "EXECUTING")
        assert answer["orders"] == [
            {"symbol": market.symbol, "orderId": row["orderId"], "clientOrderId": row["clientOrderId"]}
            for row in (above, below)
        ]
        assert (above["type"], above["price"], above["status"]) == ("LIMIT_MAKER", "52000.00000000", "NEW")
        assert (below["type"], below["stopPrice"], below["workingTime"]) == (
            "STOP_LOSS",
            "48000.00000000",
            -1,
        )
        assert {above["orderListId"], below["orderListId"]} == {answer["orderListId"]}

    def test_is_named_as_its_first_order_is(self, market: Market, client_a: Signed) -> None:
        answer = client_a.do("orderList/oco", **pair(market, listClientOrderId="my-pair"))

        assert answer["listClientOrderId"] == "my-pair"
        assert answer["orders"][0]["clientOrderId"] == "my-pair"
        refused(
            client_a.send("orderList/oco", **pair(market, listClientOrderId="a", aboveClientOrderId="b")),
            -1128,
            "Combination of optional parameters invalid.",
        )

    @pytest.mark.parametrize(
        ("changes", "code", "msg"),
        [
            ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "52000"}, -1158, "OCO"),
            ({"belowType": "TAKE_PROFIT"}, -1158, "OCO"),
            ({"abovePrice": "47000"}, -2010, "The relationship of the prices for the orders is not correct."),
            ({"abovePrice": None}, -1102, "abovePrice"),
            ({"belowStopPrice": None}, -1102, "belowTrailingDelta"),
            ({"quantity": "101"}, -2010, "Account has insufficient balance for requested action."),
            ({"abovePrice": "90000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ],
    )
    def test_refuses_the_whole(
        self, market: Market, client_a: Signed, changes: dict[str, Any], code: int, msg: str
    ) -> None:
        before = everything_stored()

        answer = client_a.send("orderList/oco", **pair(market, **changes))

        assert (answer.json()["code"], answer.status_code) == (code, 400)
        assert msg in answer.json()["msg"]
        assert everything_stored() == before

    def test_the_same_again_is_a_duplicate(self, market: Market, client_a: Signed) -> None:
        named = pair(market, aboveClientOrderId="up", belowClientOrderId="down")
        client_a.do("orderList/oco", **named)
        before = everything_stored()

        refused(client_a.send("orderList/oco", **named), -2010, "Duplicate order sent.")

        assert everything_stored() == before


class TestAfterwards:
    def test_a_fill_of_one_has_the_other_expire(
        self, market: Market, client_a: Signed, client_b: Signed
    ) -> None:
        placed = client_a.do("orderList/oco", **pair(market))
        above, below = (row["orderId"] for row in placed["orders"])
        client_b.do(
            "order",
            symbol=market.symbol,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="1",
            price="52000",
        )

        found = client_a.ask("orderList", orderListId=placed["orderListId"])

        assert (found["listStatusType"], found["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
        statuses = [
            client_a.ask("order", symbol=market.symbol, orderId=number)["status"] for number in (above, below)
        ]
        assert statuses == ["FILLED", "EXPIRED"]
        assert client_a.ask("openOrderList") == []

    def test_is_found_by_id_and_by_name(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        placed = client_a.do("orderList/oco", **pair(market, listClientOrderId="my-pair"))

        by_id = client_a.ask("orderList", orderListId=placed["orderListId"])

        assert by_id == client_a.ask("orderList", origClientOrderId="my-pair")
        assert client_a.ask("openOrderList") == [by_id]
        refused(
            client_b.look("orderList", orderListId=placed["orderListId"]), -2013, "Order list does not exist."
        )
        below = placed["orders"][1]["clientOrderId"]
        refused(client_a.look("orderList", origClientOrderId=below), -2013, "Order list does not exist.")

    def test_is_cancelled_whole(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        placed = client_a.do("orderList/oco", **pair(market))
        which = {"symbol": market.symbol, "orderListId": placed["orderListId"]}
        refused(client_b.send("orderList", "DELETE", **which), -2011, "Unknown order sent.")

        answer = client_a.do("orderList", "DELETE", **which, newClientOrderId="the-end")

        assert answer["listOrderStatus"] == "ALL_DONE"
        assert [row["clientOrderId"] for row in answer["orderReports"]] == ["the-end", "the-end"]
        assert [stored(row["orderId"]).status for row in answer["orders"]] == ["cancelled", "cancelled"]
        refused(client_a.send("orderList", "DELETE", **which), -2011, "Unknown order sent.")

    def test_is_shown_as_one_when_all_is_cancelled(self, market: Market, client_a: Signed) -> None:
        placed = client_a.do("orderList/oco", **pair(market))

        (report,) = client_a.do("openOrders", "DELETE", symbol=market.symbol)

        assert report["orderListId"] == placed["orderListId"]
        assert [row["status"] for row in report["orderReports"]] == ["CANCELED", "CANCELED"]
