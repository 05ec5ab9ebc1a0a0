"""The kill switch: what a press stops, where it took effect, what stays open, and how it is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Role, TradingAccount
from audit.models import AuditRecord
from instruments.models import InstrumentStatus
from orders.kill_selectors import reach_of
from orders.models import (
    Command,
    CommandKind,
    KillEffect,
    Order,
    OrderStatus,
    OrderType,
    Shard,
    ShardStatus,
    Side,
    Source,
    Trade,
)
from orders.selectors import waiting_shards
from orders.services import books, changing
from orders.services.forecasting import forecast
from orders.services.intake import submit_order, submit_orders
from orders.services.kill_switch import Pressed, ask_release, bring_into_effect
from orders.services.replaying import replay_differences
from orders.services.requests import ListKind
from risk.models import KillAct, KillScope, KillStage, KillSwitch
from risk.services.stops import credential_of
from tests.accounts.keys import make_key
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import (
    ACTOR,
    NOW,
    Market,
    everything_stored,
    make_group,
    make_market,
    make_user,
    money,
    refusal_of,
    stored,
    tag,
)
from tests.orders.killing import effect_of, press, stage_of, step
from tests.orders.proofs import denied, refused
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db

KILLED = "killed"
WITH_KEY = replace(ACTOR, credential=credential_of(77))


@pytest.fixture(autouse=True)
def seen_from_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants are read through the connection of the test's own transaction."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    monkeypatch.setattr("orders.invariants.READ_ONLY", "default")


def all_hold() -> None:
    """Every invariant, iC5 and the replay among them."""
    assert [found for found in check_all() if not found.holds] == []


@pytest.fixture
def crossing(market: Market, buyer: TradingAccount, seller: TradingAccount) -> tuple[int, int, int]:
    """A bid that rests; behind it, accepted and not applied, an ask that would trade with it, and a bid."""
    resting = market.buy(buyer, 1, 50000)
    market.drain()
    return resting, market.sell(seller, 1, 50000), market.buy(buyer, 1, 49000)


class TestOrder:
    """What was accepted before the press and not applied dies; nothing trades from P on."""

    def test_nothing_fills_although_the_backlog_would_cross(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        pressed = press()

        market.drain()

        assert not Trade.objects.exists()
        assert [(stored(n).status, stored(n).reason) for n in crossing] == [
            (OrderStatus.CANCELLED, KILLED),
            (OrderStatus.REJECTED, KILLED),
            (OrderStatus.REJECTED, KILLED),
        ]
        assert effect_of(pressed, market.shard.id).cancelled == 1
        all_hold()

    def test_what_they_held_is_free_again(
        self, market: Market, crossing: tuple[int, int, int], buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        press()

        market.drain()

        assert money(buyer, market.instrument.quote)[1] == "0"
        assert money(seller, market.instrument.base)[1] == "0"

    def test_the_position_is_the_place_before_the_backlog(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        """Of six commands the effect is the second, though it was asked for last."""
        pressed = press()

        market.drain()

        effect = effect_of(pressed, market.shard.id)
        assert (effect.position, effect.commands) == (2, 1)
        journal = Command.objects.filter(shard_id=market.shard.id).order_by("position")
        assert list(journal.values_list("kind", "reason_code")) == [
            (CommandKind.NEW, 0),
            (CommandKind.MASS_CANCEL, 30),
            (CommandKind.NEW, 30),
            (CommandKind.NEW, 30),
        ]
        assert sorted(journal.values_list("id", flat=True)) != list(journal.values_list("id", flat=True))

    def test_a_replay_from_zero_refuses_the_same(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        press()
        market.drain()

        assert replay_differences() == (4, [])

    def test_a_backlog_longer_than_a_batch_dies_to_its_last_order(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        press()

        market.drain(batch=1)

        assert not Order.objects.live().exists()
        assert not Trade.objects.exists()

    def test_an_amend_that_waits_dies_and_gives_back_what_it_held(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 1, 49000)
        market.drain()
        market.sell(seller, 1, 50000)
        market.amend(order_id, buyer, price=50000)

        press()
        market.drain()

        assert not Trade.objects.exists()
        assert money(buyer, market.instrument.quote)[1] == "0"
        all_hold()

    def test_parked_orders_and_lists_end_too(self, market: Market, trader: TradingAccount) -> None:
        stop = market.sell(trader, 1, kind=OrderType.STOP, trigger=48000)
        bracket = market.send_list(
            ListKind.OCO,
            market.request(trader, Side.SELL, 1, 52000),
            market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
        )
        market.drain()

        press()
        market.drain()

        assert not Order.objects.live().exists()
        assert stored(stop).reason == KILLED
        assert KILLED in {stored(number).reason for number in bracket}
        all_hold()

    def test_a_list_that_waits_dies_whole(self, market: Market, trader: TradingAccount) -> None:
        market.send_list(
            ListKind.OCO,
            market.request(trader, Side.SELL, 1, 52000),
            market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
        )

        press()
        market.drain()

        assert set(Order.objects.values_list("status", "reason")) == {(OrderStatus.REJECTED, KILLED)}
        assert money(trader, market.instrument.base)[1] == "0"
        all_hold()

    def test_an_auction_is_left_without_orders(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        market.phase(InstrumentStatus.AUCTION)
        market.buy(buyer, 1, 50000)
        market.sell(seller, 1, 50000)
        market.drain()

        press()
        market.phase(InstrumentStatus.ACTIVE)
        market.drain()

        assert not Trade.objects.exists()
        assert not Order.objects.live().exists()


class TestIntake:
    """From the commit of the press on, new orders and amends are refused, and cancels are taken."""

    def test_new_orders_are_refused_before_any_shard_knows(
        self, market: Market, trader: TradingAccount
    ) -> None:
        press()

        refusal = denied(market, market.request(trader, Side.BUY, 1, 50000))

        assert (refusal.code, refusal.context) == (Code.KILLED, {"scope": "global", "stage": "stopped"})

    def test_so_are_lists_amends_and_what_is_only_tried(self, market: Market, trader: TradingAccount) -> None:
        order_id = market.buy(trader, 1, 49000)
        market.drain()
        order = market.request(trader, Side.SELL, 1, 52000)

        press()

        stop = market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48000)
        asked: list[Callable[[], Any]] = [
            lambda: market.send_list(ListKind.OCO, order, stop),
            lambda: market.amend(order_id, trader, quantity=2),
            lambda: forecast(order=order, now=NOW),
        ]
        assert [refused(ask).code for ask in asked] == [Code.KILLED] * 3

    def test_cancels_are_taken(self, market: Market, trader: TradingAccount, buyer: TradingAccount) -> None:
        """One that comes before the effect, too."""
        order_id = market.buy(trader, 1, 49000)
        market.drain()
        press(KillScope.ACCOUNT, buyer.account_number)
        market.cancel(order_id, trader)
        market.drain()
        assert stored(order_id).reason == "client"

        other = market.buy(trader, 1, 49000)
        market.drain()
        press()
        market.cancel(other, trader)
        changing.cancel_all_orders(account_id=trader.id, actor=ACTOR, now=NOW)
        market.drain()

        assert stored(other).reason == KILLED
        all_hold()

    def test_a_name_that_is_known_still_answers_with_its_order(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = market.request(trader, Side.BUY, 1, 49000, client_order_id="mine")
        first = market.send(order)
        press()

        assert (market.send(order).order_id, market.send(order).duplicate) == (first.order_id, True)

    def test_it_costs_no_query(self, market: Market, trader: TradingAccount) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                submit_orders(
                    orders=[market.request(trader, Side.BUY, 1, 49000)] * 3,
                    actor=ACTOR,
                    source=Source.API,
                    now=NOW,
                )
            return sum("killswitch" in query["sql"] for query in captured)

        assert queries() == 1  # that which locks the accounts

    def test_a_missing_switch_stops_everything(self, market: Market, crossing: tuple[int, int, int]) -> None:
        with pgtrigger.ignore("risk.KillSwitch:never_deleted"):
            KillSwitch.objects.all().delete()

        refusal = denied(market, market.request(market.trader(), Side.BUY, 1, 50000))
        market.drain()

        assert refusal.code == Code.KILLED
        assert not Trade.objects.exists()


class TestScopes:
    """Each stops its own, and nothing else."""

    def rest(self, market: Market, account: TradingAccount, actor: Any = ACTOR) -> int:
        """An order of the account, made with what the actor has, in the book."""
        order = market.request(account, Side.BUY, 1, 49000)
        order_id = submit_order(order=order, actor=actor, source=Source.API, now=NOW).order_id
        market.drain()
        return order_id

    def test_an_instrument(self, market: Market, trader: TradingAccount) -> None:
        other = make_market(shard=market.shard)
        stranger = other.trader()
        mine, others = self.rest(market, trader), [self.rest(other, stranger)]

        pressed = press(KillScope.INSTRUMENT, market.symbol)
        market.drain()

        assert stored(mine).reason == KILLED
        assert stored(others[0]).status == OrderStatus.OPEN
        assert effect_of(pressed, market.shard.id).commands == 1
        assert denied(market, market.request(trader, Side.BUY, 1, 49000)).context["scope"] == "instrument"
        assert other.buy(stranger, 1, 49000)
        all_hold()

    def test_an_account(self, market: Market, trader: TradingAccount, buyer: TradingAccount) -> None:
        elsewhere = make_market()
        mine, other = self.rest(market, trader), self.rest(market, buyer)
        waiting, others_waiting = market.buy(trader, 1, 48000), market.buy(buyer, 1, 48000)

        press(KillScope.ACCOUNT, trader.account_number)
        market.drain()

        assert [stored(n).reason for n in (mine, waiting, other, others_waiting)] == [KILLED, KILLED, "", ""]
        assert denied(market, market.request(trader, Side.BUY, 1, 49000)).context["scope"] == "account"
        assert elsewhere.buy(elsewhere.trader(), 1, 49000)
        all_hold()

    def test_a_group_and_who_was_in_it(self, market: Market, buyer: TradingAccount) -> None:
        group = make_group()
        member, leaver, comer = (market.trader(group=group), market.trader(group=group), market.trader())
        orders = [self.rest(market, account) for account in (member, leaver, buyer)]
        waiting = market.buy(member, 1, 48000)

        press(KillScope.GROUP, group.name)
        TradingAccount.objects.filter(id=leaver.id).update(group=None)
        TradingAccount.objects.filter(id=comer.id).update(group=group)
        market.drain()

        assert [stored(n).reason for n in (*orders, waiting)] == [KILLED, KILLED, "", KILLED]
        for account in (member, leaver, comer):
            assert denied(market, market.request(account, Side.BUY, 1, 49000)).context["scope"] == "group"
        assert market.buy(buyer, 1, 49000)
        all_hold()

    def test_an_api_key(self, market: Market) -> None:
        trader = market.trader()
        key = make_key(trader).row
        with_key = replace(ACTOR, credential=credential_of(key.pk))
        mine, other = self.rest(market, trader, with_key), self.rest(market, trader, WITH_KEY)
        order = market.request(trader, Side.BUY, 1, 48000)
        waiting = submit_order(order=order, actor=with_key, source=Source.API, now=NOW).order_id
        others_waiting = submit_order(order=order, actor=WITH_KEY, source=Source.API, now=NOW).order_id

        press(KillScope.API_KEY, key.key_id)
        market.drain()

        assert [stored(n).reason for n in (mine, waiting, other, others_waiting)] == [KILLED, KILLED, "", ""]
        (outcome,) = submit_orders(orders=[order], actor=with_key, source=Source.API, now=NOW)
        assert refusal_of(outcome).context["scope"] == "api_key"
        assert not submit_order(order=order, actor=WITH_KEY, source=Source.API, now=NOW).duplicate
        all_hold()

    def test_everything_on_every_shard(self, market: Market, trader: TradingAccount) -> None:
        other = make_market()
        orders = [self.rest(market, trader), self.rest(other, other.trader())]

        pressed = press()
        bring_into_effect(pressed.act, clock=timezone.now, grace=0)

        assert [stored(number).reason for number in orders] == [KILLED, KILLED]
        assert {market.shard.id, other.shard.id} <= {
            effect.shard_id for effect in KillEffect.objects.filter(act=pressed.act, position__gt=0)
        }
        all_hold()

    def test_a_book_that_is_opened_later_is_stopped_as_well(self) -> None:
        press()
        market = make_market()

        assert denied(market, market.request(market.trader(), Side.BUY, 1, 50000)).code == Code.KILLED

    def test_a_name_nobody_has_is_no_scope(self) -> None:
        codes = []
        for scope in KillScope:
            if scope != KillScope.GLOBAL:
                with pytest.raises(Refusal) as caught:
                    press(scope, "nobody\x00")
                codes.append(caught.value.code)
        assert codes == [
            Code.UNKNOWN_SYMBOL,
            Code.ACCOUNT_NOT_FOUND,
            Code.NOT_FOUND,
            Code.API_KEY_NOT_FOUND,
        ]


class TestWithoutAWorker:
    """Who presses brings it into effect himself where nobody else does."""

    def test_the_backlog_is_left_to_the_worker(self, market: Market, crossing: tuple[int, int, int]) -> None:
        pressed = press()

        (effect,) = [
            found
            for found in bring_into_effect(pressed.act, clock=timezone.now, grace=0)
            if found.shard_id == market.shard.id
        ]

        assert (effect.position, effect.cancelled) == (2, 1)
        assert [stored(number).status for number in crossing] == [
            OrderStatus.CANCELLED,
            OrderStatus.PENDING,
            OrderStatus.PENDING,
        ]
        market.drain()
        assert {stored(number).reason for number in crossing} == {KILLED}
        assert not Trade.objects.exists()
        all_hold()

    def test_it_survives_that_every_process_forgets(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        pressed = press()
        books.forget(market.shard.id)

        market.drain()
        books.forget(market.shard.id)

        assert denied(market, market.request(market.trader(), Side.BUY, 1, 50000)).code == Code.KILLED
        assert effect_of(pressed, market.shard.id).position == 2

    def test_the_sweep_finds_a_shard_that_was_not_woken(self, market: Market) -> None:
        assert market.shard.id not in waiting_shards(now=NOW, longer_than=NOW - NOW)

        press()

        assert market.shard.id in waiting_shards(now=NOW, longer_than=NOW - NOW)

    def test_a_stopped_shard_applies_it_before_anything_else_once_it_is_started(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        shard = Shard.objects.filter(id=market.shard.id)
        shard.update(status=ShardStatus.STOPPED)
        pressed = press()

        bring_into_effect(pressed.act, clock=timezone.now, grace=0)
        assert effect_of(pressed, market.shard.id).position is None

        shard.update(status=ShardStatus.RUNNING)
        market.drain()
        assert effect_of(pressed, market.shard.id).position == 2
        assert not Trade.objects.exists()


class TestPress:
    """One person stops; what he did is on record."""

    def test_it_is_recorded_with_its_reason(self, market: Market) -> None:
        pressed = press(KillScope.INSTRUMENT, market.symbol)

        record = AuditRecord.objects.get(action="risk.kill_switch.stop")
        assert (record.reason, record.target_label) == ("runaway robot", f"Instrument {market.symbol}")
        assert record.after == {"stage": "stopped", "act": pressed.act.pk}

    def test_pressed_twice_it_is_one_press(self, market: Market) -> None:
        first, second = press(), press()

        assert (second.act, second.already) == (first.act, True)
        assert KillAct.objects.count() == 1
        assert KillEffect.objects.filter(shard=market.shard).count() == 1

    def test_without_a_reason_it_is_refused(self) -> None:
        before = everything_stored()
        with pytest.raises(Refusal) as caught:
            press(reason=" ")
        assert caught.value.code == Code.REASON_REQUIRED
        assert everything_stored() == before
        assert not KillAct.objects.exists()


class TestRelease:
    """Two people, one step at a time."""

    @pytest.fixture
    def pressed(self, market: Market) -> Pressed:
        pressed = press()
        bring_into_effect(pressed.act, clock=timezone.now, grace=0)
        return pressed

    def ask(self, pressed: Pressed, maker: Any = None) -> Any:
        return ask_release(
            switch_id=pressed.act.switch_id,
            request_id=tag(),
            actor=by(maker or make_user(Role.RISK_MANAGER)),
            now=NOW,
            reason="mended",
        )

    def test_asking_opens_nothing(self, pressed: Pressed) -> None:
        self.ask(pressed)

        assert stage_of(pressed) == KillStage.STOPPED

    def test_who_asked_cannot_agree(self, pressed: Pressed) -> None:
        maker = make_user(Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER)
        asked = self.ask(pressed, maker)

        with pytest.raises(Refusal) as caught:
            agree(asked, maker)

        assert caught.value.code == Code.MAKER_IS_CHECKER
        assert stage_of(pressed) == KillStage.STOPPED

    def test_the_first_step_takes_limit_orders_alone(
        self, pressed: Pressed, market: Market, trader: TradingAccount
    ) -> None:
        step(pressed.act.switch)

        assert stage_of(pressed) == KillStage.LIMIT_ONLY
        assert denied(market, market.request(trader, Side.BUY, 1)).context["stage"] == "limit_only"
        stop = market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48000)
        assert denied(market, stop).code == Code.KILLED
        assert market.buy(trader, 1, 49000)

    def test_the_second_takes_everything_and_trades(
        self, pressed: Pressed, market: Market, buyer: TradingAccount, seller: TradingAccount
    ) -> None:
        step(pressed.act.switch)
        step(pressed.act.switch)
        market.sell(seller, 1, 50000)
        market.buy(buyer, 1)
        market.drain()

        assert stage_of(pressed) == KillStage.OPEN
        assert market.trades() == [("1", "50000")]
        positions = KillEffect.objects.filter(shard=market.shard).order_by("act").values_list("position")
        assert [position for (position,) in positions] == [1, 2, 2]
        all_hold()

    def test_two_requests_for_one_step_take_one_step(self, pressed: Pressed) -> None:
        one, other = self.ask(pressed), self.ask(pressed)
        agree(one)

        with pytest.raises(Refusal) as caught:
            agree(other)

        assert caught.value.code == Code.NO_CHANGE
        assert stage_of(pressed) == KillStage.LIMIT_ONLY

    def test_a_request_about_an_earlier_press_releases_no_later_one(self, pressed: Pressed) -> None:
        one, left_over = self.ask(pressed), self.ask(pressed)
        agree(one)
        step(pressed.act.switch)
        again = press()
        bring_into_effect(again.act, clock=timezone.now, grace=0)

        with pytest.raises(Refusal) as caught:
            agree(left_over)

        assert caught.value.code == Code.ROW_CHANGED
        assert stage_of(pressed) == KillStage.STOPPED
        assert KillAct.objects.latest("id") == again.act

    def test_nothing_is_released_that_has_not_been_stopped_everywhere(
        self, market: Market, crossing: tuple[int, int, int]
    ) -> None:
        pressed = press()
        with pytest.raises(Refusal) as caught:
            self.ask(pressed)
        assert caught.value.code == Code.KILL_NOT_IN_EFFECT

        bring_into_effect(pressed.act, clock=timezone.now, grace=0)
        with pytest.raises(Refusal) as caught:
            self.ask(pressed)  # the backlog is still there
        assert caught.value.context == {"shards": [market.shard.id]}

        market.drain()
        assert self.ask(pressed)

    @pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(0), timedelta(hours=-1)])
    def test_what_was_accepted_before_the_press_holds_it_back_whatever_its_hosts_clock_says(
        self, market: Market, buyer: TradingAccount, seller: TradingAccount, ahead: timedelta
    ) -> None:
        asked = market.request(seller, Side.SELL, 1, 50000)
        waiting = market.send(asked, now=timezone.now() + ahead).order_id
        pressed = press()
        bring_into_effect(pressed.act, clock=timezone.now, grace=0)

        with pytest.raises(Refusal) as caught:
            self.ask(pressed)

        assert (caught.value.code, caught.value.context) == (
            Code.KILL_NOT_IN_EFFECT,
            {"shards": [market.shard.id]},
        )
        assert (stage_of(pressed), stored(waiting).status) == (KillStage.STOPPED, OrderStatus.PENDING)
        market.drain()
        step(pressed.act.switch)
        market.buy(buyer, 1, 50000)
        market.drain()
        assert (stored(waiting).status, stored(waiting).reason) == (OrderStatus.REJECTED, KILLED)
        assert not Trade.objects.exists()
        assert [shard.refused for shard in reach_of(pressed.act).shards if shard.position] == [1]
        all_hold()

    @pytest.mark.parametrize("scope", [scope for scope in KillScope if scope != KillScope.GLOBAL])
    def test_of_each_scope_only_what_waits_of_its_own_holds_it_back(
        self, market: Market, scope: KillScope
    ) -> None:
        group = make_group()
        trader, other = market.trader(group=group), make_market(shard=market.shard)
        key = make_key(trader).row
        name = {
            KillScope.INSTRUMENT: market.symbol,
            KillScope.ACCOUNT: trader.account_number,
            KillScope.GROUP: group.name,
            KillScope.API_KEY: key.key_id,
        }[scope]

        def send(place: Market, account: TradingAccount, credential: str) -> int:
            order, actor = place.request(account, Side.BUY, 1, 49000), replace(ACTOR, credential=credential)
            return submit_order(order=order, actor=actor, source=Source.API, now=NOW).order_id

        own = send(market, trader, credential_of(key.pk))
        pressed = press(scope, name)
        bring_into_effect(pressed.act, clock=timezone.now, grace=0)
        others = send(other, other.trader(), credential_of(77))
        with pytest.raises(Refusal) as caught:
            self.ask(pressed)
        assert caught.value.context == {"shards": [market.shard.id]}

        # The oldest is its own, and goes alone.
        market.step()

        assert [stored(number).status for number in (own, others)] == [
            OrderStatus.REJECTED,
            OrderStatus.PENDING,
        ]
        step(pressed.act.switch)
        assert stage_of(pressed) == KillStage.LIMIT_ONLY

    def test_pressed_again_on_the_way_it_stops_again(
        self, pressed: Pressed, market: Market, trader: TradingAccount
    ) -> None:
        step(pressed.act.switch)
        order_id = market.buy(trader, 1, 49000)
        market.drain()

        again = press()
        market.drain()

        assert (again.already, stored(order_id).reason) == (False, KILLED)
        all_hold()

    def test_it_needs_the_right_still_when_it_is_agreed_to(self, pressed: Pressed) -> None:
        maker = make_user(Role.RISK_MANAGER)
        asked = self.ask(pressed, maker)
        maker.is_active = False
        maker.save()

        with pytest.raises(Refusal) as caught:
            agree(asked)

        assert caught.value.code == Code.MAKER_LOST_RIGHT

    def test_what_is_open_has_no_step(self) -> None:
        switch = KillSwitch.objects.get(scope=KillScope.GLOBAL)
        with pytest.raises(Refusal) as caught:
            ask_release(
                switch_id=switch.pk,
                request_id="one",
                actor=by(make_user(Role.RISK_MANAGER)),
                now=NOW,
                reason="mended",
            )
        assert caught.value.code == Code.NO_CHANGE
