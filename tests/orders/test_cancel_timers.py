"""Dead man's switches: what they cancel, when, and that each fires once, whoever races with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from accounts.models import TradingAccount
from audit.models import AuditRecord
from orders.models import CancelTimer, Command, CommandKind, OrderType, TimerKind
from orders.services import cancel_timers
from orders.services.cancel_timers import (
    GRACE_SECONDS,
    LONGEST_SECONDS,
    fire_due,
    renew_connected,
    set_cancel_after,
    set_cancel_on_disconnect,
)
from orders.services.changing import cancel_all_orders
from orders.tasks import fire_cancel_timers
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored
from tests.threads import all_at_once, start_elsewhere, wait_for_a_lock
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    """Somebody with enough for every order here."""
    return market.trader()


def arm(account: TradingAccount, seconds: int = 60, symbol: str | None = None) -> CancelTimer:
    return set_cancel_after(account_id=account.pk, symbol=symbol, seconds=seconds, actor=ACTOR, now=NOW)


def connect(account: TradingAccount, *, enabled: bool = True) -> CancelTimer:
    return set_cancel_on_disconnect(account_id=account.pk, enabled=enabled, actor=ACTOR, now=NOW)


def let_pass(seconds: float) -> None:
    """So much time goes by on the database's clock, for the timers."""
    CancelTimer.objects.update(due_at=F("due_at") - timedelta(seconds=seconds))


def resting(market: Market, trader: TradingAccount) -> int:
    order_id = market.buy(trader, 1, 49000)
    market.drain()
    return order_id


def mass_cancels() -> int:
    return Command.objects.filter(kind=CommandKind.MASS_CANCEL).count()


def told(account: TradingAccount) -> list[tuple[str, dict[str, object]]]:
    mine = AuditRecord.objects.filter(target_id=str(account.pk), action__startswith="orders.")
    return [(record.action, record.after) for record in mine.order_by("id")]


