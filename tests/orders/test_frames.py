"""Frames: what the feed is told of a batch, in bytes that a client can check."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.client import PubSub

from accounts.models import TradingAccount
from orders.models import Side
from orders.services import frames
from orders.services.halting import halt_instrument
from tests.factories import ACTOR, NOW, Market, make_asset, make_market
from tradeplatform.common.valkey import account_channel, client

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market(base=make_asset(decimals=4), quote=make_asset(decimals=8))


@pytest.fixture
def listener() -> Iterator[PubSub]:
    """A subscription of its own to Valkey; what is published is read with `heard`."""
    with client().pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        yield pubsub


def listen(listener: PubSub, *channels: str) -> None:
    listener.subscribe(*channels)
    # Valkey answers in order: the subscription stands once its confirmation is read.
    for _ in channels:
        listener.get_message(timeout=5)


def heard(listener: PubSub, count: int) -> list[dict[str, Any]]:
    """The next messages; fails when fewer come."""
    found = [listener.get_message(timeout=5) for _ in range(count)]
    assert listener.get_message(timeout=0) is None
    return [orjson.loads(message["data"]) for message in found if message is not None]


def test_a_market_frame_has_absolute_levels_trades_and_both_seqs(market: Market, listener: PubSub) -> None:
    seller, buyer = market.trader(), market.trader()
    market.sell(seller, 2, 50000)
    market.drain()
    listen(listener, frames.market_channel(market.symbol))
    market.buy(buyer, "0.5", 50000)
    market.buy(buyer, 1, 49000)
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["type"], frame["symbol"]) == ("market", market.symbol)
    assert (frame["first_seq"], frame["seq"]) == (2, 4)
    assert frame["bids"] == [["49000.00", "1.0000"]]
    assert frame["asks"] == [["50000.00", "1.5000"]]
    (trade,) = frame["trades"]
    assert (trade["price"], trade["quantity"], trade["taker_side"], trade["seq"]) == (
        "50000.00",
        "0.5000",
        "buy",
        3,
    )
    assert set(trade) == {"id", "symbol", "seq", "price", "quantity", "taker_side", "time"}
    assert "status" not in frame
    # Kraken's way: text without the point and leading zeros, asks first.
    assert frame["checksum"] == zlib.crc32(b"500000015000490000010000")


def test_a_level_that_is_gone_has_quantity_zero(market: Market, listener: PubSub) -> None:
    seller = market.trader()
    order_id = market.sell(seller, 2, 50000)
    market.drain()
    listen(listener, frames.market_channel(market.symbol))
    market.cancel(order_id, seller)
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["asks"], frame["bids"], frame["checksum"]) == (
        [["50000.00", "0.0000"]],
        [],
        zlib.crc32(b""),
    )


def test_the_checksum_covers_the_ten_best_a_side(market: Market, listener: PubSub) -> None:
    trader = market.trader()
    market.send_all(
        [market.request(trader, Side.SELL, number, 50000 + number) for number in range(1, 12)]
        + [market.request(trader, Side.BUY, number, 49999 - number) for number in range(1, 12)]
    )
    listen(listener, frames.market_channel(market.symbol))
    market.drain()

    (frame,) = heard(listener, 1)
    asks = "".join(f"{(50000 + number) * 100}{number * 10000}" for number in range(1, 11))
    bids = "".join(f"{(49999 - number) * 100}{number * 10000}" for number in range(1, 11))
    assert frame["checksum"] == zlib.crc32((asks + bids).encode())
    assert (len(frame["asks"]), len(frame["bids"])) == (11, 11)


def test_steps_coarser_than_a_digit_are_counted_in_digits(listener: PubSub) -> None:
    market = make_market(
        tick_size=Decimal("0.25"),
        lot_size=Decimal(5),
        min_quantity=Decimal(5),
        reference_price=Decimal(10),
    )
    market.sell(market.trader(), 15, "10.75")
    listen(listener, frames.market_channel(market.symbol))
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["asks"], frame["checksum"]) == ([["10.75", "15"]], zlib.crc32(b"107515"))


def test_a_halt_is_told_with_the_status(market: Market, listener: PubSub) -> None:
    listen(listener, frames.market_channel(market.symbol))
    halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["first_seq"], frame["seq"], frame["status"]) == (1, 1, "halted")


def test_each_account_hears_of_its_own_orders_fills_and_balances(market: Market, listener: PubSub) -> None:
    seller, buyer = market.trader(base=1, quote=0), market.trader(base=0, quote=100_000)
    sold, bought = market.sell(seller, 1, 50000), market.buy(buyer, "0.5", 50000)
    listen(listener, account_channel(seller.id), account_channel(buyer.id))
    market.drain()

    by_account = {frame["account"]: frame for frame in heard(listener, 2)}
    sells, buys = by_account[seller.id], by_account[buyer.id]
    assert [order["id"] for order in sells["orders"]] == [str(sold)]
    assert [(fill["order_id"], fill["liquidity"], fill["fee"]) for fill in sells["fills"]] == [
        (str(sold), "maker", "12.50000000")
    ]
    assert [(order["id"], order["status"], order["held"]) for order in buys["orders"]] == [
        (str(bought), "filled", "0.00000000")
    ]
    assert [(fill["fee"], fill["quantity"], fill["price"]) for fill in buys["fills"]] == [
        ("25.00000000", "0.5000", "50000.00")
    ]
    assert balances(sells, market) == {
        "base": ("0.5000", "0.5000", "0.0000"),
        "quote": ("24987.50000000", "0.00000000", "24987.50000000"),
    }
    assert balances(buys, market) == {
        "base": ("0.5000", "0.0000", "0.5000"),
        "quote": ("74975.00000000", "0.00000000", "74975.00000000"),
    }
    assert {(frame["shard"], frame["position"]) for frame in (sells, buys)} == {(market.shard.id, 2)}


def balances(frame: dict[str, Any], market: Market) -> dict[str, tuple[str, str, str]]:
    """(balance, held, available) of the market's two assets."""
    names = {market.instrument.base.code: "base", market.instrument.quote.code: "quote"}
    return {names[row["asset"]]: (row["balance"], row["held"], row["available"]) for row in frame["balances"]}


