"""Halt, maintenance, delisting and resumption: what stops when, what may still be done, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from audit.models import AuditRecord
from instruments.models import HaltPolicy, Instrument, InstrumentStatus
from orders.models import Command, EventKind, Phase, Side
from orders.services.phases import halt_instrument, resume_instrument
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

HALTED, MAINTENANCE, DELISTED = (
    InstrumentStatus.HALTED,
    InstrumentStatus.MAINTENANCE,
    InstrumentStatus.DELISTED,
)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader()


def halt(market: Market, status: InstrumentStatus = HALTED, **how: Any) -> int:
    return halt_instrument(
        symbol=market.symbol, actor=ACTOR, now=NOW, reason=how.pop("reason", "news"), status=status, **how
    )


def resume(market: Market, reason: str = "all clear") -> int:
    return resume_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason=reason)


def status_of(market: Market) -> str:
    return str(Instrument.objects.get(id=market.instrument.id).status)


def refused(ask: Callable[[], Any]) -> Code:
    before = everything_stored(), Command.objects.count(), AuditRecord.objects.count()
    with pytest.raises(Refusal) as caught:
        ask()
    assert (everything_stored(), Command.objects.count(), AuditRecord.objects.count()) == before
    return caught.value.code


def order_denied(market: Market, trader: TradingAccount) -> Code:
    return refused(lambda: market.send(market.request(trader, Side.SELL, 1, 50000)))


def test_orders_are_denied_from_the_moment_it_is_asked_for(market: Market, trader: TradingAccount) -> None:
    halt(market)

    assert (status_of(market), market.book().phase) == ("halted", Phase.OPEN)
    assert order_denied(market, trader) == Code.INSTRUMENT_HALTED


def test_what_was_accepted_before_but_not_yet_seen_is_still_applied(
    market: Market, trader: TradingAccount
) -> None:
    order_id = market.sell(trader, 1, 50000)
    halt(market)

    market.drain()

    assert market.events() == [EventKind.ACCEPTED, EventKind.PHASE_CHANGED]
    assert (stored(order_id).status, market.book().phase) == ("open", Phase.HALTED)


def test_what_slips_in_behind_the_halt_is_rejected_by_the_book(
    market: Market, trader: TradingAccount
) -> None:
    halt(market)
    Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.ACTIVE)
    order_id = market.sell(trader, 1, 50000)

    market.drain()

    assert (stored(order_id).status, stored(order_id).reason) == ("rejected", "halted")
    assert money(trader, market.instrument.base) == ("100", "0")


@pytest.mark.parametrize(
    ("policy", "asked", "left"),
    [
        (HaltPolicy.FREEZE, None, "open"),
        (HaltPolicy.CANCEL, None, "cancelled"),
        (HaltPolicy.FREEZE, True, "cancelled"),
        (HaltPolicy.CANCEL, False, "open"),
    ],
)
def test_resting_orders_follow_the_policy_unless_told_otherwise(
    policy: HaltPolicy, asked: bool | None, left: str
) -> None:
    market = make_market(halt_policy=policy)
    trader = market.trader()
    order_id = market.sell(trader, 1, 50000)
    market.drain()

    halt(market, cancel_resting=asked)
    market.drain()

    assert stored(order_id).status == left
    assert stored(order_id).reason == ("halt_cancel" if left == "cancelled" else "")
    assert money(trader, market.instrument.base) == ("100", "0" if left == "cancelled" else "1")


def test_a_resumed_book_trades_with_what_it_kept(market: Market, trader: TradingAccount) -> None:
    order_id = market.sell(trader, 1, 50000)
    halt(market)
    market.drain()

    resume(market)
    assert order_denied(market, trader) == Code.INSTRUMENT_HALTED
    market.drain()
    market.buy(market.trader(), 1, 50000)
    market.drain()

    assert (status_of(market), stored(order_id).status) == ("active", "filled")
    assert market.events()[1:3] == [EventKind.PHASE_CHANGED, EventKind.PHASE_CHANGED]


@pytest.mark.parametrize(
    ("status", "reason"), [(HALTED, "operator"), (MAINTENANCE, "maintenance"), (DELISTED, "delisted")]
)
def test_the_status_survives_the_engines_own_event(
    market: Market, status: InstrumentStatus, reason: str
) -> None:
    halt(market, status)
    market.drain()

    assert (status_of(market), market.book().phase) == (status, Phase.HALTED)


def test_delisting_always_cancels_and_is_for_good(market: Market, trader: TradingAccount) -> None:
    order_id = market.sell(trader, 1, 50000)
    halt(market, DELISTED, cancel_resting=False)
    market.drain()

    assert (stored(order_id).status, order_denied(market, trader)) == ("cancelled", Code.INSTRUMENT_DELISTED)
    assert refused(lambda: resume(market)) == Code.INSTRUMENT_DELISTED
    assert refused(lambda: halt(market, HALTED)) == Code.INSTRUMENT_DELISTED
    assert refused(lambda: halt(market, MAINTENANCE)) == Code.INSTRUMENT_DELISTED


def test_a_halt_may_become_a_maintenance(market: Market) -> None:
    halt(market)
    market.drain()
    halt(market, MAINTENANCE)
    market.drain()

    assert status_of(market) == "maintenance"


def test_the_same_again_is_refused(market: Market) -> None:
    halt(market)

    assert refused(lambda: halt(market)) == Code.NO_CHANGE


def test_a_trading_instrument_cannot_be_resumed(market: Market) -> None:
    assert refused(lambda: resume(market)) == Code.INSTRUMENT_NOT_HALTED


@pytest.mark.parametrize("reason", ["", "  \n", "a\0b"])
def test_it_needs_a_reason(market: Market, reason: str) -> None:
    assert refused(lambda: halt(market, reason=reason)) == Code.REASON_REQUIRED
    assert status_of(market) == "active"


@pytest.mark.parametrize("symbol", ["NOPE", "", "A\0B", "\ud800"])
def test_of_an_unknown_instrument_is_refused(symbol: str) -> None:
    assert refused(lambda: halt_instrument(symbol=symbol, actor=ACTOR, now=NOW, reason="x")) == (
        Code.UNKNOWN_SYMBOL
    )


class TestPressedInARow:
    """The last press counts, however far the engine has come with the earlier ones."""

    def test_a_halt_right_after_a_resume_is_not_called_a_repeat(
        self, market: Market, trader: TradingAccount
    ) -> None:
        halt(market)
        market.drain()
        resume(market)

        halt(market)
        market.drain()

        assert (status_of(market), market.book().phase) == ("halted", Phase.HALTED)
        assert market.events() == [EventKind.PHASE_CHANGED] * 3

    @pytest.mark.parametrize("status", [HALTED, MAINTENANCE, DELISTED])
    def test_a_resume_that_is_applied_late_does_not_open_what_was_closed_again(
        self, market: Market, trader: TradingAccount, status: InstrumentStatus
    ) -> None:
        halt(market, MAINTENANCE if status == HALTED else HALTED)
        market.drain()
        resume(market)
        halt(market, status)

        market.step()

        assert status_of(market) == status
        assert order_denied(market, trader) != Code.INSUFFICIENT_FUNDS
        market.drain()
        assert (status_of(market), market.book().phase) == (status, Phase.HALTED)


def test_each_act_is_recorded_with_its_reason(market: Market) -> None:
    command_id = halt(market)
    resume(market)

    first, second = AuditRecord.objects.filter(target_label=market.symbol).order_by("id")
    assert (first.action, first.reason) == ("instruments.trading.halt", "news")
    assert (first.before, first.after) == ({"status": "active"}, {"status": "halted", "command": command_id})
    assert (second.action, second.reason, second.after["status"]) == (
        "instruments.trading.resume",
        "all clear",
        "active",
    )
