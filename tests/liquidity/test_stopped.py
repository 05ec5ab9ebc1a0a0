"""The kill switch at the dealing desk: nobody deals with the house while his scope is stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from liquidity.services.stopping_out import liquidate
from liquidity.services.watching import watch_exits
from risk.models import KillScope
from tests.factories import ACTOR
from tests.liquidity.floor import Floor, all_dealt, figures, only_open
from tests.orders.killing import press, step
from tradeplatform.common.errors import Code, Refusal


@pytest.fixture
def account(floor: Floor) -> TradingAccount:
    return floor.account()


def refused(deal: Callable[[], Any]) -> Refusal:
    before = all_dealt()
    with pytest.raises(Refusal) as caught:
        deal()
    assert all_dealt() == before
    return caught.value


@pytest.mark.parametrize("scope", [KillScope.GLOBAL, KillScope.INSTRUMENT, KillScope.ACCOUNT])
def test_nothing_is_opened_or_closed_while_its_scope_is_stopped(
    floor: Floor, account: TradingAccount, scope: KillScope
) -> None:
    floor.buy(account, "0.1")
    names = {KillScope.INSTRUMENT: "EURUSD", KillScope.ACCOUNT: account.account_number}

    press(scope, names.get(scope, ""))

    assert refused(lambda: floor.buy(account, "0.1")).context["scope"] == scope
    assert refused(lambda: floor.close(only_open(account))).code == Code.KILLED


def test_others_go_on(floor: Floor, account: TradingAccount) -> None:
    press(KillScope.ACCOUNT, account.account_number)

    assert figures(floor.buy(floor.account(), "0.1")) == [("open", "0.1", "1.1002", "0")]


def test_exits_and_stop_outs_wait_until_it_is_open(floor: Floor, account: TradingAccount) -> None:
    floor.buy(account, "0.1", stop_loss="1.0900")
    pressed = press()
    floor.quote("EURUSD", "1.0800", "1.0802")

    assert watch_exits(now=floor.now) == 0
    step(pressed.act.switch)
    assert watch_exits(now=floor.now) == 0  # a deal is at the market's price
    step(pressed.act.switch)

    assert watch_exits(now=floor.now) == 1
    assert not liquidate(account.pk, actor=ACTOR, now=floor.now, reason="stop-out")
