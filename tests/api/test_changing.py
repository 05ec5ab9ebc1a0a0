"""PATCH and DELETE: amend, cancel, cancel all; what stays as it was when they are refused."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from orders.services.halting import halt_instrument
from tests.api.client import Api, refused
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored


class TestAmend:
    def test_changes_price_and_quantity_once_the_book_agrees(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()

        asked = api.patch(f"/orders/{order}?wait=0", {"price": "49999.5", "quantity": 2})
        market.drain()

        assert (asked.status_code, asked.json()["price"]) == (202, "50000.00")
        after = api.get(f"/orders/{order}").json()
        assert (after["price"], after["quantity"], after["leaves"]) == ("49999.50", "2.0000", "2.0000")
        # 2 x 49999.5 and the taker fee of 0.1 % on it.
        assert (after["held"], money(alice, market.instrument.quote)[1]) == ("100098.99900000", "100098.999")

    @pytest.mark.parametrize(
        ("body", "code", "status"),
        [
            ({}, "no_change", 400),
            ({"price": None, "quantity": None}, "no_change", 400),
            ({"price": "0"}, "invalid_number", 400),
            ({"price": "1e4"}, "invalid_number", 400),
            ({"price": "50000.001"}, "price_not_on_tick", 400),
            ({"price": "60000"}, "price_out_of_band", 400),
            ({"quantity": "-1"}, "invalid_number", 400),
            ({"quantity": "0.00015"}, "quantity_not_on_step", 400),
            ({"quantity": "1001"}, "quantity_too_large", 400),
            ({"quantity": "500"}, "insufficient_funds", 400),
            ({"quantity": "0.4"}, "below_executed", 409),
            ({"side": "sell"}, "invalid_field", 400),
            ({"status": "filled"}, "invalid_field", 400),
            ([], "invalid_field", 400),
        ],
    )
    def test_refused_leaves_everything_as_it_was(
        self,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        api: Api,
        body: object,
        code: str,
        status: int,
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.sell(bob, "0.5")
        market.drain()
        before = everything_stored()

        refused(api.patch(f"/orders/{order}?wait=0", body), code, status)

        assert everything_stored() == before

    def test_of_a_final_order_is_refused(self, market: Market, alice: TradingAccount, api: Api) -> None:
        order = market.buy(alice, 1, 50000)
        market.cancel(order, alice)
        market.drain()
        before = everything_stored()

        refused(api.patch(f"/orders/{order}?wait=0", {"price": "49000"}), "order_not_open", 409)

        assert everything_stored() == before

    def test_waits_for_the_amend_before_it(self, market: Market, alice: TradingAccount, api: Api) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        assert api.patch(f"/orders/{order}?wait=0", {"price": "49000"}).status_code == 202

        refused(api.patch(f"/orders/{order}?wait=0", {"price": "48000"}), "amend_pending", 409)

        market.drain()
        assert api.get(f"/orders/{order}").json()["price"] == "49000.00"

    def test_is_refused_while_trading_is_halted(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000)
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test")
        market.drain()
        before = everything_stored()

        refused(api.patch(f"/orders/{order}?wait=0", {"price": "49000"}), "instrument_halted", 409)

        assert everything_stored() == before


class TestCancel:
    def test_takes_the_rest_off_the_book(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.sell(bob, "0.4")
        market.drain()

        asked = api.delete(f"/orders/{order}?wait=0")
        market.drain()

        assert (asked.status_code, asked.json()["status"]) == (202, "partially_filled")
        after = api.get(f"/orders/{order}").json()
        assert (after["status"], after["reason"], after["filled"], after["leaves"], after["held"]) == (
            "cancelled",
            "client",
            "0.4000",
            "0.0000",
            "0.00000000",
        )
        assert api.get(f"/instruments/{market.symbol}/depth").json()["bids"] == []

    @pytest.mark.parametrize("status", [InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE])
    def test_works_while_trading_is_stopped(
        self, market: Market, alice: TradingAccount, api: Api, status: InstrumentStatus
    ) -> None:
        order = market.buy(alice, 1, 50000)
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test", status=status)
        market.drain()

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202
        market.drain()

        assert stored(order).status == "cancelled"

    def test_works_on_a_locked_account(self, market: Market, alice: TradingAccount, api: Api) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        TradingAccount.objects.filter(id=alice.id).update(is_locked=True)

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202
        market.drain()

        assert stored(order).status == "cancelled"

    def test_ac_20_of_a_filled_an_unknown_and_a_cancelled_order_is_refused(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        filled, cancelled = market.buy(alice, 1, 50000), market.buy(alice, 1, 49000)
        market.sell(bob, 1)
        market.cancel(cancelled, alice)
        market.drain()
        before = everything_stored()

        for order, status in ((filled, "filled"), (cancelled, "cancelled")):
            body = refused(api.delete(f"/orders/{order}?wait=0"), "order_not_open", 409)
            assert body["context"]["status"] == status
        refused(api.delete("/orders/123456789?wait=0"), "order_not_found", 404)

        assert everything_stored() == before


class TestCancelAll:
    def test_takes_everything_of_the_account_and_nothing_else(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        mine = [market.buy(alice, 1, price) for price in (50000, 49900)]
        theirs = market.buy(bob, 1, 49800)
        market.drain()

        response = api.delete(f"/orders?account={alice.id}&wait=0")
        market.drain()

        assert response.status_code == 202
        assert [(int(row["id"]), row["symbol"]) for row in response.json()["results"]] == [
            (order, market.symbol) for order in mine
        ]
        assert [(stored(order).status, stored(order).reason) for order in mine] == [
            ("cancelled", "mass_cancel")
        ] * 2
        assert stored(theirs).status == "open"
        assert money(alice, market.instrument.quote) == ("10000000", "0")

    def test_can_be_kept_to_one_instrument(self, market: Market, alice: TradingAccount, api: Api) -> None:
        other = make_market(quote=market.instrument.quote, shard=market.shard)
        here, there = market.buy(alice, 1, 50000), other.buy(alice, 1, 50000)
        market.drain()

        api.delete(f"/orders?account={alice.id}&symbol={market.symbol}&wait=0")
        market.drain()

        assert (stored(here).status, stored(there).status) == ("cancelled", "open")

    def test_of_nothing_is_done_at_once(self, alice: TradingAccount, api: Api) -> None:
        response = api.delete(f"/orders?account={alice.id}")

        assert (response.status_code, response.json()) == (200, {"results": []})

    def test_refuses_an_unknown_symbol(self, market: Market, alice: TradingAccount, api: Api) -> None:
        market.buy(alice, 1, 50000)
        before = everything_stored()

        refused(api.delete(f"/orders?account={alice.id}&symbol=NO-SUCH&wait=0"), "unknown_symbol", 404)

        assert everything_stored() == before
