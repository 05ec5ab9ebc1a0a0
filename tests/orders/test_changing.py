"""Cancel, cancel all and amend: who may, what is reserved, and what is left when a request comes too late."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import withdraw
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, EventKind, Order, OrderType, Side, StpMode, TimeInForce
from orders.selectors import find_order
from orders.services.changing import cancel_all_orders
from orders.services.requests import ListKind
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, short, stored, tag
from tests.threads import elsewhere
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def seller(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=0)


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    return market.trader(base=0, quote=100_100)


def refused(ask: Callable[[], Any]) -> Refusal:
    """Why it is refused, having proved that nothing moved and nothing was written."""
    before = everything_stored(), Command.objects.count()
    with pytest.raises(Refusal) as caught:
        ask()
    assert (everything_stored(), Command.objects.count()) == before
    return caught.value


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


class TestAmend:
    """A new price, a new total, or both."""

    def test_less_at_the_same_price_keeps_the_place_and_frees_the_difference(self, market: Market) -> None:
        first, second = market.trader(), market.trader()
        early, late = market.sell(first, 5, 50000), market.sell(second, 5, 50000)
        market.drain()

        market.amend(early, first, quantity=2)
        market.drain()
        market.buy(market.trader(), 3)
        market.drain()

        assert (stored(early).status, stored(early).quantity, stored(late).filled) == ("filled", 2, 1)
        assert stored(early).priority < stored(late).priority
        assert money(first, market.instrument.base) == ("98", "0")

    def test_a_new_price_loses_the_place(self, market: Market) -> None:
        first, second = market.trader(), market.trader()
        early, late = market.sell(first, 1, 50001), market.sell(second, 1, 50000)
        market.drain()

        market.amend(early, first, price=50000)
        market.drain()
        market.buy(market.trader(), 1)
        market.drain()

        assert (stored(early).status, stored(late).status) == ("open", "filled")
        assert stored(early).priority > stored(late).priority

    def test_an_amend_up_reserves_the_difference_at_once(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 1, 50000)
        market.drain()

        market.amend(order_id, buyer, quantity="1.5")

        # 0.5 * 50000 * 1.001, and one unit for the rounding of fees in between.
        assert money(buyer, market.instrument.quote) == ("100100", "75075.00000001")
        assert short(stored(order_id).held) == "50050"
        market.drain()
        assert money(buyer, market.instrument.quote) == ("100100", "75075")
        assert (short(stored(order_id).held), short(stored(order_id).quantity)) == ("75075", "1.5")
        assert Command.objects.filter(held__gt=0).count() == 0

    def test_an_amend_up_beyond_the_funds_is_refused(self, market: Market, buyer: TradingAccount) -> None:
        order_id = market.buy(buyer, 1, 50000)
        market.drain()

        refusal = refused(lambda: market.amend(order_id, buyer, quantity="2.5"))

        assert refusal.code == Code.INSUFFICIENT_FUNDS
        assert (refusal.context["required"], refusal.context["available"]) == ("75075.00000001", "50050")

    def test_a_sellers_amend_up_reserves_base(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 4, 50000)
        market.drain()

        market.amend(order_id, seller, quantity=10)

        assert money(seller, market.instrument.base) == ("10", "10")
        market.drain()
        assert (money(seller, market.instrument.base), short(stored(order_id).held)) == (("10", "10"), "10")

    def test_an_amend_that_comes_too_late_gives_its_reserve_back(
        self, market: Market, seller: TradingAccount, buyer: TradingAccount
    ) -> None:
        order_id = market.sell(seller, 4, 50000)
        market.drain()
        market.cancel(order_id, seller)
        market.amend(order_id, seller, quantity=10)
        assert money(seller, market.instrument.base) == ("10", "10")

        market.drain()

        assert market.events()[-1] == EventKind.AMEND_REJECTED
        assert money(seller, market.instrument.base) == ("10", "0")
        assert (stored(order_id).status, stored(order_id).quantity) == ("cancelled", 4)

    def test_of_a_pending_order_is_applied_after_it(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 4, 50000)
        market.amend(order_id, seller, price=50001, quantity=3)

        market.drain()

        assert market.events() == [EventKind.ACCEPTED, EventKind.AMENDED]
        order = stored(order_id)
        assert (order.price, order.quantity, order.leaves, order.held) == (50001, 3, 3, 3)

    def test_the_total_includes_what_was_filled(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.buy(market.trader(), 2)
        market.drain()

        market.amend(order_id, seller, quantity=4)
        market.drain()

        order = stored(order_id)
        assert (order.quantity, order.filled, order.leaves, order.status) == (4, 2, 2, "partially_filled")
        assert money(seller, market.instrument.base) == ("8", "2")

    def test_a_fill_between_request_and_amend_counts(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.drain()
        market.buy(market.trader(), 4)
        market.amend(order_id, seller, quantity=3)

        market.drain()

        # Four of the five were sold before the amend to three was seen.
        assert market.events()[-1] == EventKind.AMEND_REJECTED
        order = stored(order_id)
        assert (order.quantity, order.filled, order.leaves) == (5, 4, 1)
        assert money(seller, market.instrument.base) == ("6", "1")

    def test_an_amended_price_may_trade_at_once_as_taker(
        self, market: Market, seller: TradingAccount
    ) -> None:
        other = market.trader()
        bid = market.buy(other, 1, 49000)
        order_id = market.sell(seller, 1, 50000)
        market.drain()

        market.amend(order_id, seller, price=49000)
        market.drain()

        assert market.trades() == [("1", "49000")]
        assert (stored(order_id).status, stored(bid).status) == ("filled", "filled")
        # Taker fee of 10 bp on 49000.
        assert money(seller, market.instrument.quote) == ("48951", "0")

    @pytest.mark.parametrize(
        ("how", "code"),
        [
            ({}, Code.NO_CHANGE),
            ({"price": "50000.001"}, Code.PRICE_NOT_ON_TICK),
            ({"price": "60000"}, Code.PRICE_OUT_OF_BAND),
            ({"price": "NaN"}, Code.INVALID_NUMBER),
            ({"price": 0}, Code.INVALID_NUMBER),
            ({"quantity": 0}, Code.INVALID_NUMBER),
            ({"quantity": "1E+99999999"}, Code.INVALID_NUMBER),
            ({"quantity": "0.00001"}, Code.QUANTITY_TOO_SMALL),
            ({"quantity": "1001"}, Code.QUANTITY_TOO_LARGE),
            ({"quantity": "1.00001"}, Code.QUANTITY_NOT_ON_STEP),
            ({"quantity": 11}, Code.INSUFFICIENT_FUNDS),
        ],
    )
    def test_is_held_to_the_same_filters(
        self, market: Market, seller: TradingAccount, how: dict[str, Any], code: Code
    ) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.drain()

        assert refused(lambda: market.amend(order_id, seller, **how)).code == code

    def test_to_no_more_than_what_was_filled_is_refused(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.buy(market.trader(), 2)
        market.drain()

        refusal = refused(lambda: market.amend(order_id, seller, quantity=2))

        assert (refusal.code, refusal.context["filled"]) == (Code.BELOW_EXECUTED, "2")

    def test_one_at_a_time(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.amend(order_id, seller, quantity=4)

        assert refused(lambda: market.amend(order_id, seller, quantity=3)).code == Code.AMEND_PENDING

    def test_of_a_market_order_is_refused(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5)

        assert refused(lambda: market.amend(order_id, seller, quantity=4)).code == Code.INVALID_COMBINATION

    def test_of_anothers_or_a_final_order_is_refused(
        self, market: Market, seller: TradingAccount, buyer: TradingAccount
    ) -> None:
        order_id = market.sell(seller, 5, 50000, tif=TimeInForce.IOC)
        assert refused(lambda: market.amend(order_id, buyer, quantity=4)).code == Code.ORDER_NOT_FOUND
        market.drain()

        assert refused(lambda: market.amend(order_id, seller, quantity=4)).code == Code.ORDER_NOT_OPEN

    def test_while_halted_or_locked_is_refused(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 5, 50000)
        market.drain()

        Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.HALTED)
        assert refused(lambda: market.amend(order_id, seller, quantity=4)).code == Code.INSTRUMENT_HALTED
        Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.ACTIVE)
        TradingAccount.objects.filter(id=seller.id).update(is_locked=True)
        assert refused(lambda: market.amend(order_id, seller, quantity=4)).code == Code.ACCOUNT_LOCKED
        TradingAccount.objects.filter(id=seller.id).update(is_locked=False, is_active=False)
        assert refused(lambda: market.amend(order_id, seller, quantity=4)).code == Code.ACCOUNT_INACTIVE


class TestAmendOfOtherTypes:
    """What an order waits for or hides stays right when its numbers change."""

    def test_an_iceberg_may_not_grow_beyond_its_slices(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 1, 50000, display="0.001")
        market.drain()

        refusal = refused(lambda: market.amend(order_id, seller, quantity="1.001"))

        assert (refusal.code, refusal.context["minimum"]) == (Code.DISPLAY_QUANTITY_TOO_SMALL, "0.0011")
        market.amend(order_id, seller, quantity="0.5")
        market.drain()
        assert (stored(order_id).leaves, stored(order_id).shown) == (Decimal("0.5"), Decimal("0.001"))

    def test_an_order_may_not_shrink_below_its_least(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 2, kind=OrderType.STOP, trigger=48000, minimum=1)
        market.drain()

        refusal = refused(lambda: market.amend(order_id, seller, quantity="0.5"))
        assert refusal.code == Code.INVALID_COMBINATION
        market.amend(order_id, seller, quantity=1)
        market.drain()
        assert (stored(order_id).quantity, stored(order_id).held) == (1, 1)

    def test_a_trailing_stop_changes_its_quantity_alone(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 2, kind=OrderType.TRAILING_STOP, trail=500)
        market.drain()

        market.amend(order_id, seller, quantity=3)
        market.drain()

        order = stored(order_id)
        assert (order.quantity, order.trigger_price, order.status) == (3, 49500, "pending_trigger")
        assert money(seller, market.instrument.base) == ("10", "3")

    def test_a_child_that_waits_is_measured_from_its_parent(self, market: Market) -> None:
        """The parent stops at 60000, so 65000 lies within its band of 10 % though not within today's."""
        trader = market.trader()
        _parent, child = market.send_list(
            ListKind.OTO,
            market.request(trader, Side.BUY, 1, 60000, kind=OrderType.STOP_LIMIT, trigger=60000),
            market.request(trader, Side.SELL, 1, 64000),
        )
        market.drain()

        market.amend(child, trader, price=65000)
        market.drain()

        assert stored(child).price == 65000
        assert refused(lambda: market.amend(child, trader, price=50000)).code == Code.PRICE_OUT_OF_BAND

    @pytest.mark.parametrize(("trigger", "held"), [(60000, "66066"), (50100, "55165.11"), (56000, "61661.6")])
    def test_a_stop_that_buys_holds_for_where_it_now_waits(
        self, market: Market, trigger: int, held: str
    ) -> None:
        buyer = market.trader(base=0, quote=100_000)
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=55000)
        market.drain()

        market.amend(order_id, buyer, trigger=trigger)
        take_out(buyer, market, Side.BUY)
        market.drain()

        # The edge of the band above the trigger, and 0.1 %.
        assert short(stored(order_id).held) == held

    def test_a_trigger_beyond_the_funds_is_refused(self, market: Market) -> None:
        buyer = market.trader(base=0, quote=66_000)
        order_id = market.buy(buyer, 1, kind=OrderType.STOP, trigger=55000)
        market.drain()

        assert refused(lambda: market.amend(order_id, buyer, trigger=60000)).code == Code.INSUFFICIENT_FUNDS
        assert money(buyer, market.instrument.quote) == ("66000", "60560.5")

    def test_an_order_for_an_amount_is_not_amended(self, market: Market, seller: TradingAccount) -> None:
        order_id = market.sell(seller, 0, amount=1000)

        assert refused(lambda: market.amend(order_id, seller, quantity=1)).code == Code.INVALID_COMBINATION

    @pytest.mark.parametrize("partner_first", [True, False])
    def test_both_of_a_pair_at_once_are_covered(self, market: Market, *, partner_first: bool) -> None:
        buyer = market.trader(base=0, quote=500_000)
        limit, stop = market.send_list(
            ListKind.OCO,
            market.request(buyer, Side.BUY, 1, 49000),
            market.request(buyer, Side.BUY, 1, kind=OrderType.STOP, trigger=52000),
        )
        market.drain()
        market.sell(market.trader(), "0.5", 49000)
        changes: list[tuple[int, dict[str, Any]]] = [
            (limit, {"quantity": 3, "price": 48000}),
            (stop, {"quantity": 2, "trigger": 53000}),
        ]
        for order_id, change in changes[:: -1 if partner_first else 1]:
            market.amend(order_id, buyer, **change)

        take_out(buyer, market, Side.BUY)
        for _ in range(3):
            market.step()
            take_out(buyer, market, Side.BUY)

        # The fill came first, so the pair is no more: 2.5 at 48000, the taker's rate, the fee so far.
        assert (stored(limit).leaves, stored(stop).status) == (Decimal("2.5"), "cancelled")
        assert money(buyer, market.instrument.quote)[1] == short(stored(limit).held)


