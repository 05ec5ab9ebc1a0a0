"""Orders and cancels in one list: one transaction, and the engine sees them in the order of the list."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from accounts.models import TradingAccount
from orders.models import Command, EventKind, OrderStatus, Side, Source
from orders.services.intake import submit_requests
from orders.services.requests import Accepted, CancelOrder, Denied, NewOrder, Outcome, Requested
from tests.factories import ACTOR, NOW, everything_stored, make_market, money, stored
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


def send(requests: Sequence[NewOrder | CancelOrder]) -> list[Outcome | Requested]:
    return submit_requests(requests=requests, actor=ACTOR, source=Source.API, now=NOW)


def cancel(account: TradingAccount, name: str) -> CancelOrder:
    return CancelOrder(account_id=account.id, client_order_id=name)


def test_a_cancel_between_two_orders_keeps_them_from_meeting() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()

    placed, cancelled, bought = send(
        [
            market.request(seller, Side.SELL, 1, 50_000, client_order_id="ask"),
            cancel(seller, "ask"),
            market.request(buyer, Side.BUY, 1, 50_000, client_order_id="bid"),
        ]
    )
    market.drain()

    assert isinstance(placed, Accepted)
    assert isinstance(bought, Accepted)
    assert cancelled == Requested(command_id=command_of(placed, 1), order_id=placed.order_id, at=NOW)
    assert market.events() == [EventKind.ACCEPTED, EventKind.CANCELLED, EventKind.ACCEPTED]
    assert stored(placed.order_id).status == OrderStatus.CANCELLED
    assert stored(bought.order_id).status == OrderStatus.OPEN
    assert money(seller, market.instrument.base) == ("100", "0")


def command_of(order: Accepted, place: int) -> int:
    """The id of the order's command at this place of its life."""
    return list(Command.objects.filter(order_id=order.order_id).order_by("id").values_list("id", flat=True))[
        place
    ]


def test_a_cancel_after_the_trade_finds_the_order_filled() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()

    send(
        [
            market.request(seller, Side.SELL, 1, 50_000, client_order_id="ask"),
            market.request(buyer, Side.BUY, 1, 50_000, client_order_id="bid"),
            cancel(seller, "ask"),
        ]
    )
    market.drain()

    assert market.events() == [
        EventKind.ACCEPTED,
        EventKind.ACCEPTED,
        EventKind.TRADE,
        EventKind.CANCEL_REJECTED,
    ]
    assert market.trades() == [("1", "50000")]


def test_earlier_orders_are_cancelled_by_their_names() -> None:
    market = make_market()
    trader = market.trader()
    order_ids = [market.buy(trader, 1, 50_000, client_order_id=name) for name in ("first", "second")]
    market.drain()

    outcomes = send([cancel(trader, "second"), cancel(trader, "first")])
    market.drain()

    assert [outcome.order_id for outcome in outcomes if isinstance(outcome, Requested)] == order_ids[::-1]
    assert [stored(number).status for number in order_ids] == [OrderStatus.CANCELLED] * 2
    assert money(trader, market.instrument.quote) == ("10000000", "0")


@pytest.mark.parametrize("name", ["never-sent", "a\0b", "x" * 300, ""])
def test_a_cancel_of_nothing_is_denied(name: str) -> None:
    market = make_market()
    trader = market.trader()
    before = everything_stored()

    (outcome,) = send([cancel(trader, name)])

    assert isinstance(outcome, Denied)
    assert outcome.refusal.code == Code.ORDER_NOT_FOUND
    assert everything_stored() == before
    assert not Command.objects.exists()


def test_a_cancel_before_its_order_or_of_another_account_is_denied() -> None:
    market = make_market()
    trader, stranger = market.trader(), market.trader()

    early, placed, foreign = send(
        [
            cancel(trader, "bid"),
            market.request(trader, Side.BUY, 1, 50_000, client_order_id="bid"),
            cancel(stranger, "bid"),
        ]
    )

    assert isinstance(placed, Accepted)
    assert [outcome.refusal.code for outcome in (early, foreign) if isinstance(outcome, Denied)] == [
        Code.ORDER_NOT_FOUND,
        Code.ORDER_NOT_FOUND,
    ]
    assert Command.objects.count() == 1


def test_the_cancel_of_a_denied_order_is_denied_too() -> None:
    market = make_market()
    trader = market.trader(base=0)

    denied, orphan = send(
        [market.request(trader, Side.SELL, 1, 50_000, client_order_id="ask"), cancel(trader, "ask")]
    )

    assert isinstance(denied, Denied)
    assert isinstance(orphan, Denied)
    assert (denied.refusal.code, orphan.refusal.code) == (Code.INSUFFICIENT_FUNDS, Code.ORDER_NOT_FOUND)
    assert not Command.objects.exists()


def test_a_list_sent_again_places_nothing_twice() -> None:
    market = make_market()
    trader = market.trader()
    requests: list[NewOrder | CancelOrder] = [
        market.request(trader, Side.BUY, 1, 50_000, client_order_id="bid"),
        cancel(trader, "bid"),
    ]
    (first, _), _ = send(requests), market.drain()
    before = everything_stored()

    repeated, too_late = send(requests)
    market.drain()

    assert isinstance(first, Accepted)
    assert repeated == Accepted(first.order_id, first.created_at, "bid", duplicate=True)
    assert isinstance(too_late, Denied)
    assert too_late.refusal.code == Code.ORDER_NOT_OPEN
    assert everything_stored() == before
