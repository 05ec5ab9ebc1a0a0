"""One's own orders, fills and balances: for the owner alone, and only as long as they may."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role, TradingAccount, User
from accounts.services import sessions
from accounts.services.people import set_active, set_password
from accounts.services.sessions import Tokens
from orders.feed import hub as hub_module
from orders.feed.hub import hub
from tests.factories import ACTOR, Market, fund, make_user, tokens_of
from tests.feed.talk import do, eventually, subscribed, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)


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

        operator = await do(lambda: make_user(Role.SUPER_ADMIN))
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(operator)))
            error = await socket.ask("error", op="subscribe", channel="orders", account=alice.pk)
            assert error["code"] == "account_not_found"

    async def test_bad_tokens(self, market: Market, alice: TradingAccount) -> None:

        good = await do(lambda: token_for(alice))
        head, body, signature = good.split(".")
        refresh = await do(lambda: tokens_of(alice.user).refresh)
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


class TestControlMessage:
    """What ends a session closes its sockets by a message of its own, long before the next look at rights."""

    @pytest.fixture(autouse=True)
    def _no_other_checks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub_module, "_AUDIT_SECONDS", 1_000)

    @pytest.mark.parametrize("what", ["logout", "ended elsewhere", "operator", "password", "deactivated"])
    async def test_closes_the_sockets_of_that_session_alone(
        self, market: Market, alice: TradingAccount, what: str
    ) -> None:
        tokens = await do(lambda: tokens_of(alice.user))
        async with talk() as socket, talk() as stranger:
            await socket.ask("authenticated", op="auth", token=tokens.access)
            await subscribed(socket, channel="orders", account=alice.pk)
            other = await do(market.trader)
            await stranger.ask("authenticated", op="auth", token=await do(lambda: token_for(other)))

            await do(lambda: _end(what, alice.user, tokens))

            assert await socket.hear_close() == (4401, "access_ended")
            await stranger.ask("pong", op="ping")

    async def test_leaves_the_person_s_other_sessions_open(
        self, market: Market, alice: TradingAccount
    ) -> None:
        first, second = await do(lambda: (tokens_of(alice.user), tokens_of(alice.user)))
        async with talk() as socket, talk() as other:
            for conversation, tokens in ((socket, first), (other, second)):
                await conversation.ask("authenticated", op="auth", token=tokens.access)
                await subscribed(conversation, channel="orders", account=alice.pk)

            await do(lambda: _end("logout", alice.user, first))

            assert await socket.hear_close() == (4401, "access_ended")
            await other.ask("pong", op="ping")

    async def test_an_ended_session_cannot_authenticate_a_socket(
        self, market: Market, alice: TradingAccount
    ) -> None:
        tokens = await do(lambda: tokens_of(alice.user))
        await do(lambda: _end("logout", alice.user, tokens))
        async with talk() as socket:
            error = await socket.ask("error", op="auth", token=tokens.access)
            assert error["code"] == "not_authenticated"


def _end(what: str, user: User, tokens: Tokens) -> None:
    now = timezone.now()
    if what == "logout":
        sessions.log_out(refresh=tokens.refresh, ip=None, now=now)
    elif what == "ended elsewhere":
        sessions.end_own(user_id=user.pk, actor=ACTOR, now=now)
    elif what == "operator":
        number = sessions.identify(tokens.access).pk
        sessions.end_by_operator(session_id=number, actor=ACTOR, now=now, reason="stolen")
    elif what == "password":
        phrase = "another long phrase 42"
        set_password(user_id=user.pk, password=phrase, actor=ACTOR, now=now, reason="lost")
    else:
        set_active(user_id=user.pk, active=False, actor=ACTOR, now=now, reason="left")


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