def take_out(account: TradingAccount, market: Market, side: Side) -> None:
    """Withdraw all that is available, so that nothing is left to cover a mistake."""
    asset = market.instrument.base if side == Side.SELL else market.instrument.quote
    balance, held = money(account, asset)
    if amount := Decimal(balance) - Decimal(held):
        withdraw(
            account_id=account.id,
            asset=asset.code,
            amount=amount,
            reason="test",
            request_id=tag(),
            actor=ACTOR,
            now=NOW,
        )


class TestAmendRaces:
    """What happens between the request and its application must be covered by what was reserved."""

    def test_self_trade_prevention_in_between_counts_towards_the_total(self, market: Market) -> None:
        trader = market.trader(base=10, quote=1_000_000)
        order_id = market.sell(trader, 10, 50000)
        market.drain()
        market.buy(trader, 4, 50000, stp=StpMode.DECREMENT)
        market.amend(order_id, trader, price=50001, quantity=10)

        market.step()
        take_out(trader, market, Side.SELL)
        market.step()

        order = stored(order_id)
        assert (order.quantity, order.prevented, order.leaves, order.held) == (10, 4, 6, 6)
        assert money(trader, market.instrument.base) == ("6", "6")

    @pytest.mark.parametrize("price", [49000, 50000, 51000])
    @pytest.mark.parametrize("quantity", ["1.5", "2", "3"])
    def test_fills_in_between_are_covered(self, market: Market, price: int, quantity: str) -> None:
        buyer, seller = market.trader(base=0, quote=1_000_000), market.trader()
        order_id = market.buy(buyer, 2, 50000)
        market.drain()
        market.sell(seller, "0.3333", 50000)
        market.sell(seller, "0.7777", 50000)
        market.amend(order_id, buyer, price=price, quantity=quantity)

        take_out(buyer, market, Side.BUY)
        for _ in range(3):
            market.step()
            take_out(buyer, market, Side.BUY)

        order = stored(order_id)
        assert (order.status, short(order.quantity), short(order.filled)) == (
            "partially_filled",
            quantity,
            "1.111",
        )
        # Exact: open quantity at the new price with the taker rate, plus the fee so far, rounded up once.
        worst = order.leaves * price * Decimal("1.001") + order.fee_accrued
        unit = Decimal("0.00000001")
        assert order.held == -(-worst // unit) * unit - -(-order.fee_accrued // unit) * unit

    @pytest.mark.django_db(transaction=True)
    def test_an_amend_applied_while_the_next_is_asked_for_is_seen_by_it(
        self, market: Market, seller: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = market.sell(seller, 10, 50000)
        market.drain()
        market.amend(order_id, seller, quantity=1)
        drain_after_the_first_read(market, monkeypatch)

        market.amend(order_id, seller, quantity=10)

        # The first amend gave nine back, so the second must reserve them again.
        assert short(stored(order_id).held) == "1"
        assert money(seller, market.instrument.base) == ("10", "10")
        market.drain()
        assert (stored(order_id).leaves, money(seller, market.instrument.base)) == (10, ("10", "10"))


def drain_after_the_first_read(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the drain slip in on another connection right after an order was read for an amend."""
    waiting = [True]

    def find(**key: Any) -> Order:
        order = find_order(**key)
        if waiting:
            waiting.clear()
            elsewhere(market.drain)
        return order

    monkeypatch.setattr("orders.services.changing.find_order", find)
