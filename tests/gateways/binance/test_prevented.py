"""Prevented matches: who would have met whom, at which price, and what was taken off."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import OrderType
from tests.factories import Market, stored
from tests.feed.talk import eventually
from tests.gateways.binance.client import Signed, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("book")]


def placed(client: Signed, market: Market, side: str, quantity: str, price: str, **more: Any) -> int:
    """The id of a new limit order."""
    words = {"symbol": market.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return int(client.do("order", **words, quantity=quantity, price=price, **more)["orderId"])


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("EXPIRE_TAKER", None, "2.00000000"),
        ("EXPIRE_MAKER", "1.00000000", None),
        ("EXPIRE_BOTH", "1.00000000", "2.00000000"),
        ("DECREMENT", "1.00000000", "1.00000000"),
    ],
)
def test_says_both_orders_and_what_each_lost(
    market: Market, client_a: Signed, mode: str, maker: str | None, taker: str | None
) -> None:
    stood = placed(client_a, market, "SELL", "1", "50000")
    placed(client_a, market, "SELL", "1", "50002")
    came = placed(client_a, market, "BUY", "2", "50001", selfTradePreventionMode=mode)

    losing = stood if taker is None else came
    (match,) = client_a.ask("preventedMatches", symbol=market.symbol, orderId=losing)

    assert match.pop("transactTime") > 0
    assert client_a.ask(
        "myPreventedMatches", symbol=market.symbol, preventedMatchId=match["preventedMatchId"]
    )
    assert {name: value for name, value in match.items() if name != "preventedMatchId"} == {
        "symbol": market.symbol,
        "takerOrderId": came,
        "makerSymbol": market.symbol,
        "makerOrderId": stood,
        "tradeGroupId": -1,
        "selfTradePreventionMode": mode,
        "price": "50000.00000000",
    } | {
        name: value
        for name, value in (("makerPreventedQuantity", maker), ("takerPreventedQuantity", taker))
        if value is not None
    }


def test_each_meeting_is_one(market: Market, client_a: Signed) -> None:
    stood = [placed(client_a, market, "SELL", "1", price) for price in ("50000", "50001", "50002")]
    came = placed(client_a, market, "BUY", "5", "50002", selfTradePreventionMode="DECREMENT")

    matches = client_a.ask("preventedMatches", symbol=market.symbol, orderId=came)

    assert [match["makerOrderId"] for match in matches] == stood
    assert [match["takerPreventedQuantity"] for match in matches] == ["1.00000000"] * 3
    later = client_a.ask(
        "preventedMatches",
        symbol=market.symbol,
        orderId=came,
        fromPreventedMatchId=matches[1]["preventedMatchId"],
    )
    assert later == matches[1:]


def test_of_an_order_that_expired_in_match_are_named_by_it(market: Market, client_a: Signed) -> None:
    placed(client_a, market, "SELL", "1", "50000")
    came = placed(client_a, market, "BUY", "2", "50000")

    order = client_a.ask("order", symbol=market.symbol, orderId=came)

    assert (order["status"], order["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "2.00000000")
    (match,) = client_a.ask(
        "preventedMatches", symbol=market.symbol, preventedMatchId=order["preventedMatchId"]
    )
    assert match["takerOrderId"] == came


def test_of_an_order_that_expired_name_who_stood_there_then(
    market: Market, alice: TradingAccount, client_a: Signed
) -> None:
    """Whatever became of the orders since: the one that is best now is not the one that was met."""
    worse, best = (placed(client_a, market, "SELL", "2", price) for price in ("50001", "50000"))
    came = placed(client_a, market, "BUY", "1", "50002")
    before = client_a.ask("preventedMatches", symbol=market.symbol, orderId=came)
    assert [(match["makerOrderId"], match["price"]) for match in before] == [(best, "50000.00000000")]

    market.amend(best, alice, price=50003)
    market.amend(worse, alice, price=49999)
    placed(client_a, market, "SELL", "1", "49998")
    eventually(lambda: stored(worse).price == 49999 and stored(best).price == 50003)
    assert client_a.ask("preventedMatches", symbol=market.symbol, orderId=came) == before
    client_a.do("openOrders", method="DELETE", symbol=market.symbol)
    assert client_a.ask("preventedMatches", symbol=market.symbol, orderId=came) == before


def test_of_an_order_that_expired_know_the_turns_of_a_level(
    market: Market, alice: TradingAccount, client_a: Signed
) -> None:
    """A hidden order comes after all that is shown, one that was enlarged after those it stood before."""
    market.sell(alice, 1, 50000, display=0)
    enlarged = placed(client_a, market, "SELL", "1", "50000")
    first = placed(client_a, market, "SELL", "1", "50000")
    market.sell(alice, 1, 49000, kind=OrderType.STOP_LIMIT, trigger=48000)
    market.amend(enlarged, alice, quantity=2)
    eventually(lambda: stored(enlarged).quantity == 2)

    came = placed(client_a, market, "BUY", "1", "50000")

    (match,) = client_a.ask("preventedMatches", symbol=market.symbol, orderId=came)
    assert match["makerOrderId"] == first


def test_of_anothers_are_not_there(market: Market, client_a: Signed, client_b: Signed) -> None:
    placed(client_a, market, "SELL", "1", "50000")
    came = placed(client_a, market, "BUY", "2", "50000")
    number = client_a.ask("order", symbol=market.symbol, orderId=came)["preventedMatchId"]

    refused(
        client_b.look("preventedMatches", symbol=market.symbol, orderId=came), -2013, "Order does not exist."
    )
    assert client_b.ask("preventedMatches", symbol=market.symbol, preventedMatchId=number) == []
