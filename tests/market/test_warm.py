"""Warm answers: of the state of the book that is committed, whatever Valkey has, had or lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis.exceptions import RedisError

from accounts.models import TradingAccount
from orders.market.services import warm
from orders.market.services.warm import Market as Seen
from tests.factories import Market
from tests.market.conftest import Trading
from tradeplatform.common.errors import Refusal
from tradeplatform.common.valkey import client


def depth(market: Market) -> Any:
    return orjson.loads(warm.depth_answers(warm.markets([market.symbol]), limit=100)[0])


def ticker(market: Market) -> Any:
    return orjson.loads(warm.ticker_answers(warm.markets([market.symbol]), now=timezone.now())[0])


def names(market: Market) -> list[bytes]:
    found: Any = client().keys(f"warm:*:{market.symbol}")
    return sorted(found)


@pytest.fixture
def as_another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ask, from now on, as a process that has seen nothing yet."""
    return lambda: monkeypatch.setattr(warm, "_seen", {})


def test_a_committed_order_is_in_the_next_answer(market: Market, alice: TradingAccount) -> None:
    for number in range(1, 4):
        market.buy(alice, 1, 50000 - number)
        market.drain()

        assert len(depth(market)["bids"]) == number
        assert depth(market)["seq"] == market.book().seq
        assert ticker(market)["bid"] == "49999.00"


def test_the_same_state_is_answered_without_looking_at_orders(
    market: Market, trade: Trading, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    trade(50000, at=timezone.now())
    warm.warm(now=timezone.now())

    with django_assert_num_queries(2):
        assert (depth(market)["seq"], ticker(market)["last"]) == (3, "50000.00")


def test_what_valkey_loses_is_made_again(
    market: Market, trade: Trading, as_another_process: Callable[[], None]
) -> None:
    trade(50000, at=timezone.now())
    warm.warm(now=timezone.now())
    before = depth(market), ticker(market)
    assert len(names(market)) == 2

    client().delete(*names(market))
    as_another_process()

    assert (depth(market), ticker(market)) == before
    assert len(names(market)) == 2


def test_what_another_process_kept_is_not_made_again(
    market: Market,
    trade: Trading,
    as_another_process: Callable[[], None],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    trade(50000, at=timezone.now())
    before = depth(market)

    as_another_process()

    with django_assert_num_queries(1):
        assert depth(market) == before


def test_what_a_process_remembers_is_bounded(
    market: Market, trade: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(50000, at=timezone.now())
    seen: dict[str, Any] = {str(number): ("", b"") for number in range(5)}
    monkeypatch.setattr(warm, "_seen", seen)
    monkeypatch.setattr(warm, "_MOST_SEEN", 4)

    depth(market)
    assert list(seen) == [f"warm:depth100:{market.symbol}"]

    monkeypatch.setattr(warm, "_LONGEST_SEEN", 4)
    assert ticker(market)["last"] == "50000.00"
    assert len(seen) == 1


def test_what_valkey_has_of_another_state_is_not_given(
    market: Market, alice: TradingAccount, as_another_process: Callable[[], None]
) -> None:
    market.buy(alice, 1, 49000)
    market.drain()
    right = depth(market)
    (name,) = names(market)
    kept: Any = client().get(name)
    state, _, body = kept.partition(b" ")
    wrong = body.replace(b"49000", b"66666")
    assert wrong != body

    for other in (b"", b"0.0.", state + b"x", b"9" + state):
        client().set(name, other + b" " + wrong)
        as_another_process()
        assert depth(market) == right


def test_without_valkey_answers_are_the_same(
    market: Market,
    trade: Trading,
    as_another_process: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trade(50000, at=timezone.now())
    before = depth(market), ticker(market)

    def gone() -> None:
        raise RedisError("no server")

    monkeypatch.setattr(warm, "client", gone)
    as_another_process()

    assert (depth(market), ticker(market)) == before


def test_the_day_moves_on_though_the_book_stands_still(market: Market, trade: Trading) -> None:
    now = timezone.now()
    trade(50000, at=now - timedelta(hours=24) + timedelta(minutes=2))
    seen = warm.markets([market.symbol])

    def trades(after: int) -> int:
        answer = orjson.loads(warm.ticker_answers(seen, now=now + timedelta(minutes=after))[0])
        found: int = answer["trades"]
        return found

    assert [trades(after) for after in (0, 1, 3)] == [1, 1, 0]


def test_only_depths_that_many_ask_for_are_kept(market: Market, alice: TradingAccount) -> None:
    market.buy(alice, 1, 49000)
    market.drain()

    for limit in (7, 20):
        (answer,) = warm.depth_answers(warm.markets([market.symbol]), limit=limit)
        assert orjson.loads(answer)["bids"] == [["49000.00", "1.0000"]]

    assert names(market) == [f"warm:depth20:{market.symbol}".encode()]


def test_several_are_answered_in_the_order_asked_each_once(market: Market) -> None:
    found = warm.markets([market.symbol, market.symbol])

    assert [one.symbol for one in found] == [market.symbol]
    assert isinstance(found[0], Seen)
    for nonsense in ("NOSUCH", "\0", ""):
        with pytest.raises(Refusal) as caught:
            warm.markets([market.symbol, nonsense])
        assert caught.value.code == "unknown_symbol"
