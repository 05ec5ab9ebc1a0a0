"""The kill switch while others are at work: it waits for nobody, and who had not seen it changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import KillEffect, OrderStatus, Shard, Side, Trade
from orders.services.kill_switch import bring_into_effect
from risk.models import KillAct, KillScope, KillStage
from tests.factories import Market, stored
from tests.orders.killing import effect_of, press, stage_of, step
from tests.threads import PATIENCE, all_at_once, elsewhere, start_elsewhere
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Lets those who wait go on; at the end too."""
    event = threading.Event()
    yield event
    event.set()


def test_many_hands_press_once(market: Market) -> None:
    pressed = all_at_once([press] * 8)

    assert not [found for found in pressed if isinstance(found, Exception)]
    assert KillAct.objects.count() == 1
    assert KillEffect.objects.filter(shard=market.shard).count() == 1


def test_a_press_waits_for_no_drain_and_takes_effect_right_behind_it(
    market: Market, buyer: TradingAccount, seller: TradingAccount, go: threading.Event
) -> None:
    """A worker holds the shard: from the press on intake refuses; its batch is the last that trades."""
    third = market.trader()
    market.buy(buyer, 1, 50000)
    market.sell(seller, 1, 50000)
    drained = threading.Event()

    def work() -> None:
        with transaction.atomic():
            market.drain()
            drained.set()
            assert go.wait(PATIENCE)

    worker = start_elsewhere(work)
    assert drained.wait(PATIENCE)
    late = market.sell(third, 1, 50000)

    pressed = press()
    with pytest.raises(Refusal) as caught:
        market.buy(third, 1, 50000)
    assert caught.value.code == Code.KILLED
    waiter = start_elsewhere(lambda: bring_into_effect(pressed.act, clock=timezone.now, grace=0))
    assert effect_of(pressed, market.shard.id).position is None
    go.set()
    worker.result(PATIENCE)
    waiter.result(PATIENCE)
    market.drain()

    assert effect_of(pressed, market.shard.id).position == 3
    assert Trade.objects.count() == 1
    assert stored(late).reason == "killed"


def test_an_order_whose_intake_had_not_seen_the_press_dies_in_the_drain(
    market: Market, buyer: TradingAccount, seller: TradingAccount, go: threading.Event
) -> None:
    resting = market.buy(buyer, 1, 49000)
    checked = threading.Event()

    def send() -> int:
        with transaction.atomic():
            order_id = market.sell(seller, 1, 49000)
            checked.set()
            assert go.wait(PATIENCE)
        return order_id

    sender = start_elsewhere(send)
    assert checked.wait(PATIENCE)
    pressed = press()
    bring_into_effect(pressed.act, clock=timezone.now, grace=0)
    go.set()
    late = sender.result(PATIENCE)
    market.drain()

    assert (stored(late).status, stored(late).reason) == (OrderStatus.REJECTED, "killed")
    assert stored(resting).reason == "killed"
    assert not Trade.objects.exists()


def test_an_order_that_is_on_its_way_since_before_the_press_holds_the_release_back(
    market: Market, seller: TradingAccount, go: threading.Event
) -> None:
    """Nobody sees it yet. It would have come into an open book, sent before all that was stopped."""
    checked = threading.Event()

    def send() -> int:
        with transaction.atomic():
            order_id = market.sell(seller, 1, 49000)
            checked.set()
            assert go.wait(PATIENCE)
        return order_id

    sender = start_elsewhere(send)
    assert checked.wait(PATIENCE)
    pressed = press()
    bring_into_effect(pressed.act, clock=timezone.now, grace=0)
    with pytest.raises(Refusal) as caught:
        step(pressed.act.switch)
    assert (caught.value.code, caught.value.context) == (
        Code.KILL_NOT_IN_EFFECT,
        {"shards": [], "sending": 1},
    )
    assert stage_of(pressed) == KillStage.STOPPED

    go.set()
    late = sender.result(PATIENCE)
    with pytest.raises(Refusal) as caught:
        step(pressed.act.switch)
    assert caught.value.context == {"shards": [market.shard.id]}
    market.drain()
    step(pressed.act.switch)

    assert (stored(late).status, stored(late).reason) == (OrderStatus.REJECTED, "killed")


def test_who_sends_since_the_press_does_not_hold_the_release_back(
    market: Market, trader: TradingAccount, buyer: TradingAccount, go: threading.Event
) -> None:
    pressed = press(KillScope.ACCOUNT, trader.account_number)
    bring_into_effect(pressed.act, clock=timezone.now, grace=0)
    sent = threading.Event()

    def send() -> None:
        with transaction.atomic():
            market.buy(buyer, 1, 49000)
            sent.set()
            assert go.wait(PATIENCE)

    sender = start_elsewhere(send)
    assert sent.wait(PATIENCE)

    step(pressed.act.switch)

    assert stage_of(pressed) == KillStage.LIMIT_ONLY
    go.set()
    sender.result(PATIENCE)


def test_who_presses_does_not_wait_for_a_worker_that_is_dead(market: Market, buyer: TradingAccount) -> None:
    """Its last transaction was rolled back with it; its owner's mark is still on the shard."""
    order_id = market.buy(buyer, 1, 49000)
    market.drain()
    Shard.objects.filter(id=market.shard.id).update(owner="a worker that is no more")

    pressed = press()
    effects = elsewhere(lambda: bring_into_effect(pressed.act, clock=timezone.now, grace=0.05))

    assert {effect.position is None for effect in effects} == {False}
    assert stored(order_id).reason == "killed"


def test_a_shard_that_nobody_lets_go_is_told_of_and_takes_no_order_either(
    market: Market, buyer: TradingAccount, go: threading.Event
) -> None:
    held = threading.Event()

    def freeze() -> None:
        with transaction.atomic():
            Shard.objects.select_for_update(no_key=True).get(id=market.shard.id)
            held.set()
            assert go.wait(PATIENCE)

    frozen = start_elsewhere(freeze)
    assert held.wait(PATIENCE)
    order = market.request(buyer, Side.BUY, 1, 49000)
    pressed = press()

    (effect,) = bring_into_effect(pressed.act, clock=timezone.now, grace=0, patience=0.6)

    assert effect.position is None
    with pytest.raises(Refusal):
        market.send(order)
    go.set()
    frozen.result(PATIENCE)