class TestFiring:
    """What is due cancels, by the command that everything else cancels by."""

    def test_ends_all_orders_of_the_account_and_nobody_elses(
        self, market: Market, trader: TradingAccount
    ) -> None:
        other = make_market(shard=market.shard)
        mine = [
            resting(market, trader),
            market.buy(trader, 1, 51000, trigger=51000, kind=OrderType.STOP_LIMIT),
        ]
        stranger = resting(market, market.trader())
        elsewhere_ = other.trader()
        kept = resting(other, elsewhere_)
        arm(trader)
        let_pass(60)

        assert fire_due(now=NOW) == 1
        market.drain()

        assert [stored(number).status for number in (*mine, stranger, kept)] == [
            "cancelled", "cancelled", "open", "open",
        ]  # fmt: skip
        assert stored(mine[0]).reason == "mass_cancel"
        assert money(trader, market.instrument.quote)[1] == "0"
        command = Command.objects.get(kind=CommandKind.MASS_CANCEL)
        assert (command.actor_label, command.reason) == ("cancel_after", "Cancel after")

    def test_nothing_happens_before_its_time(self, market: Market, trader: TradingAccount) -> None:
        resting(market, trader)
        arm(trader)
        let_pass(59)
        before = everything_stored()

        assert fire_due(now=NOW) == 0
        assert (everything_stored(), mass_cancels()) == (before, 0)

    def test_fires_once(self, market: Market, trader: TradingAccount) -> None:
        resting(market, trader)
        arm(trader)
        let_pass(61)

        assert [fire_due(now=NOW) for _ in range(3)] == [1, 0, 0]
        assert mass_cancels() == 1
        timer = CancelTimer.objects.get()
        assert (timer.due_at, timer.fired_at is not None) == (None, True)

    def test_an_order_placed_after_it_stays(self, market: Market, trader: TradingAccount) -> None:
        before = market.buy(trader, 1, 49000)
        arm(trader)
        let_pass(61)
        fire_due(now=NOW)
        after = market.buy(trader, 1, 49000)
        market.drain()

        assert (stored(before).status, stored(after).status) == ("cancelled", "open")

    def test_with_no_order_there_is_nothing_to_cancel_and_it_has_fired(
        self, market: Market, trader: TradingAccount
    ) -> None:
        arm(trader)
        let_pass(61)

        assert (fire_due(now=NOW), mass_cancels()) == (1, 0)
        assert told(trader)[-1] == (
            "orders.cancel_after.fire", {"instrument": "all", "orders": 0, "commands": []},
        )  # fmt: skip

    def test_one_of_an_instrument_leaves_the_others_alone(
        self, market: Market, trader: TradingAccount
    ) -> None:
        other = make_market(shard=market.shard, base=market.instrument.base, quote=market.instrument.quote)
        here, there = resting(market, trader), resting(other, trader)
        arm(trader, symbol=other.symbol)
        arm(trader, 3_600)
        let_pass(61)

        assert fire_due(now=NOW) == 1
        market.drain()

        assert (stored(here).status, stored(there).status) == ("open", "cancelled")
        running = CancelTimer.objects.get(due_at__isnull=False)
        assert (running.instrument, running.fired_at) == (None, None)

    def test_the_task_and_a_restart_find_it_in_the_database(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order_id = resting(market, trader)
        arm(trader)
        let_pass(61)

        fire_cancel_timers()
        market.drain()

        assert stored(order_id).status == "cancelled"

    def test_one_account_that_fails_keeps_no_other_waiting(
        self, market: Market, trader: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = market.trader()
        order_id = resting(market, other)
        for account in (trader, other):
            arm(account)
        let_pass(61)
        right = cancel_all_orders

        def broken(*, account_id: int, **rest: object) -> object:
            if account_id == trader.pk:
                raise ValueError("broken")
            return right(account_id=account_id, **rest)  # type: ignore[arg-type]

        monkeypatch.setattr(cancel_timers, "cancel_all_orders", broken)
        with pytest.raises(ExceptionGroup):
            fire_due(now=NOW)
        market.drain()

        assert stored(order_id).status == "cancelled"
        assert CancelTimer.objects.get(account=trader).due_at is not None


class TestSetting:
    """What a call says of the timer, and what is remembered of it."""

    def test_each_call_begins_anew_by_the_databases_clock(self, trader: TradingAccount) -> None:
        first = arm(trader, 60)
        let_pass(50)
        second = arm(trader, 30)

        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone()
        assert second.pk == first.pk
        assert second.due_at is not None
        assert timedelta(seconds=25) < second.due_at - now <= timedelta(seconds=30)

    def test_zero_takes_it_off(self, market: Market, trader: TradingAccount) -> None:
        order_id = resting(market, trader)
        arm(trader)
        assert arm(trader, 0).due_at is None
        let_pass(61)

        assert fire_due(now=NOW) == 0
        assert stored(order_id).status == "open"

    def test_taking_off_what_was_never_set_stores_nothing(self, trader: TradingAccount) -> None:
        assert arm(trader, 0).due_at is None
        assert (CancelTimer.objects.count(), told(trader)) == (0, [])

    def test_setting_taking_off_and_firing_are_recorded_but_no_renewal(self, trader: TradingAccount) -> None:
        for seconds in (60, 60, 90, 0, 0, 60):
            arm(trader, seconds)
        let_pass(61)
        fire_due(now=NOW)

        assert [action for action, _after in told(trader)] == [
            "orders.cancel_after.set", "orders.cancel_after.off",
            "orders.cancel_after.set", "orders.cancel_after.fire",
        ]  # fmt: skip

    @pytest.mark.parametrize("seconds", [-1, LONGEST_SECONDS + 1])
    def test_a_time_out_of_range_is_refused(self, trader: TradingAccount, seconds: int) -> None:
        with pytest.raises(Refusal) as refused:
            arm(trader, seconds)
        assert (refused.value.code, CancelTimer.objects.count()) == (Code.INVALID_FIELD, 0)

    def test_an_unknown_instrument_is_refused(self, trader: TradingAccount) -> None:
        with pytest.raises(Refusal) as refused:
            arm(trader, 60, symbol="NOPE")
        assert (refused.value.code, CancelTimer.objects.count()) == (Code.UNKNOWN_SYMBOL, 0)


class TestDisconnect:
    """The same timer, renewed by the heartbeat of the servers that have sockets of the account."""

    def test_a_heartbeat_renews_those_that_are_connected_alone(
        self, market: Market, trader: TradingAccount
    ) -> None:
        gone = market.trader()
        here, there = resting(market, trader), resting(market, gone)
        for account in (trader, gone):
            assert connect(account).seconds == GRACE_SECONDS
        let_pass(GRACE_SECONDS + 1)

        assert renew_connected({trader.pk}) == 1
        assert fire_due(now=NOW) == 1
        market.drain()

        assert (stored(here).status, stored(there).status) == ("open", "cancelled")
        assert told(gone)[-1][0] == "orders.disconnect.fire"

    def test_a_heartbeat_has_nothing_to_do_with_cancel_after(self, trader: TradingAccount) -> None:
        arm(trader)
        assert renew_connected({trader.pk}) == 0

    def test_after_it_fired_a_heartbeat_puts_it_on_again(self, trader: TradingAccount) -> None:
        connect(trader)
        let_pass(GRACE_SECONDS)
        fire_due(now=NOW)

        renew_connected({trader.pk})

        assert CancelTimer.objects.get(kind=TimerKind.DISCONNECT).due_at is not None

    def test_taken_off_it_does_not_fire(self, trader: TradingAccount) -> None:
        connect(trader)
        connect(trader, enabled=False)
        let_pass(GRACE_SECONDS)
        assert fire_due(now=NOW) == 0


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Renewal, firing and intake take turns at the account's row."""

    def test_many_fire_at_once_and_it_cancels_once(self) -> None:
        market = make_market()
        trader = market.trader()
        resting(market, trader)
        arm(trader)
        let_pass(61)

        fired = all_at_once([lambda: fire_due(now=NOW)] * 8, threads=8)

        assert sorted(fired) == [0] * 7 + [1]  # type: ignore[type-var]
        assert mass_cancels() == 1

    def test_a_renewal_that_comes_first_keeps_the_orders(self) -> None:
        market = make_market()
        trader = market.trader()
        order_id = resting(market, trader)
        arm(trader)
        let_pass(61)
        with transaction.atomic():
            arm(trader, 60)
            # It has found the timer due, and waits for the account.
            firing = start_elsewhere(lambda: fire_due(now=NOW))
            wait_for_a_lock()
        assert firing.result(10) == 0
        market.drain()
        assert (stored(order_id).status, mass_cancels()) == ("open", 0)

    def test_a_renewal_that_comes_second_is_told_that_it_fired(self) -> None:
        market = make_market()
        trader = market.trader()
        before = market.buy(trader, 1, 49000)
        arm(trader)
        let_pass(61)
        with transaction.atomic():
            assert fire_due(now=NOW) == 1
            renewing = start_elsewhere(lambda: arm(trader, 60))
            placing = start_elsewhere(lambda: market.buy(trader, 1, 49000))
            wait_for_a_lock(2)
        renewed, after = renewing.result(10), placing.result(10)
        market.drain()

        assert (renewed.fired_at is not None, renewed.due_at is not None) == (True, True)
        assert (stored(before).status, stored(after).status) == ("cancelled", "open")

    def test_a_first_call_that_comes_twice_makes_one_timer(self) -> None:
        market = make_market()
        trader = market.trader()
        all_at_once([lambda: arm(trader)] * 8, threads=8)
        assert CancelTimer.objects.count() == 1
