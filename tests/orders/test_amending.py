"""Amend: a new price, a new total or both; what is reserved, and when it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, EventKind, TimeInForce
from tests.factories import Market, money, short, stored
from tests.orders.proofs import refused
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


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
