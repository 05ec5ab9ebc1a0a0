"""DELETE: cancel one, or all of an account, an instrument, a side or a session, and nothing else."""

from __future__ import annotations

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from orders.models import Command, CommandKind, Order, OrderType
from orders.services.phases import halt_instrument
from tests.api.client import Api, order_body, refused, signed_in
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored


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

    def test_can_be_kept_to_one_group(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        names = ["grid/1", "grid/2", "grid2/1", "grid", "old/grid/1"]
        orders = {
            name: market.buy(alice, 1, 49000 + number, client_order_id=name)
            for number, name in enumerate(names)
        }
        theirs = market.buy(bob, 1, 48000, client_order_id="grid/1")
        market.drain()

        response = api.delete(f"/orders?account={alice.id}&group=grid&wait=0")
        assert [row["client_order_id"] for row in response.json()["results"]] == ["grid/1", "grid/2"]
        market.drain()

        ended = {name for name, order in orders.items() if stored(order).status == "cancelled"}
        assert ended == {"grid/1", "grid/2"}
        assert stored(theirs).status == "open"

    @pytest.mark.parametrize("group", ["gri", "g_id", "g%25", "grid/", "%F0%9F%98%80", "x" * 36])
    def test_a_group_without_orders_cancels_nothing(
        self, market: Market, alice: TradingAccount, api: Api, group: str
    ) -> None:
        order = market.buy(alice, 1, 49000, client_order_id="grid/1")
        market.drain()
        assert api.delete(f"/orders?account={alice.id}&group={group}&wait=0").json()["results"] == []
        market.drain()
        assert stored(order).status == "open"

    def test_is_one_command_for_each_book_whatever_the_number_of_orders(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        other = make_market(base=market.instrument.base, quote=market.instrument.quote, shard=market.shard)
        market.buy(bob, 1, 49900)
        for price in (50000, 49900, 49800):
            market.buy(alice, 1, price)
        other.sell(alice, 1, 50000)
        market.sell(alice, 1, kind=OrderType.STOP, trigger=40000)
        market.drain()
        before = Command.objects.count()

        answer = api.delete(f"/orders?account={alice.id}&wait=0")
        market.drain()

        assert len(answer.json()["results"]) == 5
        assert Command.objects.count() == before + 2
        commands = Command.objects.filter(kind=CommandKind.MASS_CANCEL)
        assert set(commands.values_list("account_id", "side", "instrument_id")) == {
            (alice.id, 0, market.instrument.id),
            (alice.id, 0, other.instrument.id),
        }
        assert set(Order.objects.filter(account=alice).values_list("status", "reason")) == {
            ("cancelled", "mass_cancel")
        }
        assert Order.objects.get(account=bob).status == "open"

    @pytest.mark.parametrize(("side", "left"), [("buy", "sell"), ("sell", "buy")])
    def test_can_be_kept_to_one_side(
        self, market: Market, alice: TradingAccount, api: Api, side: str, left: str
    ) -> None:
        market.buy(alice, 1, 49000)
        market.sell(alice, 1, 51000)
        market.drain()

        answer = api.delete(f"/orders?account={alice.id}&side={side}&wait=0")
        market.drain()

        assert len(answer.json()["results"]) == 1
        assert list(Order.objects.live().values_list("side", flat=True)) == [left]

    def test_can_be_kept_to_the_session_of_the_request(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        other = signed_in(alice)
        mine = api.post("/orders?wait=0", order_body(market, alice, price="49000")).json()["id"]
        theirs = other.post("/orders?wait=0", order_body(market, alice, price="48000")).json()["id"]
        nobodys = market.buy(alice, 1, 47000)
        market.drain()

        answer = api.delete(f"/orders?account={alice.id}&credential=current&wait=0")
        market.drain()

        assert [row["id"] for row in answer.json()["results"]] == [mine]
        assert [stored(int(number)).status for number in (mine, theirs, nobodys)] == [
            "cancelled",
            "open",
            "open",
        ]

    def test_of_a_session_outlives_its_tokens(
        self, market: Market, alice: TradingAccount, anonymous: Api
    ) -> None:
        alice.user.set_password("a long enough phrase 7!")
        alice.user.save()
        login = {"username": alice.user.username, "password": "a long enough phrase 7!"}
        tokens = anonymous.post("/auth/login", login).json()
        body = order_body(market, alice)
        order = Api().bearer(tokens["access"]).post("/orders?wait=0", body).json()["id"]
        market.drain()

        renewed = anonymous.post("/auth/refresh", {"refresh": tokens["refresh"]}).json()["access"]
        answer = Api().bearer(renewed).delete(f"/orders?account={alice.id}&credential=current&wait=0")

        assert [row["id"] for row in answer.json()["results"]] == [order]

    def test_of_a_session_that_the_token_does_not_say_is_refused(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        market.buy(alice, 1, 50000)
        before = everything_stored()
        api.bearer(AccessToken.for_user(alice.user))

        refused(api.delete(f"/orders?account={alice.id}&credential=current&wait=0"), "not_authenticated", 401)

        assert everything_stored() == before

    @pytest.mark.parametrize(
        "query", ["side=both", "side=BUY", "credential=other", "credential=", "status=open", "list=0"]
    )
    def test_refuses_other_words(self, alice: TradingAccount, api: Api, query: str) -> None:
        refused(api.delete(f"/orders?account={alice.id}&{query}"), "invalid_field")

    def test_of_nothing_is_done_at_once(self, alice: TradingAccount, api: Api) -> None:
        response = api.delete(f"/orders?account={alice.id}")

        assert (response.status_code, response.json()) == (200, {"results": []})

    def test_refuses_an_unknown_symbol(self, market: Market, alice: TradingAccount, api: Api) -> None:
        market.buy(alice, 1, 50000)
        before = everything_stored()

        refused(api.delete(f"/orders?account={alice.id}&symbol=NO-SUCH&wait=0"), "unknown_symbol", 404)

        assert everything_stored() == before
