"""Order intake is stopped: new orders are refused, cancels are taken, and what is there stays and trades."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from accounts.models import TradingAccount
from audit.models import AuditRecord
from orders.models import KillEffect, Order
from risk.models import KillScope
from tests.api.client import order_body, refused, signed_in
from tests.factories import Market, everything_stored, make_market, stored
from tests.orders.killing import press, stage_of, step
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    return market.trader()


@pytest.mark.parametrize("scope", [KillScope.GLOBAL, KillScope.INSTRUMENT, KillScope.ACCOUNT])
def test_new_orders_and_amends_are_refused_and_cancels_taken(
    market: Market, alice: TradingAccount, scope: KillScope
) -> None:
    resting = market.buy(alice, 2, 49000)
    market.drain()
    names = {KillScope.INSTRUMENT: market.symbol, KillScope.ACCOUNT: alice.account_number}
    press(scope, names.get(scope, ""), keep_orders=True)
    api, before = signed_in(alice), everything_stored()

    body = refused(api.post("/orders?wait=0", order_body(market, alice)), "killed", 409)
    assert body["context"] == {"scope": scope.value, "stage": "no_orders"}
    refused(api.patch(f"/orders/{resting}?wait=0", {"price": "48000"}), "killed", 409)
    assert everything_stored() == before

    assert stored(resting).status == "open"
    assert api.delete(f"/orders/{resting}?wait=0").status_code == 202
    market.drain()
    assert stored(resting).status == "cancelled"


def test_what_was_accepted_before_is_matched(market: Market, alice: TradingAccount) -> None:
    market.sell(market.trader(), 1, 50000)
    market.drain()
    waiting = market.buy(alice, 1, 50000)
    press(keep_orders=True)

    market.drain()

    assert stored(waiting).status == "filled"
    assert KillEffect.objects.count() == 0


def test_two_people_open_it_again_in_one_step(market: Market, alice: TradingAccount) -> None:
    pressed = press(keep_orders=True)
    assert press(keep_orders=True).already
    step(pressed.act.switch)

    assert stage_of(pressed) == "open"
    market.buy(alice, 1, 49000)
    market.drain()
    assert Order.objects.get().status == "open"
    actions = AuditRecord.objects.filter(target_type="risk.killswitch").order_by("id")
    assert [record.action for record in actions] == ["risk.kill_switch.stop", "risk.kill_switch.release"]


def test_it_may_be_followed_by_a_stop_of_all_and_does_not_soften_one(
    market: Market, alice: TradingAccount
) -> None:
    resting = market.buy(alice, 2, 49000)
    market.drain()
    press(keep_orders=True)
    pressed = press()
    market.drain()
    assert (stage_of(pressed), stored(resting).status) == ("stopped", "cancelled")

    assert press(keep_orders=True).already
    assert stage_of(pressed) == "stopped"
    step(pressed.act.switch)
    with pytest.raises(Refusal) as refusal:
        press(keep_orders=True)
    assert refusal.value.code == Code.NO_CHANGE
    assert stage_of(pressed) == "limit_only"


def test_from_a_shell_with_the_database_alone(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("kill", everything=True, keep_orders=True, reason="disk is filling")
    assert "no new orders" in capsys.readouterr().out.lower()
