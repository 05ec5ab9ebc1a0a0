"""The user data stream: each event of one's own orders and money, once, in order, after its commit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from accounts.services.key_issuing import revoke_key, rotate_key
from accounts.services.people import set_active
from orders.models import Fill, Order, OrderStatus, OrderType, Side, Source, StpMode, TimeInForce, event_id
from orders.services.batching import cancel_soon
from orders.services.journal import microseconds
from orders.services.requests import ListKind
from tests.factories import ACTOR, Market, fund, stored
from tests.feed.talk import Feed
from tests.gateways.binance.client import Signed, client_of
from tests.gateways.binance.wsapi.talking import Api, Message, api, done, refused

pytestmark = pytest.mark.django_db(transaction=True)


def ms(moment: Any) -> int:
    return microseconds(moment) // 1_000


def short(event: Message) -> tuple[Any, ...]:
    """What happened, in what clients rely on most."""
    assert event["e"] == "executionReport", event
    return tuple(event[key] for key in ("i", "x", "X", "l", "z"))


def cancel(market: Market, order_id: int, account: TradingAccount, name: str) -> None:
    cancel_soon(
        order_id=order_id, account_id=account.pk, actor=ACTOR, source=Source.API, client_request_id=name
    )


def buy_now(market: Market, account: TradingAccount, price: int) -> int:
    return market.send(market.request(account, Side.BUY, 1, price), now=timezone.now()).order_id


class TestExecutionReports:
    def test_a_new_order_has_every_key(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            assert socket.subscribe() == 0
            order_id = market.buy(alice, 2, 49000, client_order_id="mine")
            market.drain()

            event = socket.hear("executionReport")

        order = stored(order_id)
        made = event_id(market.instrument.pk, 1)
        assert event.pop("E") >= event["T"]
        assert event == {
            "e": "executionReport",
            "s": market.symbol,
            "c": "mine",
            "S": "BUY",
            "o": "LIMIT",
            "f": "GTC",
            "q": "2.00000000",
            "p": "49000.00000000",
            "P": "0.00000000",
            "F": "0.00000000",
            "g": -1,
            "C": "",
            "x": "NEW",
            "X": "NEW",
            "r": "NONE",
            "i": order_id,
            "l": "0.00000000",
            "z": "0.00000000",
            "L": "0.00000000",
            "n": "0.00000000",
            "N": None,
            "T": ms(order.created_at),
            "t": -1,
            "I": made,
            "w": True,
            "m": False,
            "M": False,
            "O": ms(order.created_at),
            "Z": "0.00000000",
            "Y": "0.00000000",
            "Q": "0.00000000",
            "V": "EXPIRE_TAKER",
            "W": ms(order.created_at),
        }

    def test_fills_of_one_commit_are_told_one_by_one(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.buy(alice, 2, 49000)
            market.sell(bob, "0.5", 49000)
            market.sell(bob, "1.5", 49000)
            market.drain()

            new, first, second = [socket.hear("executionReport") for _ in range(3)]

        fills = list(Fill.objects.filter(order_id=order_id).order_by("id"))
        assert [short(one)[1:] for one in (new, first, second)] == [
            ("NEW", "NEW", "0.00000000", "0.00000000"),
            ("TRADE", "PARTIALLY_FILLED", "0.50000000", "0.50000000"),
            ("TRADE", "FILLED", "1.50000000", "2.00000000"),
        ]
        assert [(one["L"], one["Y"], one["Z"], one["m"], one["w"]) for one in (first, second)] == [
            ("49000.00000000", "24500.00000000", "24500.00000000", True, True),
            ("49000.00000000", "73500.00000000", "98000.00000000", True, False),
        ]
        assert [one["t"] for one in (first, second)] == [fill.trade_id for fill in fills]
        assert [(Decimal(one["n"]), one["N"]) for one in (first, second)] == [
            (fill.fee, market.instrument.quote.code) for fill in fills
        ]

    def test_a_cancel_has_its_own_name_and_the_orders(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        order_id = market.buy(alice, 2, 49000, client_order_id="mine")
        market.drain()
        with api(feed, client_a) as socket:
            socket.subscribe()
            cancel(market, order_id, alice, "the-end")
            market.drain()
            event = socket.hear("executionReport")
        assert (event["c"], event["C"], event["x"], event["X"], event["w"]) == (
            "the-end",
            "mine",
            "CANCELED",
            "CANCELED",
            False,
        )

    def test_a_cancel_without_a_name_is_called_by_its_event(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        order_id = market.buy(alice, 2, 49000, client_order_id="mine")
        with api(feed, client_a) as socket:
            market.drain()
            socket.subscribe()
            market.cancel(order_id, alice)
            market.drain()
            event = socket.hear("executionReport")
        assert (event["c"], event["C"]) == (str(event["I"]), "mine")

    def test_what_the_book_ends_by_itself_has_expired(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.buy(alice, 1, 49000, tif=TimeInForce.IOC, client_order_id="now")
            market.drain()
            new, end = socket.hear("executionReport"), socket.hear("executionReport")
        assert short(new) == (order_id, "NEW", "NEW", "0.00000000", "0.00000000")
        assert (end["x"], end["X"], end["eR"], end["c"], end["C"]) == (
            "EXPIRED",
            "EXPIRED",
            "IOC_REMAINDER",
            "now",
            "",
        )

    def test_an_amended_order_is_replaced_and_was_what_it_was_before(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.buy(alice, 2, 49000, client_order_id="mine")
            market.drain()
            events = [socket.hear("executionReport")]
            # What two batches did to the balances may be told once, after both.
            assert socket.hear()["e"] == "outboundAccountPosition"
            market.amend(order_id, alice, price=48000, quantity="1.5")
            market.drain()
            events.append(socket.hear("executionReport"))
        assert [(one["x"], one["X"], one["q"], one["p"], one["c"], one["C"]) for one in events] == [
            ("NEW", "NEW", "2.00000000", "49000.00000000", "mine", ""),
            ("REPLACED", "NEW", "1.50000000", "48000.00000000", "mine", "mine"),
        ]

    def test_a_stop_works_from_its_trigger_on(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.sell(alice, 1, 48000, kind=OrderType.STOP_LIMIT, trigger=49000)
            market.drain()
            waits = socket.hear("executionReport")
            market.buy(bob, 1, 49000)
            market.sell(market.trader(), 1, 49000)
            market.drain()
            assert socket.hear()["e"] == "outboundAccountPosition"
            live = socket.hear("executionReport")
        assert (waits["x"], waits["X"], waits["w"], waits["P"], "W" in waits) == (
            "NEW",
            "NEW",
            False,
            "49000.00000000",
            False,
        )
        assert (live["i"], live["x"], live["w"], live["W"]) == (
            order_id,
            "NEW",
            True,
            ms(stored(order_id).triggered_at),
        )

    def test_a_trailing_stop_is_told_as_it_is_placed_and_as_it_goes_live(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        """Its trigger follows the market in silence: what it has come to is said with the trigger."""

        def trade(price: int) -> None:
            market.buy(bob, 1, price)
            market.sell(other, 1, price)
            market.drain()

        other = market.trader()
        trade(50000)
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.sell(alice, 1, kind=OrderType.TRAILING_STOP, trail_percent=2)
            market.drain()
            waits = socket.hear("executionReport")
            assert socket.hear()["e"] == "outboundAccountPosition"
            trade(51000)
            market.buy(bob, 1, 49900)
            trade(49980)
            live, sold = socket.hear("executionReport"), socket.hear("executionReport")
        assert short(waits)[:3] == (order_id, "NEW", "NEW")
        assert (waits["o"], waits["d"], waits["P"], waits["w"], "W" in waits) == (
            "STOP_LOSS", 200, "49000.00000000", False, False,
        )  # fmt: skip
        assert short(live)[:3] == (order_id, "NEW", "NEW")
        assert (live["d"], live["P"], live["w"]) == (200, "49980.00000000", True)
        assert (sold["x"], sold["X"], sold["L"]) == ("TRADE", "FILLED", "49900.00000000")

    def test_an_order_for_an_amount_is_filled_by_its_last_trade(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        market.sell(bob, 1, 50000)
        market.drain()
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.buy(alice, 0, None, kind=OrderType.MARKET, amount=25000)
            market.drain()
            new, trade = socket.hear("executionReport"), socket.hear("executionReport")
            assert socket.hear()["e"] == "outboundAccountPosition"
        assert short(new) == (order_id, "NEW", "NEW", "0.00000000", "0.00000000")
        assert (new["Q"], trade["Q"]) == ("25000.00000000", "25000.00000000")
        assert short(trade) == (order_id, "TRADE", "FILLED", "0.50000000", "0.50000000")

    def test_prevention_names_its_match(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        market.sell(alice, 1, 50000)
        market.drain()
        with api(feed, client_a) as socket:
            socket.subscribe()
            order_id = market.buy(alice, 2, 50000, stp=StpMode.EXPIRE_TAKER)
            market.drain()
            new, end = socket.hear("executionReport"), socket.hear("executionReport")
        assert short(new)[1:3] == ("NEW", "NEW")
        assert short(end) == (order_id, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.00000000", "0.00000000")
        assert (end["v"], end["A"], end["B"], end["u"]) == (end["I"], "2.00000000", "2.00000000", -1)

    def test_a_decrement_takes_from_both_orders_and_ends_the_smaller(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        stood = market.sell(alice, 1, 50000)
        market.drain()
        with api(feed, client_a) as socket:
            socket.subscribe()
            came = market.buy(alice, 3, 50000, stp=StpMode.DECREMENT)
            market.drain()
            new, maker, taker, end = (socket.hear("executionReport") for _ in range(4))
        assert short(new) == (came, "NEW", "NEW", "0.00000000", "0.00000000")
        for one, order_id in ((maker, stood), (taker, came)):
            assert (one["i"], one["x"], one["X"]) == (order_id, "TRADE_PREVENTION", "NEW")
            assert (one["A"], one["B"], one["v"], one["l"]) == (
                "1.00000000", "1.00000000", one["I"], "0.00000000",
            )  # fmt: skip
        assert (end["i"], end["x"], end["X"]) == (stood, "TRADE_PREVENTION", "EXPIRED_IN_MATCH")
        assert stored(came).status == OrderStatus.OPEN


class TestLists:
    def test_a_pair_that_waits_for_its_parent_is_pending_until_it_is_filled(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            parent, profit, stop = market.send_list(
                ListKind.OTO,
                market.request(alice, Side.BUY, 1, 49000),
                market.request(alice, Side.SELL, 1, 51000),
                market.request(alice, Side.SELL, 1, 47000, kind=OrderType.STOP_LIMIT, trigger=48000),
            )
            market.drain()
            begun = {one["i"]: one for one in (socket.hear("executionReport") for _ in range(3))}
            assert [socket.hear()["e"] for _ in range(2)] == ["listStatus", "outboundAccountPosition"]
            market.sell(bob, 1, 49000)
            market.drain()
            filled = socket.hear("executionReport")
            live = {one["i"]: one for one in (socket.hear("executionReport") for _ in range(2))}
        states = {number: (one["x"], one["X"], one["w"]) for number, one in begun.items()}
        assert states == {
            parent: ("NEW", "NEW", True),
            profit: ("NEW", "PENDING_NEW", False),
            stop: ("NEW", "PENDING_NEW", False),
        }
        assert short(filled)[:3] == (parent, "TRADE", "FILLED")
        states = {number: (one["x"], one["X"], one["w"]) for number, one in live.items()}
        assert states == {profit: ("NEW", "NEW", True), stop: ("NEW", "NEW", False)}

    def test_a_pair_begins_and_is_done(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            ids = market.send_list(
                ListKind.OCO,
                market.request(alice, Side.SELL, 1, 51000, client_order_id="profit", post_only=True),
                market.request(alice, Side.SELL, 1, 47000, kind=OrderType.STOP_LIMIT, trigger=48000),
            )
            market.drain()
            begun = [socket.hear() for _ in range(4)]
            cancel(market, ids[0], alice, "both")
            market.drain()
            ended = [socket.hear() for _ in range(4)]
        listed = Order.objects.get(pk=ids[0]).list_id
        assert [one["e"] for one in begun] == [
            "executionReport",
            "executionReport",
            "listStatus",
            "outboundAccountPosition",
        ]
        status = begun[2]
        assert status.pop("E") >= status.pop("T")
        assert status == {
            "e": "listStatus",
            "s": market.symbol,
            "g": listed,
            "c": "OCO",
            "l": "EXEC_STARTED",
            "L": "EXECUTING",
            "r": "NONE",
            "C": "profit",
            "O": [
                {"s": market.symbol, "i": number, "c": Order.objects.get(pk=number).client_order_id}
                for number in sorted(ids)
            ],
        }
        assert {one["g"] for one in begun[:2]} == {listed}
        assert [(one["x"], one["c"]) for one in ended[:2]] == [("CANCELED", "both"), ("CANCELED", "both")]
        assert (ended[2]["e"], ended[2]["l"], ended[2]["L"]) == ("listStatus", "ALL_DONE", "ALL_DONE")


class TestMoney:
    def test_an_order_moves_only_what_it_holds(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            market.sell(alice, 3, 50000)
            market.drain()
            socket.hear("executionReport")
            event = socket.hear("outboundAccountPosition")
        assert event["E"] >= event["u"]
        base = market.instrument.base.code
        assert event["B"] == [{"a": base, "f": "97.00000000", "l": "3.00000000"}]

    def test_a_trade_moves_both_assets(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        market.sell(bob, 1, 50000)
        market.drain()
        with api(feed, client_a) as socket:
            socket.subscribe()
            market.buy(alice, 1, 50000)
            market.drain()
            for _ in range(2):
                socket.hear("executionReport")
            event = socket.hear("outboundAccountPosition")
        assert {one["a"]: (one["f"], one["l"]) for one in event["B"]} == {
            market.instrument.base.code: ("101.00000000", "0.00000000"),
            market.instrument.quote.code: ("9949950.00000000", "0.00000000"),
        }

    def test_a_deposit_is_told_with_its_amount(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        quote = market.instrument.quote
        with api(feed, client_a) as socket:
            socket.subscribe()
            fund(alice, quote, "12.5", now=timezone.now())
            update, position = socket.hear("balanceUpdate"), socket.hear("outboundAccountPosition")
        assert update.pop("E") >= update.pop("T")
        assert update == {"e": "balanceUpdate", "a": quote.code, "d": "12.50000000"}
        assert position["B"] == [{"a": quote.code, "f": "10000012.50000000", "l": "0.00000000"}]


class TestWhoHears:
    def test_nothing_before_the_commit_and_nothing_of_others(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            market.sell(bob, 1, 50000)
            market.drain()
            order_id = market.buy(alice, 1, 49000)
            done(socket.ask("ping"))
            assert socket.events == []
            market.drain()
            assert socket.hear("executionReport")["i"] == order_id

    def test_what_nobody_published_is_told_all_the_same(
        self,
        feed: Feed,
        market: Market,
        alice: TradingAccount,
        client_a: Signed,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            first = buy_now(market, alice, 49000)
            with monkeypatch.context() as lost:
                lost.setattr("orders.services.frames.publish", lambda _frames: None)
                market.drain()
            second = buy_now(market, alice, 48000)
            market.drain()
            told = [socket.hear() for _ in range(3)]
        reports = [one["i"] for one in told if one["e"] == "executionReport"]
        assert sorted(reports) == [first, second]

    def test_two_accounts_on_one_socket(
        self,
        feed: Feed,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        client_a: Signed,
        client_b: Signed,
    ) -> None:
        with api(feed, client_a) as socket:
            assert socket.subscribe() == 0
            refused(
                socket.send("userDataStream.subscribe.signature"),
                -2035,
                "User Data Stream subscription already active.",
            )
            socket.client = client_b
            assert socket.subscribe() == 1
            assert done(socket.ask("session.subscriptions")) == [
                {"subscriptionId": 0},
                {"subscriptionId": 1},
            ]
            market.sell(bob, 1, 50000)
            market.drain()
            # What intake held may be told before what the drain did, or once, after both.
            told = [socket.next()]
            while told[-1]["event"]["e"] != "executionReport":
                told.append(socket.next())
            assert {message["subscriptionId"] for message in told} == {1}

    def test_unsubscribe_ends_it_and_says_so(
        self, feed: Feed, market: Market, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            number = socket.subscribe()
            refused(
                socket.ask("userDataStream.unsubscribe", subscriptionId=7),
                -2036,
                "User Data Stream subscription not active.",
            )
            assert done(socket.ask("userDataStream.unsubscribe", subscriptionId=number)) == {}
            event = socket.hear("eventStreamTerminated")
            assert event.keys() == {"e", "E"}
            market.buy(alice, 1, 49000)
            market.drain()
            assert done(socket.ask("session.subscriptions")) == []
            assert socket.events == []


class TestAccessEnds:
    def ended(self, socket: Api) -> None:
        socket.hear("eventStreamTerminated")
        assert done(socket.ask("session.subscriptions")) == []

    def test_a_revoked_key_hears_nothing_more(
        self, feed: Feed, alice: TradingAccount, client_a: Signed
    ) -> None:
        key = alice.api_keys.get(key_id=client_a.key_id)
        with api(feed, client_a) as socket:
            socket.subscribe()
            revoke_key(key_id=key.pk, actor=ACTOR, now=timezone.now(), reason="leaked")
            self.ended(socket)

    def test_nor_does_a_person_who_was_shut_out(
        self, feed: Feed, alice: TradingAccount, client_a: Signed
    ) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            set_active(user_id=alice.user_id, active=False, actor=ACTOR, now=timezone.now(), reason="left")
            self.ended(socket)

    def test_nor_does_a_key_whose_secret_was_replaced(
        self, feed: Feed, alice: TradingAccount, client_a: Signed
    ) -> None:
        key = alice.api_keys.get(key_id=client_a.key_id)
        with api(feed, client_a) as socket:
            socket.subscribe()
            rotate_key(key_id=key.pk, actor=ACTOR, now=timezone.now())
            self.ended(socket)

    def test_nor_does_an_expired_key(self, feed: Feed, alice: TradingAccount) -> None:
        client = client_of(alice, expires_at=timezone.now() + timedelta(seconds=4))
        with api(feed, client) as socket:
            socket.subscribe()
            self.ended(socket)
