"""Orders over the socket: the rules, codes and identities of the API, and what many at once come to."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Scope, TradingAccount
from accounts.services import people, sessions
from accounts.services.key_issuing import rotate_key
from orders.feed import entry, hub
from orders.feed.lanes import Lists
from orders.models import Command, Order
from tests.accounts.keys import Key, make_key
from tests.api.client import order_body
from tests.factories import ACTOR, Market, everything_stored, stored
from tests.feed.talk import PATIENCE, Feed, Message, Socket, Talk, do, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)


def body(market: Market, account: TradingAccount, **changes: Any) -> dict[str, Any]:
    return order_body(market, account, **{"price": "49000"} | changes)


async def log_in(socket: Talk, account: TradingAccount) -> None:
    await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(account)))


class TestOneByOne:
    """Place, amend, cancel; each answer carries the request's id and says that it is committed."""

    async def test_an_order_from_placing_to_the_end(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as socket:
            await log_in(socket, alice)
            placed = await socket.ask(
                "placed", op="place", order=body(market, alice, client_order_id="a-1"), id="r1"
            )
            number = placed["order"]["id"]
            assert placed == {
                "type": "placed", "account": alice.pk, "id": "r1",
                "order": {"id": number, "client_order_id": "a-1", "duplicate": False},
            }  # fmt: skip
            again = await socket.ask("placed", op="place", order=body(market, alice, client_order_id="a-1"))
            assert again["order"] == placed["order"] | {"duplicate": True}
            other = body(market, alice, client_order_id="a-1", price="48000")
            assert (await socket.ask("error", op="place", order=other))["code"] == "client_order_id_conflict"
            await do(market.drain)
            amended = await socket.ask("amend_requested", op="amend", order=int(number), price="49500")
            assert amended == {"type": "amend_requested", "account": alice.pk, "orders": [number], "id": None}
            await do(market.drain)
            cancelled = await socket.ask(
                "cancel_requested", op="cancel", account=alice.pk, client_order_id="a-1"
            )
            assert cancelled["orders"] == [number]
            await do(market.drain)

        order = await do(lambda: stored(int(number)))
        assert (order.status, str(order.price), order.source) == (
            "cancelled",
            "49500.000000000000000000",
            "socket",
        )
        assert (order.actor_label, order.credential[:8]) == (alice.user.username, "session:")

    async def test_a_list_a_batch_and_the_end_of_all(self, market: Market, alice: TradingAccount) -> None:
        leg = {"side": "sell", "type": "limit", "quantity": "1", "price": "51000"}
        stop = {"side": "sell", "type": "stop", "quantity": "1", "trigger_price": "48000"}
        async with talk() as socket:
            await log_in(socket, alice)
            asked = {"kind": "oco", "account": alice.pk, "symbol": market.symbol, "orders": [leg, stop]}
            placed = await socket.ask("list_placed", op="place_list", list=asked)
            assert len(placed["orders"]) == 2
            batch = await socket.ask(
                "batch_placed",
                op="place_batch",
                orders=[body(market, alice), body(market, alice, quantity="0")],
            )
            assert [(one["status"], one.get("error", {}).get("code")) for one in batch["results"]] == [
                (202, None), (400, "invalid_number"),
            ]  # fmt: skip
            await do(market.drain)
            gone = await socket.ask("cancel_requested", op="cancel_all", account=alice.pk)
            assert len(gone["orders"]) == 3
            await do(market.drain)
        assert await do(lambda: set(Order.objects.values_list("status", flat=True))) == {"cancelled"}


class TestRefusals:
    """What the API would refuse is refused here by the same code, and moves nothing."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"quantity": "1.00005"}, "quantity_not_on_step"),
            ({"price": "50000.001"}, "price_not_on_tick"),
            ({"quantity": "900"}, "insufficient_funds"),
            ({"symbol": "NOPE"}, "unknown_symbol"),
            ({"colour": "red"}, "invalid_field"),
            ({"quantity": True}, "invalid_number"),
            ({"post_only": "true"}, "invalid_field"),
            ({"reduce_only": "false"}, "invalid_field"),
        ],
    )
    async def test_by_the_rules_of_trading(
        self, market: Market, alice: TradingAccount, changes: dict[str, Any], code: str
    ) -> None:
        before = await do(everything_stored)
        async with talk() as socket:
            await log_in(socket, alice)
            error = await socket.ask("error", op="place", order=body(market, alice, **changes), id=4)
            assert (error["code"], error["id"]) == (code, 4)
        assert await do(everything_stored) == before

    @pytest.mark.parametrize("items", [0, 201])
    async def test_a_message_has_1_to_200_orders(
        self, market: Market, alice: TradingAccount, items: int
    ) -> None:
        async with talk() as socket:
            await log_in(socket, alice)
            error = await socket.ask("error", op="place_batch", orders=[None] * items)
            assert (error["code"], error["message"], error["context"]) == (
                "too_many_items",
                "A batch has 1 to 200 orders.",
                {"items": items, "maximum": 200},
            )

    async def test_a_key_given_twice_is_refused_by_the_code_of_the_api(
        self, market: Market, alice: TradingAccount
    ) -> None:
        twice = json.dumps({"op": "place", "order": body(market, alice)})[:-2] + ', "quantity": "2"}}'
        before = await do(everything_stored)
        async with talk() as socket:
            await log_in(socket, alice)
            await socket.say_raw(twice)
            assert (await socket.hear("error"))["code"] == "malformed_json"
        assert await do(everything_stored) == before

    async def test_of_strangers_and_of_other_peoples_things(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        theirs = await do(lambda: market.buy(bob, 1, 49000))
        await do(market.drain)
        before = await do(everything_stored)
        async with talk() as socket:
            asked: list[tuple[str, dict[str, Any]]] = [
                ("account_not_found", {"op": "place", "order": body(market, bob)}),
                ("order_not_found", {"op": "amend", "order": theirs, "price": "48000"}),
                ("order_not_found", {"op": "cancel", "order": theirs}),
                ("account_not_found", {"op": "cancel_all", "account": bob.pk}),
            ]
            for _code, message in asked:
                assert (await socket.ask("error", **message))["code"] == "not_authenticated"
            await log_in(socket, alice)
            for code, message in asked:
                assert (await socket.ask("error", **message))["code"] == code
            assert (await socket.ask("error", op="cancel"))["code"] == "invalid_combination"
        assert await do(everything_stored) == before

    async def test_refused_orders_are_no_bad_manners(self, market: Market, alice: TradingAccount) -> None:
        async with talk() as socket:
            await log_in(socket, alice)
            for _ in range(30):
                await socket.ask("error", op="place", order=body(market, alice, quantity="900"))
            await socket.ask("pong", op="ping")

    async def test_a_full_server_says_so_and_takes_cancels(
        self, market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = threading.Event()

        def held(asked: Sequence[object]) -> list[tuple[str, dict[str, Any]] | Exception]:
            assert gate.wait(PATIENCE)
            return [("held", {})] * len(asked)

        full: Lists[Any, tuple[str, dict[str, Any]]] = Lists("full", held, most=1, room=1)
        async with talk() as socket:
            await log_in(socket, alice)
            await socket.ask("placed", op="place", order=body(market, alice))
            before = await do(everything_stored)
            monkeypatch.setattr(entry, "_singles", full)
            # One is being answered, one waits, each of somebody else.
            others = [asyncio.create_task(full.ask(number, None)) for number in range(2)]
            await asyncio.sleep(0)
            others.append(asyncio.create_task(full.ask(2, None)))
            await asyncio.sleep(0)
            error = await socket.ask("error", op="place", order=body(market, alice))
            assert (error["code"], error["context"]) == ("overloaded", {"retry_after": 1})
            assert await do(everything_stored) == before
            gone = await socket.ask("cancel_requested", op="cancel_all", account=alice.pk)
            assert len(gone["orders"]) == 1
            (number,) = gone["orders"]
            assert (await socket.ask("cancel_requested", op="cancel", order=int(number)))["orders"] == [
                number
            ]
            gate.set()
            await asyncio.gather(*others, return_exceptions=True)


class TestKeys:
    """A program may come with its API key, and gets as far as its scopes."""

    def _signed(self, key: Key, **forged: str) -> Message:
        timestamp = str(time.time_ns() // 1_000_000)
        signature = key.sign(f"{timestamp}\n\nGET\n/ws/v1\n".encode())
        return {"op": "auth", "key": key.key_id, "timestamp": timestamp, "signature": signature} | forged

    def test_trades_for_its_account(self, feed: Feed, market: Market, alice: TradingAccount) -> None:
        key = make_key(alice)
        with feed.socket() as reader:
            reader.ask("authenticated", **self._signed(key))
            placed = reader.ask("placed", op="place", order=body(market, alice))
        assert stored(int(placed["order"]["id"])).credential == f"key:{key.row.pk}"

    def test_reads_only_where_it_may_only_read(
        self, feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        key = make_key(alice, scopes=frozenset({Scope.READ}))
        with feed.socket() as reader:
            assert reader.ask("error", **self._signed(key, signature="00"))["code"] == "bad_signature"
            signed = self._signed(key)
            reader.ask("authenticated", **signed)
            assert reader.ask("error", **signed)["code"] == "replayed"
            reader.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
            refused = reader.ask("error", op="place", order=body(market, alice))
            assert refused["code"] == "api_key_wrong_scope"
            wrong = reader.ask("error", op="cancel_on_disconnect", account=alice.pk, enabled=True)
            assert wrong["code"] == "api_key_wrong_scope"
        assert Order.objects.count() == 0

    def test_a_socket_is_closed_when_its_key_is_replaced(
        self, feed: Feed, market: Market, alice: TradingAccount
    ) -> None:
        key = make_key(alice)
        with feed.socket() as reader, feed.socket() as neighbour:
            reader.ask("authenticated", **self._signed(key))
            rotate_key(key_id=key.row.pk, actor=ACTOR, now=timezone.now())
            assert reader.hear_close() == (4401, "access_ended")
            assert neighbour.ask("error", **self._signed(key))["code"] == "bad_signature"

    async def test_a_replaced_key_places_nothing_before_its_socket_is_closed(
        self, market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if nobody tells the socket's server, and before it looks at all rights again."""
        monkeypatch.setattr(hub, "_AUDIT_SECONDS", 1_000)
        monkeypatch.setattr("accounts.services.key_issuing.tell_access_changed", lambda _user: None)
        key = await do(lambda: make_key(alice))
        async with talk() as socket:
            await socket.ask("authenticated", **self._signed(key))
            await socket.ask("placed", op="place", order=body(market, alice))
            await do(lambda: rotate_key(key_id=key.row.pk, actor=ACTOR, now=timezone.now()))
            for message in (
                {"op": "place", "order": body(market, alice)},
                {"op": "cancel_all", "account": alice.pk},
            ):
                assert (await socket.ask("error", **message))["code"] == "not_authenticated"
        assert await do(Order.objects.count) == 1


def test_many_sockets_at_once_lose_and_mix_up_nothing(
    feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    accounts = (alice, bob)
    sockets: list[tuple[Socket, TradingAccount]] = []
    with feed.socket() as a, feed.socket() as b, feed.socket() as c, feed.socket() as d:
        for number, reader in enumerate((a, b, c, d)):
            reader.log_in(accounts[number % 2])
            sockets.append((reader, accounts[number % 2]))
        for turn in range(10):
            for place, (reader, account) in enumerate(sockets):
                name = f"{place}-{turn}"
                reader.say(op="place", order=body(market, account, client_order_id=name), id=name)
        told = {}
        for reader, account in sockets:
            for _ in range(10):
                placed = reader.hear("placed")
                assert placed["id"] == placed["order"]["client_order_id"]
                told[int(placed["order"]["id"])] = (placed["id"], account.pk, account.user.username)
    rows = Order.objects.values_list("id", "client_order_id", "account_id", "actor_label")
    assert {number: tuple(rest) for number, *rest in rows} == told
    commands = Command.objects.order_by("id").values_list("order_id", "actor_label")
    assert {number: label for number, label in commands} == {n: one[2] for n, one in told.items()}  # noqa: C416
    assert len(told) == 40


class TestShutOut:
    """Who is shut out places nothing more, also over a socket that has not heard of it yet."""

    @pytest.mark.parametrize("what", ["ended", "password", "deactivated"])
    async def test_an_open_socket_places_and_amends_nothing_more(
        self, market: Market, alice: TradingAccount, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # No control message comes, and nobody looks by himself.
        monkeypatch.setattr(hub, "_AUDIT_SECONDS", 60.0)
        monkeypatch.setattr(sessions, "tell_access_changed", lambda _user: None)
        async with talk() as socket:
            await log_in(socket, alice)
            placed = await socket.ask("placed", op="place", order=body(market, alice))
            await do(market.drain)
            await do(lambda: _shut_out(what, alice))
            before = await do(everything_stored)

            for request in (
                {"op": "place", "order": body(market, alice)},
                {"op": "amend", "order": int(placed["order"]["id"]), "price": "48000"},
            ):
                assert (await socket.ask("error", **request))["code"] == "not_authenticated"

            assert await do(everything_stored) == before


def _shut_out(what: str, account: TradingAccount) -> None:
    now = timezone.now()
    if what == "ended":
        sessions.end_own(user_id=account.user_id, actor=ACTOR, now=now)
    elif what == "password":
        phrase = "another long phrase 42"
        people.set_password(user_id=account.user_id, password=phrase, actor=ACTOR, now=now, reason="lost")
    else:
        people.set_active(user_id=account.user_id, active=False, actor=ACTOR, now=now, reason="left")
