"""What the drain tells the feed: exactly these frames, in this order, only after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
import structlog

from accounts.models import TradingAccount
from orders.models import Order
from orders.services import frames
from orders.services.frames import Frame
from tests.factories import Market
from tests.feed.book import ClientBook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Channel and content of every frame, in order."""
    found: list[tuple[str, dict[str, Any]]] = []

    def keep(sent: Sequence[Frame]) -> None:
        found.extend((frame.channel, orjson.loads(frame.body)) for frame in sent)

    monkeypatch.setattr(frames, "publish", keep)
    return found


def test_a_resting_order(
    market: Market, alice: TradingAccount, published: list[tuple[str, dict[str, Any]]]
) -> None:
    order = market.sell(alice, 2, 50000)
    assert published == []
    market.drain()
    base, quote = market.instrument.base.code, market.instrument.quote.code
    book = ClientBook()
    book.asks = {"50000.00": "2.0000"}
    (market_channel, told), (account_channel, mine), (shards, step) = published
    assert (market_channel, account_channel, shards) == (f"md:{market.symbol}", f"acct:{alice.pk}", "shards")
    assert told == {
        "type": "market",
        "symbol": market.symbol,
        "first_seq": 1,
        "seq": 1,
        "time": 1_772_452_800_000_000,
        "checksum": book.checksum(),
        "bids": [],
        "asks": [["50000.00", "2.0000"]],
        "trades": [],
        "takers": [],
    }
    assert [o.pop("id") for o in mine["orders"]] == [str(order)]
    assert (mine["shard"], mine["position"], mine["fills"]) == (market.shard.pk, 1, [])
    assert sorted(mine["balances"], key=lambda b: str(b["asset"] == quote)) == [
        {"asset": base, "balance": "100.00000000", "held": "2.00000000", "available": "98.00000000"},
        {
            "asset": quote,
            "balance": "10000000.00000000",
            "held": "0.00000000",
            "available": "10000000.00000000",
        },
    ]
    assert step == {"type": "shard", "shard_id": market.shard.pk, "first_position": 1, "position": 1}


def test_a_batch_of_trades_tells_each_account_once(
    market: Market, alice: TradingAccount, bob: TradingAccount, published: list[tuple[str, dict[str, Any]]]
) -> None:
    takers = []
    for price in (50000, 50001):
        market.sell(alice, 1, price)
        takers.append(market.buy(bob, 1, price))
    market.drain()
    assert published[0][0] == f"md:{market.symbol}"
    assert {channel for channel, _content in published[1:-1]} == {f"acct:{alice.pk}", f"acct:{bob.pk}"}
    assert len(published) == 4
    told = published[0][1]
    assert (told["first_seq"], told["seq"], told["bids"]) == (1, 6, [])
    assert [(t["seq"], t["price"], t["quantity"], t["taker_side"]) for t in told["trades"]] == [
        (3, "50000.00", "1.0000", "buy"),
        (6, "50001.00", "1.0000", "buy"),
    ]
    assert told["takers"] == takers
    for _channel, mine in published[1:-1]:
        assert (len(mine["orders"]), len(mine["fills"]), mine["position"]) == (2, 2, 4)
    assert published[-1][1] | {"shard_id": 0} == {
        "type": "shard",
        "shard_id": 0,
        "first_position": 1,
        "position": 4,
    }
    assert {o["client_order_id"] for _c, mine in published[1:-1] for o in mine["orders"]} == set(
        Order.objects.filter(instrument=market.instrument).values_list("client_order_id", flat=True)
    )


def test_positions_and_seqs_chain_over_batches(
    market: Market, alice: TradingAccount, published: list[tuple[str, dict[str, Any]]]
) -> None:
    for number in range(7):
        market.buy(alice, 1, 49000 + number)
    market.drain(batch=3)
    steps = [(c["first_position"], c["position"]) for channel, c in published if channel == "shards"]
    seqs = [(c["first_seq"], c["seq"]) for channel, c in published if channel == f"md:{market.symbol}"]
    assert steps == seqs == [(1, 3), (4, 6), (7, 7)]


def test_a_drain_with_nothing_to_do_says_nothing(
    market: Market, published: list[tuple[str, dict[str, Any]]]
) -> None:
    market.drain()
    assert [content for _channel, content in published] == []


def test_an_account_is_told_the_correlation_ids_of_its_requests(
    market: Market, alice: TradingAccount, published: list[tuple[str, dict[str, Any]]]
) -> None:
    with structlog.contextvars.bound_contextvars(request_id="desk:7"):
        market.sell(alice, 2, 50000)
    market.drain()

    (mine,) = [frame for channel, frame in published if channel == f"acct:{alice.pk}"]
    assert mine["correlation_ids"] == ["desk:7"]
