"""Cancel and cancel all: who may, what is freed, and what is left when a request comes too late."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, EventKind
from orders.services.changing import cancel_all_orders
from tests.factories import ACTOR, NOW, Market, make_market, money, stored
from tests.orders.proofs import refused
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


class TestCancel:
    """One order."""

    def test_a_resting_order_leaves_the_book_and_frees_its_hold(
        self, market: Market, buyer: TradingAccount
    ) -> None:
        order_id = market.buy(buyer, 2, 50000)
        market.drain()

        market.cancel(order_id, buyer)
        assert (stored(order_id).status, money(buyer, market.instrument.quote)) == (
            "open",
            ("100100", "100100"),
        )
        market.drain()

        order = stored(order_id)
        assert (order.status, order.reason, order.leaves, order.held) == ("cancelled", "client", 0, 0)
        assert money(buyer, market.instrument.quote) == ("100100", "0")

    def test_a_pending_order_can_be_cancelled(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)
        market.cancel(order_id, seller)

        market.drain()

        assert market.events() == [EventKind.ACCEPTED, EventKind.CANCELLED]
        assert stored(order_id).status == "cancelled"

    def test_twice_pending_is_done_once(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)
        market.cancel(order_id, seller)
        market.cancel(order_id, seller)

        market.drain()

        assert market.events() == [EventKind.ACCEPTED, EventKind.CANCELLED, EventKind.CANCEL_REJECTED]
        assert money(seller, market.instrument.base) == ("10", "0")

    def test_a_cancel_that_a_fill_overtakes_changes_nothing(
        self, market: Market, seller: TradingAccount, buyer: TradingAccount
    ) -> None:
        sold = market.sell(seller, 1, 50000)
        market.buy(buyer, 1, 50000)
        market.cancel(sold, seller)

        market.drain()

        assert market.events()[-1] == EventKind.CANCEL_REJECTED
        assert (stored(sold).status, stored(sold).reason) == ("filled", "")

    def test_an_operator_may_cancel_anybodys(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)

        market.cancel(order_id)
        market.drain()

        assert (stored(order_id).status, stored(order_id).reason) == ("cancelled", "operator")

    def test_works_while_the_instrument_is_halted(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)
        market.drain()
        Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.HALTED)

        market.cancel(order_id, seller)
        market.drain()

        assert stored(order_id).status == "cancelled"

    def test_anothers_order_is_as_unknown_as_none(
        self, market: Market, seller: TradingAccount, buyer: TradingAccount
    ) -> None:
        order_id = market.sell(seller, 1, 50000)

        others = refused(lambda: market.cancel(order_id, buyer))
        nobodys = refused(lambda: market.cancel(order_id + 1_000_000, buyer))

        assert (others.code, others.message) == (nobodys.code, nobodys.message)
        assert others.code == Code.ORDER_NOT_FOUND

    @pytest.mark.parametrize("order_id", [0, -1, 2**63, 2**80])
    def test_an_impossible_id_is_an_unknown_order(
        self, market: Market, seller: TradingAccount, order_id: int
    ) -> None:
        assert refused(lambda: market.cancel(order_id, seller)).code == Code.ORDER_NOT_FOUND

    def test_a_final_order_is_refused(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)
        market.cancel(order_id, seller)
        market.drain()

        refusal = refused(lambda: market.cancel(order_id, seller))

        assert (refusal.code, refusal.context["status"]) == (Code.ORDER_NOT_OPEN, "cancelled")


class TestCancelAll:
    """All of an account, in one instrument or in all."""

    def test_takes_every_live_order_of_the_account(self, market: Market, seller: TradingAccount) -> None:
        other_market = make_market(shard=market.shard)
        other_trader = other_market.trader()
        resting = market.sell(seller, 1, 50000)
        market.drain()
        pending = market.sell(seller, 2, 50000)
        elsewhere = other_market.sell(other_trader, 1, 50000)

        requested = cancel_all_orders(account_id=seller.id, actor=ACTOR, now=NOW)
        market.drain()

        assert [request.order_id for request in requested] == [resting, pending]
        assert {stored(order_id).reason for order_id in (resting, pending)} == {"mass_cancel"}
        assert stored(elsewhere).status == "open"
        assert money(seller, market.instrument.base) == ("10", "0")

    def test_in_one_instrument(self, market: Market) -> None:
        other_market = make_market(
            shard=market.shard, base=market.instrument.base, quote=market.instrument.quote
        )
        trader = market.trader()
        here, there = market.sell(trader, 1, 50000), other_market.sell(trader, 1, 50000)

        cancel_all_orders(account_id=trader.id, actor=ACTOR, now=NOW, symbol=other_market.symbol)
        market.drain()

        assert (stored(here).status, stored(there).status) == ("open", "cancelled")

    def test_by_an_operator_says_so(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000)

        cancel_all_orders(account_id=seller.id, actor=ACTOR, now=NOW, by_operator=True)
        market.drain()

        assert stored(order_id).reason == "operator"

    @pytest.mark.parametrize("symbol", ["NOPE", "", "A\0B", "\ud800"])
    def test_with_nothing_to_cancel_returns_nothing(self, seller: TradingAccount, symbol: str) -> None:
        before = Command.objects.count()

        assert cancel_all_orders(account_id=seller.id, actor=ACTOR, now=NOW, symbol=symbol) == []
        assert Command.objects.count() == before
