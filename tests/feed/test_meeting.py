"""Snapshot and frames meet: whatever comes while the database is read is neither lost nor told twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import TradingAccount
from orders.feed import reading
from orders.models import Side
from tests.factories import Market, fund
from tests.feed.book import ClientBook
from tests.feed.talk import PATIENCE, Talk, do, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)


class Slow:
    """A read that waits, before or after it has read, until the test lets it go on."""

    def __init__(self, read: Callable[..., Any], *, after: bool) -> None:
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.__name__ = "slow"
        self._read = read
        self._after = after
        self._times = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Read; only the first time is slow."""
        self._times += 1
        if self._times > 1:
            return self._read(*args, **kwargs)
        found = self._read(*args, **kwargs) if self._after else None
        self.started.set()
        assert self.go_on.wait(PATIENCE)
        return found if self._after else self._read(*args, **kwargs)


@pytest.fixture(params=[False, True], ids=["before", "after"])
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Slow]]:
    """Make a read of the feed slow, before or after it sees the database."""
    made: list[Slow] = []

    def make(name: str) -> Slow:
        found = Slow(getattr(reading, name), after=request.param)
        monkeypatch.setattr(reading, name, found)
        made.append(found)
        return found

    yield make
    for one in made:
        one.go_on.set()


async def logged_in(socket: Talk, account: TradingAccount) -> None:
    """Authenticate."""
    await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(account)))


async def test_a_book_that_moves_while_it_is_read(
    market: Market, alice: TradingAccount, slow: Callable[[str], Slow]
) -> None:
    read = slow("read_market")
    book = ClientBook()
    async with talk() as socket, talk() as witness:
        # The frames are known to have arrived when this other market's have.
        await socket.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
        await asyncio.to_thread(read.started.wait, PATIENCE)
        for price in (49000, 49001, 49002):
            await do(lambda price=price: market.buy(alice, 1, price))  # type: ignore[misc]
            await do(market.drain)
        await heard_up_to(witness, market, alice)
        read.go_on.set()
        while book.seq < 4:
            book.take(await socket.hear("book"))
        assert book.best_bids()[:2] == [["49003.00", "1.0000"], ["49002.00", "1.0000"]]
        assert book.snapshots == 1
        await do(lambda: market.buy(alice, 1, 49004))
        await do(market.drain)
        book.take(await socket.hear("book"))
        assert (book.seq, book.snapshots) == (5, 1)


async def heard_up_to(witness: Talk, market: Market, account: TradingAccount) -> None:
    """Return when this process has heard one more batch, and so all before it."""
    await logged_in(witness, account)
    await witness.ask("subscribed", op="subscribe", channel="fills", account=account.pk)
    await witness.hear("fill")
    await witness.ask("subscribed", op="subscribe", channel="orders", account=account.pk)
    await witness.hear("order")
    await do(lambda: market.buy(account, 1, 49003))
    await do(market.drain)
    await witness.hear("order")


async def test_an_account_that_moves_while_it_is_read(
    market: Market, alice: TradingAccount, bob: TradingAccount, slow: Callable[[str], Slow]
) -> None:
    """The snapshot, then exactly the updates that it does not contain, each once and in order."""
    read = slow("read_account")
    async with talk() as socket, talk() as witness:
        await logged_in(socket, alice)
        await socket.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
        await asyncio.to_thread(read.started.wait, PATIENCE)
        sent = []
        for price in (51000, 51001):
            sent.append(str(await do(lambda price=price: market.sell(alice, 1, price))))  # type: ignore[misc]
            await do(market.drain)
        await heard_up_to(witness, market, bob)
        read.go_on.set()
        snapshot = await socket.hear("order")
        assert snapshot["action"] == "snapshot"
        told = [order["id"] for order in snapshot["orders"]]
        last = str(await do(lambda: market.sell(alice, 1, 51002)))
        await do(market.drain)
        while last not in told:
            update = await socket.hear("order")
            assert update["action"] == "update"
            told += [order["id"] for order in update["orders"]]
        assert told == [*sent, last]


async def test_a_deposit_while_the_balances_are_read(
    market: Market, alice: TradingAccount, bob: TradingAccount, slow: Callable[[str], Slow]
) -> None:
    read = slow("read_account")
    async with talk() as socket, talk() as witness:
        await logged_in(socket, alice)
        await socket.ask("subscribed", op="subscribe", channel="balances", account=alice.pk)
        await asyncio.to_thread(read.started.wait, PATIENCE)
        await do(lambda: fund(alice, market.instrument.base, 5))
        await heard_up_to(witness, market, bob)
        read.go_on.set()
        balance = ""
        while balance != "105.00000000":
            message = await socket.hear("balance")
            balance = {b["asset"]: b["balance"] for b in message["balances"]}[market.instrument.base.code]


async def test_a_second_socket_of_the_same_account_comes_while_the_first_is_read(
    market: Market, alice: TradingAccount, slow: Callable[[str], Slow]
) -> None:
    read = slow("read_account")
    async with talk() as first, talk() as second:
        for socket in (first, second):
            await logged_in(socket, alice)
        await first.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
        await asyncio.to_thread(read.started.wait, PATIENCE)
        await second.ask("subscribed", op="subscribe", channel="orders", account=alice.pk)
        await second.ask("subscribed", op="subscribe", channel="balances", account=alice.pk)
        read.go_on.set()
        for socket in (first, second):
            assert (await socket.hear("order"))["orders"] == []
        await second.hear("balance")
        await do(lambda: market.sell(alice, 1, 51000))
        await do(market.drain)
        for socket in (first, second):
            assert len((await socket.hear("order"))["orders"]) == 1
            assert [m["type"] for m in socket.passed_over if m["type"] in {"order", "fill"}] == []


async def test_a_database_that_is_away_for_a_while(
    market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading.read_market
    failures: list[str] = []

    def away_at_first(*args: Any) -> Any:
        if len(failures) < 2:
            failures.append("away")
            raise OperationalError("the server closed the connection")
        return read(*args)

    monkeypatch.setattr(reading, "read_market", away_at_first)
    await do(lambda: market.buy(alice, 1, 49000))
    await do(market.drain)
    async with talk() as socket:
        await socket.ask("subscribed", op="subscribe", channel="book", symbol=market.symbol)
        assert (await socket.hear("book"))["bids"] == [["49000.00", "1.0000"]]
    assert failures == ["away", "away"]


async def test_a_day_that_is_still_read_when_trades_come(
    market: Market, alice: TradingAccount, bob: TradingAccount, slow: Callable[[str], Slow]
) -> None:
    read = slow("read_day")

    def trade() -> None:
        now = timezone.now()
        market.send(market.request(alice, Side.SELL, 1, 50000), now=now)
        market.send(market.request(bob, Side.BUY, 1, 50000), now=now)
        market.drain(now=now)

    async with talk() as socket:
        await socket.ask("subscribed", op="subscribe", channel="trades", symbol=market.symbol)
        await socket.hear("trade")
        await socket.ask("subscribed", op="subscribe", channel="ticker", symbol=market.symbol)
        await asyncio.to_thread(read.started.wait, PATIENCE)
        for _ in range(2):
            await do(trade)
            await socket.hear("trade")
        read.go_on.set()
        ticker = await socket.hear("ticker")
        assert (ticker["trades"], ticker["volume"]) == (2, "2.0000")
        await do(trade)
        while ticker["trades"] < 3:
            ticker = await socket.hear("ticker")
        assert (ticker["trades"], ticker["volume"], ticker["last"]) == (3, "3.0000", "50000.00")
