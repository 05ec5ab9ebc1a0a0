"""Requests over sockets: the answers and refusals of REST, in the words of sockets."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from accounts.models import KeyKind, Scope, TradingAccount
from accounts.services.key_issuing import KeyWish, create_key, revoke_key, rotate_key
from orders.models import Command, CommandKind, Order
from tests.accounts.keys import pem_of
from tests.factories import ACTOR, Market, everything_stored
from tests.feed.talk import Feed, eventually
from tests.gateways.binance.client import Signed, client_of, now_ms
from tests.gateways.binance.wsapi.talking import Message, api, done, refused
from tradeplatform.gateways.binance.wsapi.methods import METHODS

pytestmark = pytest.mark.django_db(transaction=True)

KEY_REFUSED = (-2015, "Invalid API-key, IP, or permissions for action.", 401)
BAD_SIGNATURE = (-1022, "Signature for this request is not valid.")
LATE = (-1021, "Timestamp for this request is outside of the recvWindow.")
EARLY = (-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def limit(market: Market, side: str, quantity: str, price: str, **more: Any) -> dict[str, Any]:
    """A limit order that waits."""
    order = {"symbol": market.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return order | {"quantity": quantity, "price": price} | more


def ed25519_client(account: TradingAccount) -> Signed:
    """A client with an Ed25519 key that may trade."""
    private = Ed25519PrivateKey.generate()
    wish = KeyWish(
        account_id=account.pk,
        label="ed",
        kind=KeyKind.ED25519,
        scopes=frozenset({Scope.READ, Scope.TRADE}),
        public_key=pem_of(private),
    )
    issued = create_key(wish, actor=ACTOR, now=timezone.now())
    return Signed(issued.key.key_id, lambda payload: base64.b64encode(private.sign(payload)).decode())


class TestAnswers:
    def test_say_what_was_used_of_the_weight(self, feed: Feed, market: Market) -> None:
        with api(feed) as socket:
            first, second = socket.ask("ping"), socket.ask("depth", symbol=market.symbol, limit=500)
        (limits,) = first["rateLimits"]
        assert first == {"id": 1, "status": 200, "result": {}, "rateLimits": [limits]}
        assert limits.keys() == {"rateLimitType", "interval", "intervalNum", "limit", "count"}
        assert (limits["rateLimitType"], limits["interval"], limits["intervalNum"]) == (
            "REQUEST_WEIGHT",
            "MINUTE",
            1,
        )
        assert second["rateLimits"][0]["count"] - limits["count"] in {25, 25 - limits["count"]}
        assert second["result"] == {"lastUpdateId": 0, "bids": [], "asks": []}

    def test_leave_it_out_where_it_is_not_wanted(self, feed: Feed, market: Market) -> None:
        with api(feed) as socket:
            assert "rateLimits" not in socket.ask("ping", returnRateLimits=False)
        with api(feed, query="?returnRateLimits=false") as socket:
            assert "rateLimits" not in socket.ask("ping")
            assert "rateLimits" in socket.ask("ping", returnRateLimits=True)

    def test_are_in_the_unit_of_time_that_the_address_says(self, feed: Feed, market: Market) -> None:
        with api(feed, query="?timeUnit=MICROSECOND") as socket:
            assert len(str(done(socket.ask("time"))["serverTime"])) == 16
        with api(feed) as socket:
            assert len(str(done(socket.ask("time"))["serverTime"])) == 13

    def test_an_order_from_beginning_to_end(
        self, feed: Feed, market: Market, client_a: Signed, book: None
    ) -> None:
        order = limit(market, "BUY", "1", "49000", newClientOrderId="mine")
        with api(feed, client_a) as socket:
            answer = socket.send("order.place", **order)
            placed = done(answer)
            found = socket.do("order.status", symbol=market.symbol, orderId=placed["orderId"])
            (listed,) = socket.do("openOrders.status", symbol=market.symbol)
            cancelled = socket.do(
                "order.cancel", symbol=market.symbol, origClientOrderId="mine", newClientOrderId="end"
            )
            assert socket.do("openOrders.status") == []
        weight, ten_seconds, day = answer["rateLimits"]
        assert weight["rateLimitType"] == "REQUEST_WEIGHT"
        assert [
            (one["rateLimitType"], one["intervalNum"], one["interval"], one["count"])
            for one in (ten_seconds, day)
        ] == [("ORDERS", 10, "SECOND", 1), ("ORDERS", 1, "DAY", 1)]
        assert (placed["status"], placed["clientOrderId"], placed["fills"]) == ("NEW", "mine", [])
        assert found == listed
        assert found["orderId"] == placed["orderId"]
        assert (cancelled["status"], cancelled["clientOrderId"], cancelled["origClientOrderId"]) == (
            "CANCELED",
            "end",
            "mine",
        )
        assert Command.objects.get(kind=CommandKind.CANCEL).client_request_id == "end"

    def test_many_at_once_are_all_answered_and_a_cancel_finds_what_came_before_it(
        self, feed: Feed, market: Market, client_a: Signed, book: None
    ) -> None:
        with api(feed, client_a) as socket:
            asked = []
            for place in range(5):
                name = f"o{place}"
                order = limit(market, "BUY", "1", "49000", newClientOrderId=name)
                asked.append(socket.say("order.place", **socket.signed(order)))
                gone = {"symbol": market.symbol, "origClientOrderId": name}
                asked.append(socket.say("order.cancel", **socket.signed(gone)))
            statuses = [done(socket.answer(number))["status"] for number in asked]
        # An answer shows the order as it is by then.
        assert set(statuses[::2]) <= {"NEW", "CANCELED"}
        assert statuses[1::2] == ["CANCELED"] * 5

    def test_change_an_order_by_another_or_by_less(
        self, feed: Feed, market: Market, client_a: Signed, book: None
    ) -> None:
        with api(feed, client_a) as socket:
            placed = socket.do("order.place", **limit(market, "BUY", "2", "49000"))
            less = socket.do(
                "order.amend.keepPriority", symbol=market.symbol, orderId=placed["orderId"], newQty="1.5"
            )
            both = socket.do(
                "order.cancelReplace",
                **limit(market, "BUY", "1", "48000"),
                cancelReplaceMode="STOP_ON_FAILURE",
                cancelOrderId=placed["orderId"],
            )
            tried = socket.do("order.test", **limit(market, "BUY", "1", "48000"))
            (gone,) = socket.do("openOrders.cancelAll", symbol=market.symbol)
        assert less["amendedOrder"]["qty"] == "1.50000000"
        assert (both["cancelResult"], both["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        assert tried == {}
        assert (gone["orderId"], gone["status"]) == (both["newOrderResponse"]["orderId"], "CANCELED")

    def test_a_pair(self, feed: Feed, market: Market, client_a: Signed, book: None) -> None:
        with api(feed, client_a) as socket:
            placed = socket.do(
                "orderList.place.oco",
                symbol=market.symbol,
                side="SELL",
                quantity="1",
                aboveType="LIMIT_MAKER",
                abovePrice="51000",
                belowType="STOP_LOSS",
                belowStopPrice="48000",
            )
            which = {"orderListId": placed["orderListId"]}
            found = socket.do("orderList.status", **which)
            gone = socket.do("orderList.cancel", symbol=market.symbol, **which)
            assert socket.do("openOrderLists.status") == []
        assert (placed["contingencyType"], found["listOrderStatus"]) == ("OCO", "EXECUTING")
        assert (gone["listOrderStatus"], len(gone["orderReports"])) == ("ALL_DONE", 2)


class TestEveryMethod:
    """What REST answers to the same question, each method answers."""

    PUBLIC: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("exchangeInfo", "exchangeInfo", {}),
        ("depth", "depth", {}),
        ("trades.recent", "trades", {}),
        ("trades.historical", "historicalTrades", {}),
        ("trades.aggregate", "aggTrades", {}),
        ("klines", "klines", {"interval": "1m"}),
        ("avgPrice", "avgPrice", {}),
        ("ticker.24hr", "ticker/24hr", {}),
        ("ticker.price", "ticker/price", {}),
        ("ticker.book", "ticker/bookTicker", {}),
    )
    OWN: tuple[tuple[str, str, dict[str, bool]], ...] = (
        ("account.status", "account", {}),
        ("account.commission", "account/commission", {"symbol": True}),
        ("account.rateLimits.orders", "rateLimit/order", {}),
        ("allOrders", "allOrders", {"symbol": True}),
        ("openOrders.status", "openOrders", {}),
        ("openOrderLists.status", "openOrderList", {}),
        ("myTrades", "myTrades", {"symbol": True}),
        ("myPreventedMatches", "myPreventedMatches", {"symbol": True, "orderId": True}),
        ("myFilters", "myFilters", {"symbol": True}),
        ("order.status", "order", {"symbol": True, "orderId": True}),
    )

    def test_answers_as_rest_does(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount, client_a: Signed
    ) -> None:
        order_id = market.buy(alice, 1, 49000)
        market.sell(bob, "0.5", 49000)
        market.drain()
        values = {"symbol": market.symbol, "orderId": order_id}
        moving = {"serverTime", "closeTime", "openTime"}

        def still(answer: Any) -> Any:
            if isinstance(answer, dict):
                return {key: value for key, value in answer.items() if key not in moving}
            return answer

        with api(feed, client_a) as socket:
            for method, path, more in self.PUBLIC:
                asked = {"symbol": market.symbol} | more
                assert still(done(socket.ask(method, **asked))) == still(
                    client_a.get(f"/api/v3/{path}", asked).json()
                ), method
            for method, path, wanted in self.OWN:
                mine: dict[str, Any] = {name: values[name] for name in wanted}
                assert socket.do(method, **mine) == client_a.ask(path, **mine), method

    def test_no_method_is_left_out_of_these_tests(self) -> None:
        tried = {method for method, *_ in (*self.PUBLIC, *self.OWN)} | {
            "ping",
            "time",
            "order.place",
            "order.test",
            "order.cancel",
            "order.cancelReplace",
            "order.amend.keepPriority",
            "openOrders.cancelAll",
            "orderList.place.oco",
            "orderList.status",
            "orderList.cancel",
        }
        assert METHODS.keys() == tried


class TestPolicy:
    """Every method against every kind of caller; a method without a line here fails."""

    PUBLIC = frozenset({"ping", "time", *(method for method, *_ in TestEveryMethod.PUBLIC)})
    TRADE = frozenset(
        {
            "order.place",
            "order.test",
            "order.cancel",
            "order.cancelReplace",
            "order.amend.keepPriority",
            "openOrders.cancelAll",
            "orderList.place.oco",
            "orderList.cancel",
        }
    )
    OWN = frozenset({"orderList.status", *(method for method, *_ in TestEveryMethod.OWN)})

    def test_who_may_ask_what(self, feed: Feed, market: Market, alice: TradingAccount) -> None:
        assert METHODS.keys() == self.PUBLIC | self.TRADE | self.OWN
        reader, before = client_of(alice, scopes=frozenset({Scope.READ})), everything_stored()
        # From an address of its own: what the tests before have read weighs on theirs for a minute.
        with api(feed, reader, source_address=("127.0.0.8", 0)) as socket:
            for method in METHODS:
                nobody = socket.ask(method, timestamp=now_ms()) if method not in self.PUBLIC else None
                read_only = socket.send(method) if method not in self.PUBLIC else socket.ask(method)
                stopped = read_only["status"] == 401
                assert stopped == (method in self.TRADE), (method, read_only)
                if nobody is not None:
                    assert nobody["error"]["msg"].startswith("Mandatory parameter 'apiKey'"), method
        assert everything_stored() == before


class TestRefusals:
    """Each refusal changes nothing."""

    @pytest.fixture(autouse=True)
    def nothing_moves(self, market: Market, alice: TradingAccount, client_a: Signed) -> Any:
        before = everything_stored()
        yield
        assert everything_stored() == before

    def test_bad_json(self, feed: Feed) -> None:
        with api(feed) as socket:
            socket.connection.send("{")
            answer = socket.next()
            refused(answer, -1135, "Invalid JSON Request")
            assert answer["id"] is None
            assert done(socket.ask("ping")) == {}

    def test_an_unknown_method(self, feed: Feed, client_a: Signed) -> None:
        with api(feed, client_a) as socket:
            refused(socket.send("order.placed"), -1020, "This operation is not supported.", 404)

    def test_an_unknown_parameter(self, feed: Feed, market: Market, client_a: Signed) -> None:
        with api(feed, client_a) as socket:
            refused(
                socket.send("order.place", **limit(market, "BUY", "1", "49000", pirce="1")),
                -1104,
                "Not all sent parameters were read; read '9' parameter(s) but was sent '10'.",
            )

    def test_no_key_no_signature_no_time(self, feed: Feed, market: Market, client_a: Signed) -> None:
        mandatory = "Mandatory parameter '%s' was not sent, was empty/null, or malformed."
        with api(feed, client_a) as socket:
            whole = socket.signed(limit(market, "BUY", "1", "49000"))
            for name in ("apiKey", "signature", "timestamp"):
                part = {key: value for key, value in whole.items() if key != name}
                refused(socket.ask("order.place", **part), -1102, mandatory % name)

    def test_a_changed_parameter(self, feed: Feed, market: Market, client_a: Signed) -> None:
        with api(feed, client_a) as socket:
            signed = socket.signed(limit(market, "BUY", "1", "49000"))
            refused(socket.ask("order.place", **(signed | {"quantity": "2"})), *BAD_SIGNATURE)
            refused(socket.ask("order.place", **(signed | {"recvWindow": 60000})), *BAD_SIGNATURE)

    def test_a_clock_that_is_wrong(self, feed: Feed, market: Market, client_a: Signed) -> None:
        order = limit(market, "BUY", "1", "49000")
        with api(feed, client_a) as socket:
            refused(socket.send("order.place", **order, timestamp=now_ms() - 6_000), *LATE)
            refused(socket.send("order.place", **order, timestamp=now_ms() + 5_000), *EARLY)

    def test_a_key_that_may_only_read(self, feed: Feed, market: Market, alice: TradingAccount) -> None:
        client = client_of(alice, scopes=frozenset({Scope.READ}))
        before = everything_stored()
        with api(feed, client) as socket:
            refused(socket.send("order.place", **limit(market, "BUY", "1", "49000")), *KEY_REFUSED)
            assert socket.do("openOrders.status") == []
        assert everything_stored() == before

    def test_a_key_from_elsewhere(self, feed: Feed, alice: TradingAccount) -> None:
        client = client_of(alice, allowed_ips=("203.0.113.7",))
        with api(feed, client) as socket:
            refused(socket.send("account.status"), *KEY_REFUSED)
            refused(socket.send("userDataStream.subscribe.signature"), *KEY_REFUSED)

    def test_an_unknown_key(self, feed: Feed, client_a: Signed) -> None:
        nobody = Signed("x" * 64, client_a.sign)
        with api(feed, nobody) as socket:
            refused(socket.send("account.status"), *KEY_REFUSED)
        with api(feed, Signed("x", client_a.sign)) as socket:
            refused(socket.send("account.status"), -2014, "API-key format invalid.", 401)


class TestOthers:
    def test_an_order_of_another_account_is_not_there(
        self, feed: Feed, market: Market, bob: TradingAccount, client_a: Signed, book: None
    ) -> None:
        order_id = market.buy(bob, 1, 49000)
        which = {"symbol": market.symbol, "orderId": order_id}
        with api(feed, client_a) as socket:
            refused(socket.send("order.status", **which), -2013, "Order does not exist.")
            refused(socket.send("order.cancel", **which), -2011, "Unknown order sent.")
        assert not Command.objects.filter(kind=CommandKind.CANCEL).exists()

    def test_a_copy_of_a_request_places_nothing(
        self, feed: Feed, market: Market, client_a: Signed, book: None
    ) -> None:
        with api(feed, client_a) as socket, api(feed) as thief:
            signed = socket.signed(limit(market, "BUY", "1", "49000"))
            done(socket.ask("order.place", **signed))
            refused(thief.ask("order.place", **signed), -2010, "Duplicate order sent.")
        assert Order.objects.count() == 1

    def test_a_key_that_was_revoked(self, feed: Feed, alice: TradingAccount, client_a: Signed) -> None:
        with api(feed, client_a) as socket:
            socket.subscribe()
            key = alice.api_keys.get(key_id=client_a.key_id)
            revoke_key(key_id=key.pk, actor=ACTOR, now=timezone.now(), reason="leaked")
            # The subscription hears of it at once; a request by the next second at the latest.
            socket.hear("eventStreamTerminated")

    def test_too_many_requests(self, feed: Feed, market: Market) -> None:
        # From an address of its own: the others' tests have a minute, too.
        with api(feed, source_address=("127.0.0.9", 0)) as socket:
            # The weight of a minute is 6,000, and a book of 5,000 levels weighs 250.
            for _ in range(200):
                answer = socket.ask("depth", symbol=market.symbol, limit=5000)
                if answer["status"] != 200:
                    break
        assert answer["status"] == 429
        assert answer["error"]["code"] == -1003
        assert answer["error"]["data"]["retryAfter"] > answer["error"]["data"]["serverTime"]


class TestLogon:
    def test_only_with_an_ed25519_key(self, feed: Feed, market: Market, client_a: Signed) -> None:
        with api(feed, client_a) as socket:
            refused(socket.send("session.logon"), -4056, "HMAC_SHA256 API key is not supported.")
            assert done(socket.ask("session.status"))["apiKey"] is None
            refused(
                socket.ask("userDataStream.subscribe"), -1099, "Not found, authenticated, or authorized.", 401
            )

    def test_counts_no_more_once_the_key_is_another(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        client, other = ed25519_client(alice), Ed25519PrivateKey.generate()
        with api(feed, client) as socket:
            socket.do("session.logon")
            assert done(socket.ask("openOrders.status", timestamp=now_ms())) == []
            key = alice.api_keys.get(key_id=client.key_id)
            rotate_key(key_id=key.pk, public_key=pem_of(other), actor=ACTOR, now=timezone.now())

            def asked() -> Message:
                order = limit(market, "BUY", "1", "49000", timestamp=now_ms())
                return socket.ask("order.test", **order)

            # The socket's server knows what it knew of the key for a second at most.
            eventually(lambda: asked()["status"] == 401)
            refused(asked(), *KEY_REFUSED)
            refused(socket.ask("userDataStream.subscribe"), *KEY_REFUSED)

    def test_needs_no_signature_from_then_on(
        self, feed: Feed, market: Market, alice: TradingAccount, book: None
    ) -> None:
        client = ed25519_client(alice)
        with api(feed, client) as socket:
            logged = socket.do("session.logon")
            assert logged.keys() == {
                "apiKey",
                "authorizedSince",
                "connectedSince",
                "returnRateLimits",
                "serverTime",
                "userDataStream",
            }
            assert (logged["apiKey"], logged["userDataStream"]) == (client.key_id, False)
            assert done(socket.ask("userDataStream.subscribe")) == {"subscriptionId": 0}
            assert done(socket.ask("session.status"))["userDataStream"] is True
            order = limit(market, "BUY", "1", "49000")
            refused(
                socket.ask("order.place", **order),
                -1102,
                "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.",
            )
            placed = done(socket.ask("order.place", **order, timestamp=now_ms()))
            assert socket.hear("executionReport")["i"] == placed["orderId"]

            out = done(socket.ask("session.logout"))
            assert (out["apiKey"], out["authorizedSince"], out["userDataStream"]) == (None, None, False)
            kinds = {socket.hear()["e"] for _ in range(len(socket.events))}
            assert "eventStreamTerminated" in kinds
            refused(
                socket.ask("openOrders.status", timestamp=now_ms()),
                -1102,
                "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed.",
            )
