"""Lists in the database and before the engine: ids, commands, holds, and what one leg does to the other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from accounts.models import TradingAccount
from audit.actor import Actor
from orders.models import Command, Order, OrderType, Side, Source, TimeInForce
from orders.services import books
from orders.services.changing import cancel_all_orders
from orders.services.order_lists import submit_list
from orders.services.requests import ListKind, NewList
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, short, stored
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=1_000_000)


def restart(market: Market) -> None:
    """Apply what waits, then throw the engine away: the next drain rebuilds it and compares the hash."""
    market.drain()
    books.forget(market.shard.id)


def test_children_are_sent_before_their_parent_and_pairs_by_id(
    market: Market, trader: TradingAccount
) -> None:
    entry, profit, loss = market.send_list(
        ListKind.BRACKET,
        market.request(trader, BUY, 1, 50000),
        market.request(trader, SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=52000),
        market.request(trader, SELL, 1, 47900, kind=OrderType.STOP_LIMIT, trigger=48000),
    )

    assert profit < loss < entry
    commands = Command.objects.order_by("id")
    assert [command.order_id for command in commands] == [profit, loss, entry]
    assert commands[0].terms == {
        "trigger": 2, "trigger_price": 5_200_000, "link": 3, "parent": entry, "partner": loss,
    }  # fmt: skip
    assert commands[1].terms == {
        "trigger": 1, "trigger_price": 4_800_000, "link": 3, "parent": entry, "partner": profit,
    }  # fmt: skip
    assert (commands[2].terms, commands[0].quantity_lots) == (None, 10_000)
    rows = Order.objects.order_by("id").values_list(
        "id", "list_id", "parent_id", "partner_id", "link", "leaves"
    )
    assert list(rows) == [
        (profit, profit, entry, loss, "attached", Decimal(0)),
        (loss, profit, entry, profit, "attached", Decimal(0)),
        (entry, profit, 0, 0, "", Decimal(1)),
    ]


def test_a_market_child_is_protected_around_its_parents_price(market: Market, trader: TradingAccount) -> None:
    """The parent waits for 60000; what follows it must not be protected around today's 50000."""
    parent, child = market.send_list(
        ListKind.OTO,
        market.request(trader, SELL, 1, 61000, kind=OrderType.STOP_LIMIT, trigger=60000),
        market.request(trader, BUY, 1),
    )

    assert short(stored(child).protection_price or Decimal(0)) == "67100"
    market.drain()
    assert (stored(parent).status, stored(child).status) == ("pending_trigger", "waiting")


def test_a_market_child_trades_when_its_parent_is_filled(market: Market, trader: TradingAccount) -> None:
    parent, child = market.send_list(
        ListKind.OTO, market.request(trader, BUY, 1, 50000), market.request(trader, SELL, 1)
    )
    restart(market)
    market.buy(market.trader(), 2, 49900)

    market.sell(market.trader(), 1, 50000)
    market.drain()

    assert (stored(parent).status, stored(child).status) == ("filled", "filled")
    assert market.trades() == [("1", "50000"), ("1", "49900")]
    assert money(trader, market.instrument.base) == ("10", "0")


def test_a_reduce_only_pair_is_cut_as_one(market: Market, trader: TradingAccount) -> None:
    market.sell(trader, 8, 54000)
    limit, stop = market.send_list(
        ListKind.OCO,
        market.request(trader, SELL, 5, 51000, reduce_only=True),
        market.request(trader, SELL, 5, kind=OrderType.STOP, trigger=49000, reduce_only=True),
    )
    restart(market)

    assert money(trader, market.instrument.base) == ("10", "10")
    assert [(short(stored(one).leaves), short(stored(one).prevented)) for one in (limit, stop)] == [
        ("2", "3"),
        ("2", "3"),
    ]
    market.buy(market.trader(), 9, 49000)
    market.sell(market.trader(), "0.1")
    market.drain()
    assert (stored(limit).status, short(stored(stop).filled)) == ("cancelled", "2")
    assert money(trader, market.instrument.base) == ("8", "8")


@pytest.mark.parametrize("kind", ListKind)
def test_a_list_without_enough_orders_is_refused(
    market: Market, trader: TradingAccount, kind: ListKind
) -> None:
    before = everything_stored()

    for orders in ([], [market.request(trader, BUY, 1, 50000)]):
        with pytest.raises(Refusal) as caught:
            submit_list(asked=NewList(kind=kind, orders=orders), actor=ACTOR, source=Source.API, now=NOW)
        assert caught.value.code == Code.INVALID_COMBINATION

    assert everything_stored() == before


def test_orders_of_two_accounts_or_markets_are_no_list(market: Market, trader: TradingAccount) -> None:
    other = make_market(base=market.instrument.base, quote=market.instrument.quote)
    leg = market.request(trader, SELL, 1, 51000)
    before = everything_stored()

    for change in ({"account_id": market.trader().id}, {"symbol": other.symbol}):
        before = everything_stored()
        with pytest.raises(Refusal) as caught:
            market.send_list(ListKind.OCO, leg, replace(leg, **change))
        assert caught.value.code == Code.INVALID_COMBINATION
        assert everything_stored() == before


@pytest.mark.parametrize(
    "change",
    [
        {"kind": OrderType.TRAILING_STOP, "trail": 100},
        {"kind": OrderType.STOP, "trigger": 48000, "minimum": 1},
        {"kind": OrderType.TAKE_PROFIT, "trigger": 48000},
    ],
)
def test_exits_are_what_they_are_called(
    market: Market, trader: TradingAccount, change: dict[str, object]
) -> None:
    before = everything_stored()

    with pytest.raises(Refusal) as caught:
        market.send_list(
            ListKind.BRACKET,
            market.request(trader, BUY, 1, 50000),
            market.request(trader, SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=52000),
            market.request(trader, SELL, 1, **change),  # type: ignore[arg-type]
        )

    assert caught.value.code == Code.INVALID_COMBINATION
    assert everything_stored() == before


def test_the_credential_of_the_actor_is_stored_and_cancels(market: Market, trader: TradingAccount) -> None:
    mine = Actor.user(user_id=trader.user.pk, label="me", credential="session:1")
    legs = [market.request(trader, SELL, 1, 51000), market.request(trader, SELL, 1, 52000)]
    submit_list(asked=NewList(kind=ListKind.OCO, orders=legs), actor=mine, source=Source.API, now=NOW)
    market.sell(trader, 1, 53000)
    market.drain()

    requested = cancel_all_orders(account_id=trader.id, credential="session:1", actor=mine, now=NOW)
    market.drain()

    assert len(requested) == 2
    assert sorted(Order.objects.values_list("credential", "status")) == [
        ("", "open"),
        ("session:1", "cancelled"),
        ("session:1", "cancelled"),
    ]


def test_a_dated_list_expires_whole(market: Market, trader: TradingAccount) -> None:
    entry, child = market.send_list(
        ListKind.OTO,
        market.request(trader, BUY, 1, 49000, tif=TimeInForce.DAY),
        market.request(trader, SELL, 1, 51000),
    )
    restart(market)
    end = stored(entry).expires_at
    assert end is not None

    market.buy(market.trader(), "0.1", 48000)
    market.send(market.request(market.trader(), BUY, "0.1", 48000), now=end)
    market.drain(now=end)

    assert (stored(entry).status, stored(entry).reason) == ("expired", "expired")
    assert (stored(child).status, stored(child).reason) == ("cancelled", "parent_ended")
    assert money(trader, market.instrument.quote) == ("1000000", "0")
