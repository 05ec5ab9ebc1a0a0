"""Frames: what the feed is told of a batch, in bytes that a client can check."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from orders.models import OrderType, Side, TimeInForce, TriggerBy
from orders.services import frames
from orders.services.phases import halt_instrument
from orders.services.requests import ListKind
from tests.factories import ACTOR, NOW, Market, make_asset, make_market, stored
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


def heard_of_shard(listener: PubSub, shard_id: int) -> list[dict[str, Any]]:
    """What the shard said. Tests that run beside this one share Valkey: their shards speak too."""
    found = []
    while (message := listener.get_message(timeout=0.2)) is not None:
        frame = orjson.loads(message["data"])
        if frame.get("shard_id", shard_id) == shard_id:  # a market's frames name no shard
            found.append(frame)
    return found


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
    assert frame["phase"] == "halted"
    assert "indicative" not in frame


def test_an_auction_tells_what_it_would_do_now(market: Market, listener: PubSub) -> None:
    market.phase(InstrumentStatus.AUCTION)
    listen(listener, frames.market_channel(market.symbol))
    market.drain()
    (frame,) = heard(listener, 1)
    assert (frame["status"], frame["phase"], frame["indicative"]) == ("auction", "auction", None)

    market.buy(market.trader(), "2.5", 50000)
    market.sell(market.trader(), 1, 50000)
    market.drain()
    (frame,) = heard(listener, 1)
    assert frame["indicative"] == {"price": "50000.00", "quantity": "1.0000", "surplus": "1.5000"}
    assert "phase" not in frame

    market.sell(market.trader(), 2, 50000)
    market.phase(InstrumentStatus.ACTIVE)
    market.drain()
    (frame,) = heard(listener, 1)
    assert (frame["status"], frame["phase"]) == ("active", "open")
    assert [(trade["price"], trade["quantity"]) for trade in frame["trades"]] == [
        ("50000.00", "1.0000"),
        ("50000.00", "1.5000"),
    ]
    assert "indicative" not in frame


def test_levels_count_what_is_shown(market: Market, listener: PubSub) -> None:
    trader = market.trader()
    listen(listener, frames.market_channel(market.symbol))
    market.sell(trader, 5, 50000, display=1)
    market.sell(trader, 5, 49999, display=0)
    market.sell(trader, 5, kind=OrderType.STOP, trigger=49000)
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["asks"], frame["checksum"]) == ([["50000.00", "1.0000"]], zlib.crc32(b"500000010000"))


def test_an_order_tells_its_conditions(market: Market, listener: PubSub) -> None:
    trader = market.trader()
    listen(listener, account_channel(trader.id))
    later = NOW + timedelta(hours=1)
    trailing = market.sell(
        trader,
        2,
        kind=OrderType.TRAILING_STOP_LIMIT,
        trail_percent="1.25",
        step="0.5",
        offset=5,
        tif=TimeInForce.GTD,
        expires_at=later,
    )
    pair = market.send_list(
        ListKind.OCO,
        market.request(trader, Side.SELL, 2, 51000, display=1),
        market.request(trader, Side.SELL, 2, kind=OrderType.STOP, trigger=49000, by=TriggerBy.QUOTE),
    )
    market.drain()

    (frame,) = heard(listener, 1)
    first, second, third = frame["orders"]
    assert (first["id"], first["type"], first["status"]) == (
        str(trailing),
        "trailing_stop_limit",
        "pending_trigger",
    )
    # 1.25 % below 50000.
    assert {name: first[name] for name in CONDITIONS} == dict.fromkeys(CONDITIONS) | {
        "trigger_price": "49375.00",
        "trigger_by": "last",
        "trail_percent": "1.25",
        "trail_step": "0.50",
        "reduce_only": False,
        "expires_at": "2026-03-02T13:00:00.000000Z",
    }
    assert (second["display_quantity"], second["link"], second["partner"], second["list_id"]) == (
        "1.0000",
        "oco",
        str(pair[1]),
        str(pair[0]),
    )
    assert (third["trigger_by"], third["partner"], third["parent"], third["held"]) == (
        "quote",
        str(pair[0]),
        None,
        "0.0000",
    )


CONDITIONS = (
    "trigger_price", "trigger_by", "triggered_at", "trail_amount", "trail_percent", "trail_step",
    "display_quantity", "min_quantity", "quote_quantity", "reduce_only", "expires_at", "link", "parent",
    "partner", "list_id",
)  # fmt: skip


def test_an_account_hears_of_every_order_that_changed_with_another(market: Market, listener: PubSub) -> None:
    trader = market.trader()
    pair = market.send_list(
        ListKind.OCO,
        market.request(trader, Side.SELL, 3, 51000),
        market.request(trader, Side.SELL, 3, 48900, kind=OrderType.STOP_LIMIT, trigger=49000),
    )
    market.drain()
    listen(listener, account_channel(trader.id))
    market.amend(pair[0], trader, quantity=1)
    market.drain()

    # The second was touched by no event: what it holds has changed.
    (frame,) = heard(listener, 1)
    assert [(order["id"], order["held"], order["seq"]) for order in frame["orders"]] == [
        (str(pair[0]), "1.0000", 3),
        (str(pair[1]), "2.0000", 2),
    ]


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

    (frame,) = heard_of_shard(listener, market.shard.id)
    assert frame == {"type": "shard", "shard_id": market.shard.id, "first_position": 2, "position": 3}


def test_a_frame_that_cannot_be_made_stops_no_market(
    market: Market, listener: PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was committed before; what listeners miss they notice by the next frame's first_seq."""
    seller = market.trader()
    listen(listener, frames.market_channel(market.symbol))

    def fail(*_args: Any, **_how: Any) -> None:
        raise ValueError("no such shape")

    with monkeypatch.context() as patched:
        patched.setattr(frames, "build", fail)
        first = market.sell(seller, 1, 50000)
        market.drain()
    second = market.sell(seller, 1, 50000)
    market.drain()

    assert [stored(number).status for number in (first, second)] == ["open", "open"]
    (frame,) = heard(listener, 1)
    assert (frame["first_seq"], frame["seq"]) == (2, 2)


def test_of_many_accounts_only_those_that_somebody_listens_to_are_told_of(
    market: Market, listener: PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    traders = [market.trader() for _ in range(12)]
    listen(listener, account_channel(traders[3].id))
    sent: list[frames.Frame] = []
    publish = frames.publish

    def publish_and_keep(told: Sequence[frames.Frame]) -> None:
        sent.extend(told)
        publish(told)

    monkeypatch.setattr(frames, "publish", publish_and_keep)
    for trader in traders:
        market.sell(trader, 1, 50000)
    market.drain()

    (frame,) = heard(listener, 1)
    assert (frame["account"], len(frame["orders"]), len(frame["balances"])) == (traders[3].id, 1, 2)
    assert [frame.channel for frame in sent if frame.channel.startswith("acct:")] == [
        account_channel(traders[3].id)
    ]


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

    assert heard_of_shard(listener, market.shard.id) == []


def test_losing_valkey_loses_frames_and_nothing_else(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.sell(market.trader(), 1, 50000)
    nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("orders.services.frames.client", lambda: nowhere)

    market.drain()

    assert market.book().seq == 1
