"""The life of an order in this dialect: placed, filled, looked up, cancelled, listed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services import rates
from accounts.services.rates import Allowance
from orders.models import Command, CommandKind, Fill, Order
from orders.services.journal import microseconds
from tests.factories import Market, everything_stored, stored
from tests.gateways.binance.client import Signed, Venue, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("book")]


def ms(moment: datetime) -> int:
    return microseconds(moment) // 1_000


def limit(market: Market, side: str, quantity: str, price: str, /, **more: Any) -> dict[str, Any]:
    """A limit order, good till cancelled."""
    words = {"symbol": market.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return words | {"quantity": quantity, "price": price} | more


class TestPlace:
    def test_answers_with_the_fills(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        client_b.do("order", **limit(market, "SELL", "0.4", "50000"))
        client_b.do("order", **limit(market, "SELL", "0.1", "50001"))

        answer = client_a.do("order", **limit(market, "BUY", "0.5", "50001", newClientOrderId="x-TKT5PX2F1"))

        order = Order.objects.get(client_order_id="x-TKT5PX2F1")
        first, second = Fill.objects.filter(order_id=order.pk).order_by("id")
        assert answer == {
            "symbol": market.symbol,
            "orderId": order.pk,
            "orderListId": -1,
            "clientOrderId": "x-TKT5PX2F1",
            "transactTime": ms(order.updated_at),
            "price": "50001.00000000",
            "origQty": "0.50000000",
            "executedQty": "0.50000000",
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "25000.10000000",
            "status": "FILLED",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": ms(order.created_at),
            "selfTradePreventionMode": "EXPIRE_TAKER",
            "fills": [
                {
                    "price": "50000.00000000",
                    "qty": "0.40000000",
                    "commission": "20.00000000",
                    "commissionAsset": market.instrument.quote.code,
                    "tradeId": first.trade_id,
                },
                {
                    "price": "50001.00000000",
                    "qty": "0.10000000",
                    "commission": "5.00010000",
                    "commissionAsset": market.instrument.quote.code,
                    "tradeId": second.trade_id,
                },
            ],
        }

    @pytest.mark.parametrize(
        ("response", "last"),
        [("ACK", "transactTime"), ("RESULT", "selfTradePreventionMode"), (None, "fills")],
    )
    def test_answers_as_much_as_is_asked_for(
        self, market: Market, client_a: Signed, response: str | None, last: str
    ) -> None:
        answer = client_a.do("order", **limit(market, "BUY", "1", "50000", newOrderRespType=response))

        assert list(answer)[-1] == last

    def test_of_other_types_answers_that_it_was_taken(self, market: Market, client_a: Signed) -> None:
        answer = client_a.do(
            "order", symbol=market.symbol, side="SELL", type="STOP_LOSS", quantity=1, stopPrice=48000
        )

        assert list(answer) == ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
        assert stored(answer["orderId"]).status == "pending_trigger"

    def test_for_an_amount_of_quote(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        client_b.do("order", **limit(market, "SELL", "1", "50000"))

        answer = client_a.do("order", symbol=market.symbol, side="BUY", type="MARKET", quoteOrderQty="1000")

        assert (answer["status"], answer["type"], answer["timeInForce"]) == ("FILLED", "MARKET", "GTC")
        assert (answer["price"], answer["origQuoteOrderQty"]) == ("0.00000000", "1000.00000000")
        assert (answer["executedQty"], answer["cummulativeQuoteQty"]) == ("0.02000000", "1000.00000000")

    @pytest.mark.parametrize(
        ("word", "left"), [("IOC", ("EXPIRED", "0.40000000")), ("FOK", ("EXPIRED", "0.00000000"))]
    )
    def test_what_cannot_be_filled_at_once_has_expired(
        self, market: Market, client_a: Signed, client_b: Signed, word: str, left: tuple[str, str]
    ) -> None:
        client_b.do("order", **limit(market, "SELL", "0.4", "50000"))

        answer = client_a.do("order", **limit(market, "BUY", "1", "50000", timeInForce=word))

        assert (answer["status"], answer["executedQty"]) == left

    def test_a_market_order_without_a_counterparty_has_expired(
        self, market: Market, client_a: Signed
    ) -> None:
        answer = client_a.do("order", symbol=market.symbol, side="BUY", type="MARKET", quantity="1")

        assert (answer["status"], answer["executedQty"], answer["fills"]) == ("EXPIRED", "0.00000000", [])

    @pytest.mark.parametrize(
        ("mode", "status", "other"),
        [
            ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
            ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
            ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
            ("DECREMENT", "NEW", "EXPIRED_IN_MATCH"),
        ],
    )
    def test_never_trades_with_itself(
        self, market: Market, client_a: Signed, mode: str, status: str, other: str
    ) -> None:
        own = client_a.do("order", **limit(market, "SELL", "1", "50000"))["orderId"]

        answer = client_a.do("order", **limit(market, "BUY", "2", "50000", selfTradePreventionMode=mode))

        found = client_a.ask("order", symbol=market.symbol, orderId=own)
        assert (answer["status"], found["status"]) == (status, other)
        assert answer["selfTradePreventionMode"] == mode

    def test_shows_a_slice_of_an_iceberg(self, market: Market, venue: Venue, client_a: Signed) -> None:
        answer = client_a.do("order", **limit(market, "BUY", "10", "50000", icebergQty="1"))

        assert answer["icebergQty"] == "1.00000000"
        assert venue.ask("depth", symbol=market.symbol)["bids"] == [["50000.00000000", "1.00000000"]]

    def test_trails_the_market(self, market: Market, client_a: Signed) -> None:
        answer = client_a.do(
            "order",
            symbol=market.symbol,
            side="SELL",
            type="STOP_LOSS",
            quantity=1,
            trailingDelta=150,
            newOrderRespType="RESULT",
        )

        assert (answer["type"], answer["trailingDelta"]) == ("STOP_LOSS", 150)
        assert (answer["stopPrice"], answer["workingTime"]) == ("49250.00000000", -1)
        assert stored(answer["orderId"]).trail_bps == 150

    def test_takes_parameters_from_query_and_form_alike(self, market: Market, client_a: Signed) -> None:
        query, form = f"symbol={market.symbol}&side=BUY&type=LIMIT&quantity=1", "timeInForce=GTC&price=50000"
        text = client_a.signed({})
        when = text.split("&signature=")[0]
        signature = client_a.sign(f"{query}{form}&{when}".encode())

        answer = client_a.generic(
            "POST",
            f"/api/v3/order?{query}",
            f"{form}&{when}&signature={signature}",
            content_type="application/x-www-form-urlencoded",
        )

        assert (answer.status_code, answer.json()["status"]) == (200, "NEW")


class TestLookUp:
    def test_by_either_id(self, market: Market, client_a: Signed) -> None:
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000", newClientOrderId="mine"))

        found = client_a.ask("order", symbol=market.symbol, origClientOrderId="mine")

        order = stored(placed["orderId"])
        assert found == client_a.ask("order", symbol=market.symbol, orderId=order.pk)
        assert found == {
            "symbol": market.symbol,
            "orderId": order.pk,
            "orderListId": -1,
            "clientOrderId": "mine",
            "stopPrice": "0.00000000",
            "icebergQty": "0.00000000",
            "price": "49000.00000000",
            "origQty": "1.00000000",
            "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "time": ms(order.created_at),
            "updateTime": ms(order.updated_at),
            "isWorking": True,
            "workingTime": ms(order.created_at),
            "selfTradePreventionMode": "EXPIRE_TAKER",
        }

    def test_of_anothers_finds_nothing(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        theirs = client_b.do("order", **limit(market, "BUY", "1", "49000", newClientOrderId="mine"))
        for name, value in (("orderId", theirs["orderId"]), ("origClientOrderId", "mine")):
            refused(
                client_a.look("order", symbol=market.symbol, **{name: value}), -2013, "Order does not exist."
            )

    def test_needs_an_id(self, market: Market, client_a: Signed) -> None:
        refused(
            client_a.look("order", symbol=market.symbol),
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        )

    def test_lists_what_is_open_and_what_was(
        self, market: Market, client_a: Signed, client_b: Signed
    ) -> None:
        ids = [
            client_a.do("order", **limit(market, "BUY", "1", price))["orderId"]
            for price in ("49000", "49001", "49002")
        ]
        client_b.do("order", **limit(market, "SELL", "1", "49002"))

        def listed(path: str, **more: Any) -> list[int]:
            return [row["orderId"] for row in client_a.ask(path, **more)]

        assert listed("openOrders", symbol=market.symbol) == ids[:2]
        assert listed("openOrders") == ids[:2]
        assert listed("allOrders", symbol=market.symbol) == ids
        assert listed("allOrders", symbol=market.symbol, limit=1) == ids[2:]
        assert listed("allOrders", symbol=market.symbol, orderId=ids[1], limit=1) == [ids[1]]
        second = stored(ids[1]).created_at
        assert listed("allOrders", symbol=market.symbol, endTime=ms(second) - 1) == ids[:1]
        assert client_b.ask("openOrders") == []

    def test_lists_own_trades(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        maker = client_b.do("order", **limit(market, "SELL", "1", "50000"))["orderId"]
        takers = [client_a.do("order", **limit(market, "BUY", "0.1", "50000"))["orderId"] for _ in range(2)]

        rows = client_a.ask("myTrades", symbol=market.symbol)

        fill = Fill.objects.get(order_id=takers[0])
        assert rows[0] == {
            "symbol": market.symbol,
            "id": fill.trade_id,
            "orderId": takers[0],
            "orderListId": -1,
            "price": "50000.00000000",
            "qty": "0.10000000",
            "quoteQty": "5000.00000000",
            "commission": "5.00000000",
            "commissionAsset": market.instrument.quote.code,
            "time": ms(fill.at),
            "isBuyer": True,
            "isMaker": False,
            "isBestMatch": True,
        }
        assert [row["orderId"] for row in rows] == takers
        later = client_a.ask("myTrades", symbol=market.symbol, fromId=rows[1]["id"])
        assert [row["id"] for row in later] == [rows[1]["id"]]
        of_one = client_a.ask("myTrades", symbol=market.symbol, orderId=takers[1])
        assert [row["orderId"] for row in of_one] == takers[1:]
        theirs = client_b.ask("myTrades", symbol=market.symbol, orderId=maker)
        assert [(row["isMaker"], row["isBuyer"]) for row in theirs] == [(True, False)] * 2
        assert client_a.ask("myTrades", symbol=market.symbol, orderId=maker) == []


class TestCancel:
    @pytest.mark.parametrize("by", ["orderId", "origClientOrderId"])
    def test_shows_the_order_under_both_names(self, market: Market, client_a: Signed, by: str) -> None:
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000", newClientOrderId="mine"))
        which = {"orderId": placed["orderId"], "origClientOrderId": "mine"}[by]

        answer = client_a.do(
            "order", "DELETE", symbol=market.symbol, newClientOrderId="the-end", **{by: which}
        )

        order = stored(placed["orderId"])
        assert answer == {
            "symbol": market.symbol,
            "orderId": order.pk,
            "orderListId": -1,
            "clientOrderId": "the-end",
            "origClientOrderId": "mine",
            "transactTime": ms(order.updated_at),
            "price": "49000.00000000",
            "origQty": "1.00000000",
            "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "status": "CANCELED",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "selfTradePreventionMode": "EXPIRE_TAKER",
        }

    @pytest.mark.parametrize("path", ["order", "openOrders"])
    def test_what_a_cancel_is_called_stands_in_the_journal(
        self, market: Market, client_a: Signed, path: str
    ) -> None:
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000"))
        one = {"orderId": placed["orderId"]} if path == "order" else {}

        answer = client_a.do(path, "DELETE", symbol=market.symbol, **one)

        shown = answer if path == "order" else answer[0]
        cancel = Command.objects.get(kind__in=[CommandKind.CANCEL, CommandKind.MASS_CANCEL])
        assert shown["clientOrderId"] == cancel.client_request_id
        assert len(cancel.client_request_id) == 22

    def test_of_what_is_not_open_is_refused(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000"))["orderId"]
        before = everything_stored()
        refused(
            client_b.send("order", "DELETE", symbol=market.symbol, orderId=placed),
            -2011,
            "Unknown order sent.",
        )
        assert everything_stored() == before
        client_a.do("order", "DELETE", symbol=market.symbol, orderId=placed)
        refused(
            client_a.send("order", "DELETE", symbol=market.symbol, orderId=placed),
            -2011,
            "Unknown order sent.",
        )

    def test_may_be_meant_for_some_orders_only(
        self, market: Market, client_a: Signed, client_b: Signed
    ) -> None:
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000"))["orderId"]
        client_b.do("order", **limit(market, "SELL", "0.5", "49000"))

        def cancel(restriction: str) -> Any:
            return client_a.send(
                "order",
                "DELETE",
                symbol=market.symbol,
                orderId=placed,
                cancelRestrictions=restriction,
            )

        refused(cancel("ONLY_NEW"), -2011, "Order was not canceled due to cancel restrictions.")
        refused(cancel("ONLY_OLD"), -1145, "Invalid cancelRestrictions")
        assert cancel("ONLY_PARTIALLY_FILLED").json()["status"] == "CANCELED"

    def test_of_all_shows_each(self, market: Market, client_a: Signed) -> None:
        orders = [limit(market, "BUY", "1", price) for price in ("49000", "48999")]
        ids = [client_a.do("order", **order)["orderId"] for order in orders]

        rows = client_a.do("openOrders", "DELETE", symbol=market.symbol)

        assert [(row["orderId"], row["status"]) for row in rows] == [(number, "CANCELED") for number in ids]
        refused(client_a.send("openOrders", "DELETE", symbol=market.symbol), -2011, "Unknown order sent.")


class TestCounts:
    def test_of_unfilled_orders_are_in_the_head_of_each_answer(
        self, market: Market, client_a: Signed, client_b: Signed
    ) -> None:
        def heads(answer: Any) -> tuple[int, int]:
            return int(answer["X-MBX-ORDER-COUNT-10S"]), int(answer["X-MBX-ORDER-COUNT-1D"])

        for count in (1, 2):
            tens, days = heads(client_a.send("order", **limit(market, "BUY", "1", "49000")))
            assert days == count
            assert tens in {1, count}
        taken = client_b.send("order", **limit(market, "SELL", "1", "49000"))
        assert heads(taken) == (0, 0)
        assert [row["count"] for row in client_a.ask("rateLimit/order")][1] == 2

    def test_beyond_the_limit_are_refused_and_cancels_are_not(
        self, market: Market, client_a: Signed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rates, "_tiers", {None: Allowance(orders_1d=1)})
        monkeypatch.setattr(rates, "_fresh_until", float("inf"))
        placed = client_a.do("order", **limit(market, "BUY", "1", "49000"))["orderId"]
        before = everything_stored()

        answer = client_a.send("order", **limit(market, "BUY", "1", "49000"))

        refused(answer, -1015, "Too many new orders; current limit is 1 orders per 1 DAY.", 429)
        assert 1 <= int(answer["Retry-After"]) <= 86_400
        assert everything_stored() == before
        assert client_a.do("order", "DELETE", symbol=market.symbol, orderId=placed)["status"] == "CANCELED"


def test_balances(market: Market, alice: TradingAccount, client_a: Signed) -> None:
    client_a.do("order", **limit(market, "SELL", "40", "50000"))

    found = client_a.ask("account")

    balances = {row["asset"]: (row["free"], row["locked"]) for row in found.pop("balances")}
    assert balances == {
        market.instrument.base.code: ("60.00000000", "40.00000000"),
        market.instrument.quote.code: ("10000000.00000000", "0.00000000"),
    }
    assert found.pop("updateTime") > 0
    rates = found.pop("commissionRates")
    assert (rates["buyer"], rates["seller"]) == ("0.00000000", "0.00000000")
    assert {name: found[name] for name in ("canTrade", "accountType", "permissions", "uid")} == {
        "canTrade": True,
        "accountType": "SPOT",
        "permissions": ["SPOT"],
        "uid": alice.pk,
    }
