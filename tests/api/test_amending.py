"""PATCH: amend an order that rests or is parked; what stays as it was when that is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import OrderType, Side, Source
from orders.services.awaiting import require_done
from orders.services.changing import amend_order
from orders.services.phases import halt_instrument
from orders.services.requests import Changes, ListKind
from tests.api.client import Api, refused
from tests.api.trading import restart
from tests.factories import ACTOR, NOW, Market, everything_stored, money, stored
from tradeplatform.common.errors import Refusal


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


class TestAmendParked:
    def test_moves_the_trigger_and_the_protection_with_it(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, kind=OrderType.STOP, trigger=52000, protection=52520)
        restart(market)

        asked = api.patch(f"/orders/{order}?wait=0", {"trigger_price": "51000"})
        restart(market)

        assert asked.status_code == 202
        found = api.get(f"/orders/{order}").json()
        # 1 % above the trigger before, 1 % above it now.
        assert (found["status"], found["trigger_price"], found["protection_price"]) == (
            "pending_trigger",
            "51000.00",
            "51510.00",
        )
        assert found["held"] == "51561.51000000"
        market.sell(bob, 2, 51000)
        market.buy(market.trader(), "0.1", 51000)
        market.drain()
        assert stored(order).status == "filled"

    def test_moves_the_default_protection_to_the_edge_of_the_band(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.sell(alice, 1, kind=OrderType.STOP, trigger=48000)
        market.drain()

        api.patch(f"/orders/{order}?wait=0", {"trigger_price": "40000", "quantity": "2"})
        market.drain()

        found = api.get(f"/orders/{order}").json()
        assert (found["trigger_price"], found["protection_price"], found["leaves"]) == (
            "40000.00",
            "36000.00",
            "2.0000",
        )
        assert money(alice, market.instrument.base) == ("100", "2")

    def test_to_a_price_that_has_come_triggers_it(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order = market.sell(alice, 1, kind=OrderType.STOP, trigger=48000)
        market.buy(bob, 2, 50000)
        market.sell(market.trader(), "0.1")
        restart(market)

        api.patch(f"/orders/{order}?wait=0", {"trigger_price": "50000"})
        market.drain()

        assert (stored(order).status, stored(order).filled) == ("filled", 1)

    def test_keeps_a_limit_within_the_band_of_its_trigger(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.sell(alice, 1, 47900, kind=OrderType.STOP_LIMIT, trigger=48000)
        market.drain()
        before = everything_stored()

        body = refused(api.patch(f"/orders/{order}?wait=0", {"trigger_price": "40000"}), "price_out_of_band")
        assert body["context"]["reference"] == "40000"
        assert everything_stored() == before

        api.patch(f"/orders/{order}?wait=0", {"trigger_price": "40000", "price": "39900"})
        market.drain()
        found = api.get(f"/orders/{order}").json()
        assert (found["trigger_price"], found["price"]) == ("40000.00", "39900.00")

    @pytest.mark.parametrize(
        ("how", "body", "code", "status"),
        [
            ({"trigger": 48000}, {"price": "48000"}, "price_not_allowed", 400),
            ({"trigger": 48000}, {"trigger_price": "48000.001"}, "price_not_on_tick", 400),
            ({"trigger": 48000}, {"trigger_price": "0"}, "invalid_number", 400),
            ({"trigger": 48000}, {"trigger_price": "1e5"}, "invalid_number", 400),
            ({"trigger": 48000}, {"trigger_price": "9" * 18}, "price_not_on_tick", 400),
            ({"trigger": 48000}, {"quantity": "101"}, "insufficient_funds", 400),
            (
                {"kind": "trailing_stop", "trail": 500},
                {"trigger_price": "48000"},
                "trigger_price_not_allowed",
                400,
            ),
            (
                {"kind": "trailing_stop_limit", "trail": 500, "offset": 10},
                {"price": "48000"},
                "field_is_fixed",
                409,
            ),
        ],
    )
    def test_refused_leaves_everything_as_it_was(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        how: dict[str, Any],
        body: dict[str, str],
        code: str,
        status: int,
    ) -> None:
        kind = OrderType(how.get("kind", "stop"))
        order = market.sell(alice, 1, **(how | {"kind": kind}))
        market.drain()
        before = everything_stored()

        refused(api.patch(f"/orders/{order}?wait=0", body), code, status)

        assert everything_stored() == before

    def test_of_a_resting_order_has_no_trigger(self, market: Market, alice: TradingAccount, api: Api) -> None:
        plain = market.sell(alice, 1, 51000)
        stop = market.sell(alice, 1, 51000, kind=OrderType.STOP_LIMIT, trigger=52000)
        market.buy(market.trader(), 1, 50000)
        market.sell(market.trader(), 1, 50000)
        market.drain()
        assert stored(stop).triggered_at is not None
        before = everything_stored()

        for order in (plain, stop):
            answer = api.patch(f"/orders/{order}?wait=0", {"trigger_price": "48000"})
            refused(answer, "trigger_price_not_allowed")

        assert everything_stored() == before

    def test_loses_against_the_trigger(self, market: Market, alice: TradingAccount, api: Api) -> None:
        stop = market.sell(alice, 1, 51000, kind=OrderType.STOP_LIMIT, trigger=49000)
        market.drain()
        market.buy(market.trader(), 1, 48000)
        market.sell(market.trader(), 1, 48000)
        requested = amend_order(
            order_id=stop,
            account_id=alice.id,
            changes=Changes(trigger_price=Decimal(47000)),
            actor=ACTOR,
            source=Source.API,
            now=datetime.now(UTC),
        )
        market.drain()

        with pytest.raises(Refusal) as caught:
            require_done(requested)

        assert (caught.value.code, caught.value.context["reason"]) == ("invalid_combination", "invalid")
        assert (stored(stop).status, money(alice, market.instrument.base)) == ("open", ("100", "1"))

    def test_of_a_list_keeps_what_its_orders_are_made_for(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        entry, profit, _loss = market.send_list(
            ListKind.BRACKET,
            market.request(alice, Side.BUY, 1, 50000),
            market.request(alice, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=52000),
            market.request(alice, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
        )
        market.drain()
        before = everything_stored()

        for order in (entry, profit):
            refused(api.patch(f"/orders/{order}?wait=0", {"quantity": "2"}), "field_is_fixed", 409)
        assert everything_stored() == before

        api.patch(f"/orders/{profit}?wait=0", {"trigger_price": "53000"})
        refused(api.patch(f"/orders/{entry}?wait=0", {"price": "49000"}), "amend_pending", 409)
        market.drain()
        api.patch(f"/orders/{entry}?wait=0", {"price": "49000"})
        restart(market)
        assert api.get(f"/orders/{profit}").json()["trigger_price"] == "53000.00"
        assert money(alice, market.instrument.quote) == ("10000000", "49049")

    def test_of_one_of_a_pair_is_covered_when_the_other_ends_first(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        """The limit grows from 1 to 60; its partner held for 1 of that; a fill of 0.1 comes in between."""
        limit, _stop = market.send_list(
            ListKind.OCO,
            market.request(alice, Side.SELL, 1, 51000),
            market.request(alice, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
        )
        market.drain()
        market.buy(market.trader(), "0.1", 51000)

        assert api.patch(f"/orders/{limit}?wait=0", {"quantity": "100"}).status_code == 202
        market.drain()

        assert (stored(limit).leaves, money(alice, market.instrument.base)) == (
            Decimal("99.9"),
            ("99.9", "99.9"),
        )