def test_nobody_else_hears_of_it(market: Market, listener: PubSub) -> None:
    bystander: TradingAccount = market.trader()
    market.sell(market.trader(), 1, 50000)
    listen(listener, account_channel(bystander.id))
    market.drain()

    assert heard(listener, 0) == []
    assert listener.get_message(timeout=0) is None


def test_the_shard_tells_how_far_it_has_come(market: Market, listener: PubSub) -> None:
    trader = market.trader()
    market.sell(trader, 1, 50000)
    market.drain()
    market.sell(trader, 1, 50000)
    market.sell(trader, 1, 50000)
    listen(listener, frames.SHARDS_CHANNEL)
    market.drain()

    (frame,) = heard(listener, 1)
    assert frame == {"type": "shard", "shard_id": market.shard.id, "first_position": 2, "position": 3}


def test_a_batch_that_rolls_back_is_not_told(
    market: Market, listener: PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.sell(market.trader(), 1, 50000)
    listen(listener, frames.market_channel(market.symbol), frames.SHARDS_CHANNEL)

    def fail(*_args: Any) -> None:
        raise OSError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr("orders.services.drain._move_shard", fail)
        with pytest.raises(OSError, match="half-way"):
            market.drain()

    assert heard(listener, 0) == []
    # Tests that run beside this one share Valkey: their shards may speak, ours must not.
    while (message := listener.get_message(timeout=0.2)) is not None:
        assert orjson.loads(message["data"])["shard_id"] != market.shard.id


def test_losing_valkey_loses_frames_and_nothing_else(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.sell(market.trader(), 1, 50000)
    nowhere = Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    monkeypatch.setattr("orders.services.frames.client", lambda: nowhere)

    market.drain()

    assert market.book().seq == 1
