"""The scenarios of dealing: EURUSD 1.1000/1.1002, contract 100,000, 10,000 USD, leverage 100."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import LedgerKind, Position, TradingAccount
from instruments.models import Quote
from liquidity.services.watching import watch_exits
from tests.factories import make_group, short
from tests.liquidity.floor import (
    Floor,
    all_dealt,
    balance,
    figures,
    house,
    money_lines,
    only_open,
)
from tradeplatform.common.errors import Code, Refusal


@pytest.fixture
def account(floor: Floor) -> TradingAccount:
    return floor.account()


def test_ac_45_buy_a_tenth_opens_at_ask(floor: Floor, account: TradingAccount) -> None:
    deals = floor.buy(account, "0.1")

    assert figures(deals) == [("open", "0.1", "1.1002", "0")]
    assert deals[0].entry_id is None
    state = floor.margin(account)
    assert short(state.standing.margin) == "110.02"
    assert balance(account) == "10000"


def test_ac_46_closed_at_once_it_lost_the_spread(floor: Floor, account: TradingAccount) -> None:
    floor.buy(account, "0.1")

    deals = floor.close(only_open(account))

    assert figures(deals) == [("close", "0.1", "1.1", "-2")]
    assert balance(account) == "9998"
    assert house(account.currency, LedgerKind.DEALING) == "2"
    assert money_lines(deals[0]) == [("deal_pnl", "client", "dealing", "2")]
    assert not floor.margin(account).valuation.worths


def test_ac_47_unrealised_equity_and_level_follow_the_bid(floor: Floor, account: TradingAccount) -> None:
    floor.buy(account, "0.1")

    floor.quote("EURUSD", "1.1050", "1.1052")

    standing = floor.margin(account).standing
    assert (short(standing.unrealised), short(standing.equity)) == ("48", "10048")
    assert standing.level == round(Decimal(10048) / Decimal("110.02") * 100, 2)


def test_ac_48_ten_lots_on_a_hundred_are_refused(floor: Floor) -> None:
    account = floor.account(100)
    before = all_dealt()

    with pytest.raises(Refusal) as caught:
        floor.buy(account, "10")

    assert caught.value.code == Code.INSUFFICIENT_MARGIN
    assert caught.value.context["required"] == "11002"
    assert all_dealt() == before


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"volume": "0.001"}, Code.QUANTITY_NOT_ON_STEP),
        ({"volume": "200"}, Code.QUANTITY_TOO_LARGE),
        ({"volume": "0"}, Code.INVALID_NUMBER),
        ({"volume": "-1"}, Code.INVALID_NUMBER),
        ({"volume": "NaN"}, Code.INVALID_NUMBER),
        ({"volume": "1e40"}, Code.INVALID_NUMBER),
        ({"symbol": "NOPE"}, Code.UNKNOWN_SYMBOL),
        ({"unquoted": True}, Code.NO_PRICE),
        ({"stale": True}, Code.NO_PRICE),
        ({"is_active": False}, Code.ACCOUNT_INACTIVE),
        ({"is_locked": True}, Code.ACCOUNT_LOCKED),
        ({"type": "live"}, Code.LEVERAGE_NOT_ALLOWED),
        ({"halted": True}, Code.INSTRUMENT_HALTED),
        ({"request_id": "x" * 65}, Code.INVALID_FIELD),
        ({"request_id": "a\0b"}, Code.INVALID_FIELD),
    ],
    ids=str,
)
def test_ac_49_each_refused_with_its_code_and_nothing_moved(
    floor: Floor, account: TradingAccount, how: dict[str, Any], code: Code
) -> None:
    eurusd = floor.instruments["EURUSD"]
    if how.get("unquoted"):
        Quote.objects.all().delete()
    if how.get("stale"):
        floor.now = floor.now.replace(minute=floor.now.minute + 2)
    if how.get("halted"):
        type(eurusd).objects.filter(pk=eurusd.pk).update(status="halted")
    changes = {name: how[name] for name in ("is_active", "is_locked", "type") if name in how}
    if changes:
        TradingAccount.objects.filter(pk=account.pk).update(**changes)
    before = all_dealt()

    with pytest.raises(Refusal) as caught:
        floor.buy(
            account, how.get("volume", "0.1"), how.get("symbol", "EURUSD"), request_id=how.get("request_id")
        )

    assert caught.value.code == code
    assert all_dealt() == before


def test_ac_49_below_the_least_volume(floor: Floor, account: TradingAccount) -> None:
    eurusd = floor.instruments["EURUSD"]
    type(eurusd).objects.filter(pk=eurusd.pk).update(min_quantity=Decimal("0.1"))

    with pytest.raises(Refusal) as caught:
        floor.buy(account, "0.09")

    assert (caught.value.code, caught.value.context["min"]) == (Code.QUANTITY_TOO_SMALL, "0.1")


def test_ac_50_closing_half_leaves_half_open(floor: Floor, account: TradingAccount) -> None:
    floor.buy(account, "1")
    floor.quote("EURUSD", "1.1050", "1.1052")
    position = only_open(account)

    deals = floor.close(position, "0.5")

    assert figures(deals) == [("close", "0.5", "1.105", "240")]
    position.refresh_from_db()
    assert (short(position.volume), short(position.cost), position.is_open) == ("0.5", "0.5501", True)
    assert (short(position.pnl), balance(account)) == ("240", "10240")


@pytest.mark.parametrize(("buys", "pnl"), [(True, "500"), (False, "-500")])
def test_ac_51_one_lot_over_fifty_pips(floor: Floor, buys: bool, pnl: str) -> None:
    floor.quote("EURUSD", "1.1000", "1.1000")
    account = floor.account()
    floor.deal(account, "1", "EURUSD", buys=buys)

    floor.quote("EURUSD", "1.1050", "1.1050")

    assert figures(floor.close(only_open(account))) == [("close", "1", "1.105", pnl)]


@pytest.mark.parametrize(
    ("symbol", "price", "leverage", "margin"),
    [
        ("EURUSD", "1.1", 100, "1100"),
        ("EURUSD", "1.1", 500, "220"),
        ("ETHUSD", "2000", 100, "20"),
    ],
)
def test_ac_52_margin_by_leverage(floor: Floor, symbol: str, price: str, leverage: int, margin: str) -> None:
    account = floor.account(leverage=leverage)
    floor.quote(symbol, price, price)

    floor.buy(account, "1", symbol)

    assert short(floor.margin(account).standing.margin) == margin


def test_ac_52_under_a_regulators_cap(floor: Floor) -> None:
    account = floor.account(leverage=100, group=make_group(leverage_regime="esma"))
    floor.buy(account, "0.1", "EURUSD")
    floor.buy(account, "1", "ETHUSD")

    # 11002 / 30 and 2000 / 2.
    assert short(floor.margin(account).standing.margin) == "1366.73"


@pytest.mark.parametrize(
    ("buys", "exit_name", "exit_price", "before", "touch", "kind", "price"),
    [
        (True, "stop_loss", "1.09500", ("1.09501", "1.09521"), ("1.0950", "1.0952"), "stop_loss", "1.095"),
        (False, "stop_loss", "1.10500", ("1.10480", "1.10499"), ("1.1048", "1.1050"), "stop_loss", "1.105"),
        (True, "take_profit", "1.10500", ("1.10499", "1.1052"), ("1.1050", "1.1052"), "take_profit", "1.105"),
        (False, "take_profit", "1.09500", ("1.09", "1.09501"), ("1.09", "1.0950"), "take_profit", "1.095"),
        # A gap: closed at what there is, not at what was wished.
        (True, "stop_loss", "1.09500", ("1.0960", "1.0962"), ("1.0900", "1.0902"), "stop_loss", "1.09"),
    ],
)
def test_ac_53_a_touch_closes_at_that_sides_price_and_says_why(
    floor: Floor,
    account: TradingAccount,
    buys: bool,
    exit_name: str,
    exit_price: str,
    before: tuple[str, str],
    touch: tuple[str, str],
    kind: str,
    price: str,
) -> None:
    exits: dict[str, Any] = {exit_name: exit_price}
    floor.deal(account, "0.1", "EURUSD", buys=buys, **exits)
    floor.quote("EURUSD", *before)
    assert watch_exits(now=floor.now) == 0
    floor.quote("EURUSD", *touch)

    assert watch_exits(now=floor.now) == 1

    position = Position.objects.get(account=account)
    deal = position.deals.order_by("-id")[0]
    assert (position.is_open, deal.kind, short(deal.price or Decimal(0))) == (False, kind, price)
    assert watch_exits(now=floor.now) == 0
