"""What a socket may ask and what it is answered, through the real ASGI application."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings

from accounts.models import TradingAccount, User
from orders.feed import hub as hub_module
from orders.feed.hub import hub
from orders.feed.protocol import MAX_MESSAGE_BYTES
from orders.models import Side
from tests.factories import Market, everything_stored, make_market, make_user
from tests.feed.talk import PATIENCE, Talk, do, eventually, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)


async def subscribed(socket: Talk, **topic: Any) -> None:
    """Subscribe, expecting a yes."""
    assert await socket.ask("subscribed", op="subscribe", id=1, **topic) == {
        "type": "subscribed",
        **topic,
        "id": 1,
    }


class TestDoor:
    """Who is let in."""

    @pytest.mark.parametrize("origin", [None, *settings.WEBSOCKET_ORIGINS])
    async def test_programs_and_our_own_pages(self, origin: str | None, market: Market) -> None:
        async with talk(origin=origin) as socket:
            assert (await socket.ask("pong", op="ping", id="x"))["id"] == "x"

    @pytest.mark.parametrize(
        ("origin", "path"),
        [
            ("https://evil.example", "/ws/v1"),
            ("null", "/ws/v1"),
            (settings.WEBSOCKET_ORIGINS[0] + ".evil.example", "/ws/v1"),
            (None, "/ws/v2"),
            (None, "/"),
            (None, "/ws/v1/admin"),
        ],
    )
    async def test_others_are_not(self, origin: str | None, path: str) -> None:
        from tradeplatform.asgi import application  # noqa: PLC0415

        headers = [(b"origin", origin.encode())] if origin else []
        communicator = WebsocketCommunicator(application, path, headers=headers)
        accepted, _code = await communicator.connect(timeout=PATIENCE)
        assert not accepted

    async def test_a_full_server_sends_away(self, monkeypatch: pytest.MonkeyPatch, market: Market) -> None:
        async with talk():
            monkeypatch.setattr(hub_module, "MAX_SOCKETS", 1)
            from tradeplatform.asgi import application  # noqa: PLC0415

            second = WebsocketCommunicator(application, "/ws/v1")
            await second.connect(timeout=PATIENCE)
            assert await Talk(second).hear_close() == (1013, "too_many_sockets")
            await second.disconnect()

    async def test_the_last_socket_stops_the_hub(self, market: Market) -> None:
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            tasks = list(hub()._tasks)
            assert len(tasks) == 3
        await asyncio.wait(tasks, timeout=PATIENCE)
        assert all(task.done() for task in tasks)
        assert (hub()._tasks, hub()._markets, hub()._members) == ([], {}, set())


class TestPublic:
    """Market data, for a socket that never says who it is."""

    async def test_book_snapshot_then_delta(self, market: Market, alice: TradingAccount) -> None:
        await do(lambda: market.buy(alice, 2, 49000))
        await do(market.drain)
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            snapshot = await socket.hear("book")
            assert (snapshot["action"], snapshot["seq"]) == ("snapshot", 1)
            assert (snapshot["bids"], snapshot["asks"]) == ([["49000.00", "2.0000"]], [])

            await do(lambda: market.sell(alice, "0.5", 51000))
            await do(market.drain)
            delta = await socket.hear("book")
            assert (delta["action"], delta["first_seq"], delta["seq"]) == ("delta", 2, 2)
            assert (delta["bids"], delta["asks"]) == ([], [["51000.00", "0.5000"]])

    async def test_a_level_that_is_gone_has_quantity_zero(
        self, market: Market, alice: TradingAccount
    ) -> None:
        order = await do(lambda: market.buy(alice, 2, 49000))
        await do(market.drain)
        async with talk() as socket:
            await subscribed(socket, channel="book", symbol=market.symbol)
            await socket.hear("book")
            await do(lambda: market.cancel(order, alice))
            await do(market.drain)
            assert (await socket.hear("book"))["bids"] == [["49000.00", "0.0000"]]

    async def test_a_late_joiner_gets_the_book_as_it_is(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as first, talk() as late:
            await subscribed(first, channel="book", symbol=market.symbol)
            assert (await first.hear("book"))["seq"] == 0
            await do(lambda: market.buy(alice, 2, 49000))
            await do(market.drain)
            assert (await first.hear("book"))["seq"] == 1
            await subscribed(late, channel="book", symbol=market.symbol)
            snapshot = await late.hear("book")
            assert (snapshot["action"], snapshot["seq"]) == ("snapshot", 1)
            assert snapshot["bids"] == [["49000.00", "2.0000"]]

    async def test_subscribing_again_sends_a_fresh_snapshot(self, market: Market) -> None:
        async with talk() as socket:
            for _ in range(2):
                await subscribed(socket, channel="book", symbol=market.symbol)
                assert (await socket.hear("book"))["action"] == "snapshot"

    async def test_after_unsubscribing_there_is_silence(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            for channel in ("book", "trades"):
                await subscribed(socket, channel=channel, symbol=market.symbol)
            await socket.hear("book")
            answer = await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            assert answer == {"type": "unsubscribed", "channel": "book", "symbol": market.symbol, "id": None}
            await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            await socket.hear("trade")
            await do(lambda: (market.buy(alice, 1, 50000), market.sell(bob, 1, 50000)))
            await do(market.drain)
            # Books and trades come from the same frames: had the book been sent, it would be here by now.
            assert len((await socket.hear("trade"))["trades"]) == 1
            assert [m for m in socket.passed_over if m["type"] == "book"] == []

    async def test_trades_first_the_recent_then_each(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        def trade(price: int) -> None:
            market.sell(alice, 1, price)
            market.buy(bob, 1, price)
            market.drain()

        await do(lambda: trade(50000))
        async with talk() as socket:
            await subscribed(socket, channel="trades", symbol=market.symbol)
            snapshot = await socket.hear("trade")
            assert snapshot["action"] == "snapshot"
            assert [(t["seq"], t["price"], t["quantity"], t["taker_side"]) for t in snapshot["trades"]] == [
                (3, "50000.00", "1.0000", "buy")
            ]
            await do(lambda: trade(50100))
            update = await socket.hear("trade")
            assert (update["action"], update["seq"]) == ("update", 6)
            assert [(t["seq"], t["price"]) for t in update["trades"]] == [(6, "50100.00")]
            assert set(update["trades"][0]) == {
                "id",
                "symbol",
                "seq",
                "price",
                "quantity",
                "taker_side",
                "time",
            }

    async def test_ticker_of_an_empty_and_of_a_moving_market(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        from django.utils import timezone  # noqa: PLC0415

        async with talk() as socket:
            await subscribed(socket, channel="ticker", symbol=market.symbol)
            empty = await socket.hear("ticker")
            assert {empty[name] for name in ("last", "bid", "ask", "open", "high", "low")} == {None}
            assert (empty["volume"], empty["quote_volume"], empty["trades"]) == ("0.0000", "0.00000000", 0)

            def move() -> None:
                now = timezone.now()
                market.send(market.request(alice, Side.SELL, 3, 50000), now=now)
                market.send(market.request(bob, Side.BUY, 1, 50000), now=now)
                market.send(market.request(bob, Side.BUY, 2, 49000), now=now)
                market.drain(now=now)

            await do(move)
            ticker = await socket.hear("ticker")
            wanted = ("last", "bid", "bid_quantity", "ask", "ask_quantity", "open", "volume", "quote_volume")
            assert [ticker[name] for name in wanted] == [
                "50000.00",
                "49000.00",
                "2.0000",
                "50000.00",
                "2.0000",
                "50000.00",
                "1.0000",
                "50000.00000000",
            ]
            assert ticker["trades"] == 1

    async def test_status_follows_the_book(self, market: Market) -> None:
        from orders.services.halting import halt_instrument, resume_instrument  # noqa: PLC0415
        from tests.factories import ACTOR, NOW  # noqa: PLC0415

        async with talk() as socket:
            await subscribed(socket, channel="status", symbol=market.symbol)
            assert (await socket.hear("status"))["status"] == "active"
            for act, expected in ((halt_instrument, "halted"), (resume_instrument, "active")):
                await do(lambda act=act: act(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test"))  # type: ignore[misc]
                await do(market.drain)
                assert (await socket.hear("status"))["status"] == expected

    async def test_unknown_symbol(self, market: Market) -> None:
        async with talk() as socket:
            for symbol in ("NOPE", market.symbol.lower(), "\u202e", "a\0b"):
                error = await socket.ask("error", op="subscribe", channel="book", symbol=symbol, id=9)
                assert (error["code"], error["id"]) == ("unknown_symbol", 9)

    async def test_too_many_subscriptions(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orders.feed.protocol.MAX_SUBSCRIPTIONS", 2)
        async with talk() as socket:
            for channel in ("book", "trades", "book"):
                await subscribed(socket, channel=channel, symbol=market.symbol)
            error = await socket.ask("error", op="subscribe", channel="status", symbol=market.symbol)
            assert (error["code"], error["context"]) == ("too_many_subscriptions", {"maximum": 2})
            await socket.ask("unsubscribed", op="unsubscribe", channel="book", symbol=market.symbol)
            await subscribed(socket, channel="status", symbol=market.symbol)


class TestPrivate:
    """One's own orders, fills and balances."""

    async def test_snapshots_then_updates_of_ones_own_alone(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        resting = await do(lambda: market.sell(alice, 2, 50000))
        await do(market.drain)
        base, quote = market.instrument.base.code, market.instrument.quote.code
        async with talk() as socket:
            token = await do(lambda: token_for(alice))
            answer = await socket.ask("authenticated", op="auth", token=token, id=1)
            assert answer["user"] == alice.user.username
            for channel in ("orders", "fills", "balances"):
                await subscribed(socket, channel=channel, account=alice.pk)
            orders = await socket.hear("order")
            assert (orders["action"], orders["account"]) == ("snapshot", alice.pk)
            assert [(o["id"], o["status"], o["leaves"]) for o in orders["orders"]] == [
                (str(resting), "open", "2.0000")
            ]
            assert (await socket.hear("fill"))["fills"] == []
            balances = {b["asset"]: b for b in (await socket.hear("balance"))["balances"]}
            assert balances[base] == {
                "asset": base,
                "balance": "100.00000000",
                "held": "2.00000000",
                "available": "98.00000000",
            }

            await do(lambda: market.buy(bob, "0.5", 50000))
            await do(market.drain)
            order = await socket.hear("order")
            assert (order["action"], order["shard"], order["position"]) == ("update", market.shard.pk, 2)
            assert [(o["id"], o["status"], o["filled"]) for o in order["orders"]] == [
                (str(resting), "partially_filled", "0.5000")
            ]
            (fill,) = (await socket.hear("fill"))["fills"]
            assert (fill["order_id"], fill["account"], fill["liquidity"]) == (str(resting), alice.pk, "maker")
            assert (fill["quantity"], fill["price"], fill["fee"]) == ("0.5000", "50000.00", "12.50000000")
            moved = {b["asset"]: b["balance"] for b in (await socket.hear("balance"))["balances"]}
            assert moved == {base: "99.50000000", quote: "10024987.50000000"}

    async def test_a_resting_order_tells_what_it_holds(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            await subscribed(socket, channel="balances", account=alice.pk)
            await socket.hear("balance")
            await do(lambda: market.sell(alice, 3, 50000))
            await do(market.drain)
            told = {b["asset"]: b["held"] for b in (await socket.hear("balance"))["balances"]}
            assert told[market.instrument.base.code] == "3.00000000"

    async def test_a_deposit_sends_the_balances_again(self, market: Market, alice: TradingAccount) -> None:
        from tests.factories import fund  # noqa: PLC0415

        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            await subscribed(socket, channel="balances", account=alice.pk)
            await socket.hear("balance")
            await do(lambda: fund(alice, market.instrument.base, 11))
            message = await socket.hear("balance")
            assert message["action"] == "snapshot"
            told = {b["asset"]: b["balance"] for b in message["balances"]}
            assert told[market.instrument.base.code] == "111.00000000"

    @pytest.mark.parametrize("channel", ["orders", "fills", "balances"])
    async def test_without_a_token_there_is_nothing_private(
        self, market: Market, alice: TradingAccount, channel: str
    ) -> None:
        async with talk() as socket:
            error = await socket.ask("error", op="subscribe", channel=channel, account=alice.pk)
            assert error["code"] == "not_authenticated"
            assert hub()._accounts == {}

    async def test_another_s_account_is_as_unknown_as_none(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            errors = [
                await socket.ask("error", op="subscribe", channel="orders", account=account, id=5)
                for account in (bob.pk, 2**62)
            ]
            for error, account in zip(errors, (bob.pk, 2**62), strict=True):
                assert error.pop("context") == {"account": str(account)}
            assert errors[0] == errors[1]
            assert (errors[0]["code"], hub()._accounts) == ("account_not_found", {})

    async def test_an_operator_s_rights_do_not_open_another_s_feed(
        self, market: Market, alice: TradingAccount
    ) -> None:
        from accounts.models import Role  # noqa: PLC0415

        operator = await do(lambda: make_user(Role.SUPER_ADMIN))
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(operator)))
            error = await socket.ask("error", op="subscribe", channel="orders", account=alice.pk)
            assert error["code"] == "account_not_found"

    async def test_bad_tokens(self, market: Market, alice: TradingAccount) -> None:
        from rest_framework_simplejwt.tokens import RefreshToken  # noqa: PLC0415

        good = await do(lambda: token_for(alice))
        head, body, signature = good.split(".")
        refresh = await do(lambda: str(RefreshToken.for_user(alice.user)))
        expired = await do(lambda: token_for(alice, lifetime=timedelta(seconds=-1)))
        closed = await do(lambda: token_for(_closed_login()))
        unsigned = f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."
        async with talk() as socket:
            for token in (
                "x",
                "a.b.c",
                refresh,
                expired,
                closed,
                unsigned,
                f"{head}.{body}.{signature[:-4]}AAAA",
            ):
                error = await socket.ask("error", op="auth", token=token)
                assert (error["code"], token[:5]) == ("not_authenticated", token[:5])
            assert (await socket.ask("authenticated", op="auth", token=good))["user"] == alice.user.username

    async def test_a_socket_belongs_to_one_person(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            error = await socket.ask("error", op="auth", token=await do(lambda: token_for(bob)))
            assert error["code"] == "permission_denied"
            await subscribed(socket, channel="orders", account=alice.pk)


class TestEndOfAccess:
    """Private streams end with the right to them."""

    @pytest.fixture(autouse=True)
    def _quick_checks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub_module, "_TICK_SECONDS", 0.05)
        monkeypatch.setattr(hub_module, "_AUDIT_SECONDS", 0.1)

    async def test_an_expired_token_closes_a_private_socket(
        self, market: Market, alice: TradingAccount
    ) -> None:
        async with talk() as socket:
            token = await do(lambda: token_for(alice, lifetime=timedelta(seconds=2)))
            await socket.ask("authenticated", op="auth", token=token)
            await subscribed(socket, channel="orders", account=alice.pk)
            assert await socket.hear_close() == (4401, "auth_expired")

    async def test_a_newer_token_in_time_keeps_it_open(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as socket:
            short = await do(lambda: token_for(alice, lifetime=timedelta(seconds=2)))
            answer = await socket.ask("authenticated", op="auth", token=short)
            await subscribed(socket, channel="orders", account=alice.pk)
            later = await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            assert later["expires_at"] > answer["expires_at"]
            deadline = asyncio.get_running_loop().time() + 3
            while asyncio.get_running_loop().time() < deadline:
                await socket.ask("pong", op="ping")
                await asyncio.sleep(0.2)

    async def test_without_private_channels_it_is_public_again(
        self, market: Market, alice: TradingAccount
    ) -> None:
        async with talk() as socket:
            short = await do(lambda: token_for(alice, lifetime=timedelta(seconds=1)))
            await socket.ask("authenticated", op="auth", token=short)
            (member,) = hub()._members
            await asyncio.to_thread(eventually, lambda: member.identity is None)
            await subscribed(socket, channel="book", symbol=market.symbol)
            await socket.hear("book")
            error = await socket.ask("error", op="subscribe", channel="orders", account=alice.pk)
            assert error["code"] == "not_authenticated"

    @pytest.mark.parametrize("what", ["login", "password", "account"])
    async def test_a_closed_login_a_changed_password_or_a_lost_account_end_it(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, what: str
    ) -> None:
        async with talk() as socket, talk() as other:
            for conversation, account in ((socket, alice), (other, bob)):
                token = await do(lambda account=account: token_for(account))  # type: ignore[misc]
                await conversation.ask("authenticated", op="auth", token=token)
                await subscribed(conversation, channel="orders", account=account.pk)
            await do(lambda: _withdraw(what, alice))
            assert await socket.hear_close() == (4401, "access_ended")
            await other.ask("pong", op="ping")


def _closed_login() -> User:
    user = make_user()
    user.is_active = False
    user.save(update_fields=["is_active"])
    return user


def _withdraw(what: str, account: TradingAccount) -> None:
    if what == "login":
        User.objects.filter(id=account.user_id).update(is_active=False)
    elif what == "password":
        User.objects.filter(id=account.user_id).update(password="another")
    else:
        TradingAccount.objects.filter(id=account.pk).update(user=make_user())


class TestJunk:
    """Messages that make no sense, and too many of those that do."""

    async def test_junk_is_answered_and_then_ends_the_conversation(self, market: Market) -> None:
        before = await do(everything_stored)
        junk = [
            " ",
            "{",
            "[]",
            '"ping"',
            "null",
            '{"op": "explode"}',
            '{"op": ["ping"]}',
            "[" * 1_000,
            "\0",
            "[1",
        ]
        async with talk() as socket, talk() as neighbour:
            codes = []
            for text in junk:
                await socket.say_raw(text)
                codes.append((await socket.hear("error"))["code"])
            assert set(codes) == {"malformed_json", "unknown_operation"}
            await socket.say_raw("one more")
            assert await socket.hear_close() == (4400, "too_many_errors")
            await neighbour.ask("pong", op="ping")
        assert await do(everything_stored) == before

    async def test_binary_is_not_understood(self, market: Market) -> None:
        async with talk() as socket:
            await socket.say_raw(data=b'{"op": "ping"}')
            assert (await socket.hear("error"))["code"] == "malformed_json"
            await socket.ask("pong", op="ping")

    async def test_asking_for_private_channels_again_and_again_without_a_token(
        self, market: Market, alice: TradingAccount
    ) -> None:
        async with talk() as socket:
            for _ in range(11):
                await socket.say(op="subscribe", channel="orders", account=alice.pk)
            assert await socket.hear_close() == (4401, "auth_required")

    async def test_too_many_messages(self, market: Market) -> None:
        async with talk() as socket:
            for _ in range(200):
                await socket.say(op="ping")
            assert await socket.hear_close() == (4429, "too_many_messages")

    async def test_a_burst_within_the_limits_is_answered(self, market: Market) -> None:
        async with talk() as socket:
            for number in range(60):
                await socket.say(op="ping", id=number)
            assert [(await socket.hear("pong"))["id"] for _ in range(60)] == list(range(60))

    async def test_a_message_of_the_greatest_size_and_one_larger(self, market: Market) -> None:
        async with talk() as socket:
            await socket.say_raw('{"op": "ping"}'.ljust(MAX_MESSAGE_BYTES))
            await socket.hear("pong")
            # Fewer characters than the limit, more bytes.
            await socket.say_raw("é" * (MAX_MESSAGE_BYTES // 2 + 1))
            assert await socket.hear_close() == (1009, "message_too_large")

    async def test_a_database_that_does_not_answer(
        self, market: Market, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import OperationalError  # noqa: PLC0415

        def away(symbol: str) -> None:
            raise OperationalError("the connection is closed")

        async with talk() as socket:
            monkeypatch.setattr("orders.feed.session.find_rules", away)
            error = await socket.ask("error", op="subscribe", channel="book", symbol=market.symbol, id=3)
            assert (error["code"], error["id"]) == ("unavailable", 3)


async def test_two_markets_do_not_mix(market: Market, alice: TradingAccount) -> None:
    other = await do(make_market)
    async with talk() as socket:
        await subscribed(socket, channel="book", symbol=other.symbol)
        await socket.hear("book")
        await do(lambda: market.buy(alice, 1, 49000))
        await do(market.drain)
        await subscribed(socket, channel="book", symbol=market.symbol)
        message = await socket.hear("book")
        assert (message["symbol"], message["seq"]) == (market.symbol, 1)
