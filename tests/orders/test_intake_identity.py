"""An account and a client order id name one order for ever, whatever is asked for under that name later."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Order, Side
from orders.services.requests import Accepted
from tests.factories import Market, everything_stored, money, refusal_of
from tests.orders.proofs import denied
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


class TestIdentity:
    """(account, client order id) names one order for ever."""

    def test_the_same_request_again_is_the_same_order(self, market: Market, trader: TradingAccount) -> None:
        order = market.request(trader, Side.SELL, "1.0", 50000, client_order_id="mine")
        first = market.send(order)
        before = everything_stored()

        again = market.send(market.request(trader, Side.SELL, "1", "50000.00", client_order_id="mine"))

        assert (again.order_id, again.created_at, again.duplicate) == (first.order_id, first.created_at, True)
        assert everything_stored() == before

    def test_another_request_by_the_same_id_is_a_conflict(
        self, market: Market, trader: TradingAccount
    ) -> None:
        market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))

        refusal = denied(market, market.request(trader, Side.SELL, 2, 50000, client_order_id="mine"))

        assert (refusal.code, refusal.status) == (Code.CLIENT_ORDER_ID_CONFLICT, 409)

    def test_it_holds_when_the_account_may_no_longer_trade(
        self, market: Market, trader: TradingAccount
    ) -> None:
        first = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))
        TradingAccount.objects.filter(id=trader.id).update(is_locked=True)
        Instrument.objects.filter(id=market.instrument.id).update(status=InstrumentStatus.HALTED)

        again = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))

        assert (again.order_id, again.duplicate) == (first.order_id, True)

    def test_it_is_the_accounts_own(self, market: Market, trader: TradingAccount) -> None:
        first = market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))
        other = market.send(market.request(market.trader(), Side.SELL, 1, 50000, client_order_id="mine"))

        assert (other.duplicate, other.order_id != first.order_id) == (False, True)

    def test_a_denied_request_leaves_its_id_free(self, market: Market, trader: TradingAccount) -> None:
        denied(market, market.request(trader, Side.SELL, 11, 50000, client_order_id="mine"))

        accepted = market.send(market.request(trader, Side.SELL, 10, 50000, client_order_id="mine"))

        assert accepted.duplicate is False

    def test_in_one_list_a_repeat_is_the_first_ones_order(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = market.request(trader, Side.SELL, 1, 50000, client_order_id="mine")

        first, second, third = market.send_all(
            [order, order, market.request(trader, Side.SELL, 2, 50000, client_order_id="mine")]
        )

        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert (second.order_id, first.duplicate, second.duplicate) == (first.order_id, False, True)
        assert refusal_of(third).code == Code.CLIENT_ORDER_ID_CONFLICT
        assert Order.objects.filter(account=trader).count() == 1
        assert money(trader, market.instrument.base) == ("10", "1")

    def test_in_one_list_the_name_of_a_denied_request_is_free(
        self, market: Market, trader: TradingAccount
    ) -> None:
        too_much, right, other = market.send_all(
            [
                market.request(trader, Side.SELL, 11, 50000, client_order_id="mine"),
                market.request(trader, Side.SELL, 10, 50000, client_order_id="mine"),
                market.request(trader, Side.SELL, 9, 50000, client_order_id="mine"),
            ]
        )

        assert refusal_of(too_much).code == Code.INSUFFICIENT_FUNDS
        assert isinstance(right, Accepted)
        assert refusal_of(other).code == Code.CLIENT_ORDER_ID_CONFLICT
        assert money(trader, market.instrument.base) == ("10", "10")

    def test_in_one_list_a_repeat_of_a_denied_request_is_denied_like_it(
        self, market: Market, trader: TradingAccount
    ) -> None:
        order = market.request(trader, Side.SELL, 11, 50000, client_order_id="mine")

        outcomes = market.send_all([order, order])

        assert [refusal_of(outcome).code for outcome in outcomes] == [Code.INSUFFICIENT_FUNDS] * 2
