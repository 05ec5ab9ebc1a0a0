"""Phases and auctions in the feed: who is told what, when, and that a crossed book upsets nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import OrderType, TimeInForce
from tests.factories import NOW, Market
from tests.feed.book import ClientBook
from tests.feed.talk import Message, Talk, do, subscribed, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)

S = InstrumentStatus
NOTHING = {"price": None, "quantity": None, "surplus": None}


def collect(market: Market) -> None:
    """Start an auction."""
    market.phase(S.AUCTION)
    market.drain()


def cross(market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
    """A bid of 3 at 50100 against an ask of 2 at 50000: 2 would trade, at 50000."""
    market.buy(alice, 3, 50100)
    market.sell(bob, 2, 50000)
    market.drain()


def outcome(message: Message) -> tuple[Any, ...]:
    return message["price"], message["quantity"], message["surplus"]


async def watch(socket: Talk, channel: str, market: Market) -> Message:
    await subscribed(socket, channel=channel, symbol=market.symbol)
    kinds = {"book": "book", "status": "status", "ticker": "ticker"}
    return await socket.hear(kinds[channel])


class TestStatus:
    """Every phase is told, with the end of an auction and what it would do."""

    @pytest.mark.parametrize("status", [S.CANCEL_ONLY, S.CLOSED, S.HALTED, S.MAINTENANCE])
    async def test_each_phase(self, status: InstrumentStatus, market: Market) -> None:
        async with talk() as socket:
            first = await watch(socket, "status", market)
            await do(lambda: market.phase(status))
            await do(market.drain)
            told = await socket.hear("status")

        expected = {"type": "status", "symbol": market.symbol, "auction_ends_at": None, "indicative": None}
        assert first == expected | {"seq": 0, "status": "active"}
        assert told == expected | {"seq": 1, "status": status.value}

    async def test_an_auction_with_its_end(self, market: Market) -> None:
        await do(lambda: Instrument.objects.filter(id=market.instrument.id).update(auction_seconds=30))
        async with talk() as socket, talk() as late:
            await watch(socket, "status", market)
            await do(lambda: market.phase(S.AUCTION))
            await do(market.drain)
            told = await socket.hear("status")
            read = await watch(late, "status", market)

        assert (told["status"], told["auction_ends_at"]) == ("auction", "2026-03-02T12:00:30.000000Z")
        assert read == told
        assert NOW.isoformat() == "2026-03-02T12:00:00+00:00"


class TestIndicative:
    """What the auction would do now: told as it changes, and no more once it is over."""

    async def test_is_told_with_each_change(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        async with talk() as socket:
            assert (await watch(socket, "status", market))["indicative"] is None
            await do(lambda: cross(market, alice, bob))
            first = await socket.hear("indicative")
            await do(lambda: market.sell(bob, 5, 49900))
            await do(market.drain)
            second = await socket.hear("indicative")

        assert outcome(first) == ("50000.00", "2.0000", "1.0000")
        assert (first["seq"], first["time"]) == (3, "2026-03-02T12:00:00.000000Z")
        assert outcome(second) == ("49900.00", "3.0000", "-2.0000")

    async def test_is_null_when_nothing_crosses_any_more(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        bid = await do(lambda: market.buy(alice, 1, 50000))
        await do(lambda: market.sell(bob, 1, 50000))
        await do(market.drain)
        async with talk() as socket:
            status = await watch(socket, "status", market)
            await do(lambda: market.cancel(bid, alice))
            await do(market.drain)
            told = await socket.hear("indicative")

        assert outcome(status["indicative"]) == ("50000.00", "1.0000", "0.0000")
        assert {name: told[name] for name in NOTHING} == NOTHING

    async def test_is_not_repeated_while_it_stays(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        await do(lambda: cross(market, alice, bob))
        async with talk() as socket:
            await watch(socket, "status", market)
            await do(lambda: market.buy(alice, 1, 49000))
            await do(market.drain)
            await do(lambda: market.sell(bob, 1, 50100))
            await do(market.drain)
            told = await socket.hear("indicative")

        # The bid at 49000 changed nothing, so what is heard is about the ask at 50100.
        assert (told["seq"], outcome(told)) == (5, ("50100.00", "3.0000", "0.0000"))

    async def test_ends_with_the_auction(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        await do(lambda: cross(market, alice, bob))
        async with talk() as socket:
            await watch(socket, "status", market)
            await do(lambda: market.phase(S.ACTIVE))
            await do(market.drain)
            # A link that was lost meanwhile has the auction told once more.
            while (told := await socket.hear("status"))["status"] == "auction":
                pass

        assert (told["status"], told["indicative"]) == ("active", None)

    async def test_before_the_opening_there_is_none(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        for status in (S.CLOSED, S.PRE_OPEN):
            await do(partial(market.phase, status))
            await do(market.drain)
        await do(lambda: cross(market, alice, bob))
        async with talk() as socket:
            told = await watch(socket, "status", market)

        assert (told["status"], told["indicative"]) == ("pre_open", None)


class TestCrossedBook:
    """Snapshots, deltas and checksums go on; the ticker has no spread."""

    async def test_follows_the_guide_from_the_first_order_to_the_uncross(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        book, late = ClientBook(), ClientBook()
        async with talk() as socket, talk() as other:
            await subscribed(socket, channel="status", symbol=market.symbol)
            book.take(await socket.hear("status"))
            book.take(await watch(socket, "book", market))
            await do(lambda: cross(market, alice, bob))
            book.take(await socket.hear("book"))
            late.take(await watch(other, "book", market))
            crossed = book.best_bids(), book.best_asks()
            await do(lambda: market.phase(S.ACTIVE))
            await do(market.drain)
            # The delta that uncrosses comes first, then the word that the market trades.
            book.take(await socket.hear("book"))
            book.take(await socket.hear("status"))
            late.take(await other.hear("book"))

        assert crossed == ([["50100.00", "3.0000"]], [["50000.00", "2.0000"]])
        assert (late.snapshots, late.deltas) == (1, 1)
        assert book.best_bids() == late.best_bids() == [["50100.00", "1.0000"]]
        assert book.best_asks() == late.best_asks() == []
        assert book.status == "active"

    async def test_a_snapshot_says_the_phase_and_the_outcome(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        await do(lambda: cross(market, alice, bob))
        async with talk() as socket:
            snapshot = await watch(socket, "book", market)

        assert snapshot["status"] == "auction"
        assert outcome(snapshot["indicative"]) == ("50000.00", "2.0000", "1.0000")

    async def test_the_ticker_has_both_sides_and_nothing_between_them(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        await do(lambda: collect(market))
        await do(lambda: cross(market, alice, bob))
        async with talk() as socket:
            ticker = await watch(socket, "ticker", market)

        assert (ticker["bid"], ticker["ask"]) == ("50100.00", "50000.00")
        assert (ticker["spread"], ticker["mid"]) == (None, None)


class TestShownLots:
    """What the public sees of icebergs and stops."""

    async def test_an_iceberg_is_its_slice_and_a_stop_is_nothing(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            await watch(socket, "book", market)
            await do(lambda: market.sell(alice, 10, 50000, display=2))
            await do(lambda: market.sell(alice, 5, 50001, display=0))
            await do(lambda: market.sell(alice, 1, kind=OrderType.STOP, trigger=45000))
            await do(market.drain)
            shown = await socket.hear("book")
            await do(lambda: market.buy(bob, "2.5", 50000, tif=TimeInForce.IOC))
            await do(market.drain)
            after = await socket.hear("book")

        assert shown["asks"] == [["50000.00", "2.0000"]]
        assert after["asks"] == [["50000.00", "1.5000"]]


class TestPrivate:
    """An owner's own orders say everything."""

    async def test_a_stop_is_told_armed_and_then_triggered(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        async with talk() as socket:
            await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
            await subscribed(socket, channel="orders", account=alice.pk)
            await socket.hear("order")
            await do(lambda: market.sell(alice, 1, 44900, kind=OrderType.STOP_LIMIT, trigger=45000))
            await do(market.drain)
            (armed,) = (await socket.hear("order"))["orders"]
            await do(lambda: market.buy(bob, 1, 45000))
            await do(lambda: market.sell(bob, 1, 45000))
            other = await do(market.trader)
            await do(lambda: market.sell(other, 1, 45000))
            await do(market.drain)
            (fired,) = (await socket.hear("order"))["orders"]

        assert (armed["status"], armed["trigger_price"], armed["trigger_by"]) == (
            "pending_trigger",
            "45000.00",
            "last",
        )
        assert (armed["type"], armed["triggered_at"]) == ("stop_limit", None)
        assert (fired["status"], fired["triggered_at"]) == ("open", "2026-03-02T12:00:00.000000Z")
