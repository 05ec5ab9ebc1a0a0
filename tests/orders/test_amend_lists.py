"""Amends in a list: each as if it had come alone, funds in list order, one waiting amend for each order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import TradingAccount
from orders.models import Command, CommandKind, OrderType, Side, Source
from orders.services.intake import submit_requests
from orders.services.requests import (
    Accepted,
    AmendOrder,
    CancelOrder,
    Changes,
    Denied,
    ListKind,
    Outcome,
    Request,
    Requested,
)
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, money, stored
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


def send(*requests: Request) -> list[Outcome | Requested]:
    return submit_requests(requests=requests, actor=ACTOR, source=Source.API, now=NOW)


def amend(
    account: TradingAccount,
    order_id: int,
    *,
    price: str | int | None = None,
    quantity: str | int | None = None,
    trigger: str | int | None = None,
) -> AmendOrder:
    changes = Changes(price=_number(price), quantity=_number(quantity), trigger_price=_number(trigger))
    return AmendOrder(account_id=account.id, order_id=order_id, changes=changes)


def _number(value: str | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def codes(outcomes: Sequence[Outcome | Requested]) -> list[str]:
    """What became of each: "ok", or the code of its refusal."""
    return [outcome.refusal.code.value if isinstance(outcome, Denied) else "ok" for outcome in outcomes]


def test_the_book_sees_amends_in_the_order_of_the_list() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    ask = market.sell(seller, 1, 50_000)
    market.drain()

    away, _bid, _back = send(
        amend(seller, ask, price=50_100),
        market.request(buyer, Side.BUY, 1, 50_000),
        market.request(seller, Side.SELL, 1, 50_050),
    )
    market.drain()

    assert isinstance(away, Requested)
    kinds = Command.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == [CommandKind.NEW, CommandKind.AMEND, CommandKind.NEW, CommandKind.NEW]
    # The ask had moved out of reach before the bid came.
    assert (stored(ask).status, stored(ask).price, stored(ask).filled) == ("open", 50_100, 0)


def test_funds_are_reserved_in_the_order_of_the_list() -> None:
    market = make_market(maker_fee=Decimal(0), taker_fee=Decimal(0))
    first, second = market.trader(base=0, quote=100_000), market.trader(base=0, quote=100_000)
    bids = [market.buy(trader, 1, 48_000) for trader in (first, second)]
    market.drain()

    # 52,000 are free. The amend needs the smallest unit more than what its order then costs.
    amended_first = send(amend(first, bids[0], quantity=2), market.request(first, Side.BUY, "0.1", 48_000))
    ordered_first = send(market.request(second, Side.BUY, "0.1", 48_000), amend(second, bids[1], quantity=2))

    assert codes(amended_first) == ["ok", "insufficient_funds"]
    assert codes(ordered_first) == ["ok", "insufficient_funds"]
    held = [money(trader, market.instrument.quote)[1] for trader in (first, second)]
    assert held == ["96000.00000001", "52800"]


def test_who_names_another_accounts_order_keeps_its_owner_from_nothing() -> None:
    market = make_market()
    owner, stranger = market.trader(), market.trader()
    ask = market.sell(owner, 1, 50_000)
    market.drain()

    outcomes = send(
        amend(stranger, ask, price=50_200),
        amend(owner, ask, price=50_100),
        amend(stranger, ask, price=50_300),
    )

    assert codes(outcomes) == ["order_not_found", "ok", "order_not_found"]
    market.drain()
    assert stored(ask).price == 50_100


def test_of_two_amends_of_one_order_the_second_has_to_wait() -> None:
    market = make_market()
    trader = market.trader()
    ask = market.sell(trader, 1, 50_000)
    market.drain()

    outcomes = send(*(amend(trader, ask, price=price) for price in ("50000.001", "50100", "50200")))

    # One that is refused keeps no other away.
    assert codes(outcomes) == ["price_not_on_tick", "ok", "amend_pending"]
    market.drain()
    assert stored(ask).price == 50_100


def test_the_amends_of_a_bracket_bound_each_other() -> None:
    market = make_market()
    trader = market.trader()
    entry, profit, stop = market.send_list(
        ListKind.BRACKET,
        market.request(trader, Side.BUY, 1, 49_000),
        market.request(trader, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=51_000),
        market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48_000),
    )
    alone = market.buy(trader, 1, 48_500)
    market.drain()

    outcomes = send(
        amend(trader, stop, trigger=48_100),
        amend(trader, entry, price=49_050),
        amend(trader, alone, price=48_400),
    )

    assert codes(outcomes) == ["ok", "amend_pending", "ok"]
    market.drain()
    assert (stored(stop).trigger_price, stored(entry).price, stored(profit).trigger_price) == (
        48_100,
        49_000,
        51_000,
    )


def test_what_is_refused_changes_nothing_and_stops_no_other() -> None:
    market = make_market()
    trader, stranger = market.trader(), market.trader()
    ask, gone = market.sell(trader, 1, 50_000), market.sell(trader, 1, 50_010)
    market.cancel(gone, trader)
    market.drain()
    before = everything_stored()

    outcomes = send(
        amend(stranger, ask, price=50_100),
        amend(trader, 2**63, price=50_100),
        amend(trader, -1, price=50_100),
        amend(trader, 987_654, price=50_100),
        amend(trader, gone, price=50_100),
        amend(trader, ask),
        amend(trader, ask, quantity=1_000),
        CancelOrder(account_id=trader.id, client_order_id="unheard"),
    )

    assert codes(outcomes) == [
        "order_not_found",
        "order_not_found",
        "order_not_found",
        "order_not_found",
        "order_not_open",
        "no_change",
        "insufficient_funds",
        "order_not_found",
    ]
    assert everything_stored() == before


def test_an_order_cannot_be_amended_by_the_list_that_places_it() -> None:
    """It has no id yet that a client could know; one that guesses it is refused."""
    market = make_market()
    trader = market.trader()
    first = market.sell(trader, 1, 50_000)
    market.drain()

    outcomes = send(market.request(trader, Side.SELL, 1, 50_000), amend(trader, first + 1, price=50_100))

    assert codes(outcomes) == ["ok", "order_not_found"]


@pytest.mark.parametrize("seed", range(12))
def test_a_list_does_what_its_items_do_one_by_one(seed: int) -> None:
    """Two markets see the same wishes, one as a list, one in single requests: orders and money end alike."""
    ends = []
    for as_list in (True, False):
        rng = random.Random(seed)
        market = make_market()
        assets = (market.instrument.base, market.instrument.quote)
        traders = [market.trader(base=5, quote=200_000) for _ in range(3)]
        resting = _rest(market, traders, rng)
        market.drain()
        wishes = [_wish(market, traders, resting, rng) for _ in range(25)]
        outcomes = send(*wishes) if as_list else [outcome for wish in wishes for outcome in send(wish)]
        held = [money(trader, asset) for trader in traders for asset in assets]
        market.drain()
        placed = [outcome.order_id for outcome in outcomes if isinstance(outcome, Accepted)]
        orders = [stored(number) for number in [*(number for _, number in resting), *placed]]
        ends.append(
            (
                codes(outcomes),
                held,
                [(o.status, o.price, o.quantity, o.filled, o.held) for o in orders],
                [money(trader, asset) for trader in traders for asset in assets],
            )
        )

    assert ends[0] == ends[1]
    assert len(set(ends[0][0])) > 2


def _rest(
    market: Market, traders: Sequence[TradingAccount], rng: random.Random
) -> list[tuple[TradingAccount, int]]:
    resting = []
    for number in range(10):
        trader = traders[number % 3]
        place = market.buy if number % 2 else market.sell
        price = rng.randrange(49_000, 49_900) if number % 2 else rng.randrange(50_100, 51_000)
        resting.append((trader, place(trader, rng.choice(["0.5", "1"]), price)))
    return resting


def _wish(
    market: Market,
    traders: Sequence[TradingAccount],
    resting: Sequence[tuple[TradingAccount, int]],
    rng: random.Random,
) -> Request:
    if rng.random() < 0.3:
        side = rng.choice([Side.BUY, Side.SELL])
        return market.request(
            rng.choice(traders), side, rng.choice(["0.5", "1"]), rng.randrange(49_500, 50_500)
        )
    trader, order_id = rng.choice(resting)
    price = rng.choice([None, rng.randrange(49_000, 51_000), 70_000])
    return amend(trader, order_id, price=price, quantity=rng.choice([None, "0.3", "1.5", 3]))


def test_many_amends_take_no_more_statements_than_two() -> None:
    market = make_market()
    trader = market.trader()
    asks = [market.sell(trader, 1, 50_000 + number) for number in range(30)]
    market.drain()

    def statements(of: Sequence[int]) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert set(codes(send(*(amend(trader, ask, quantity="0.5") for ask in of)))) == {"ok"}
        return len(seen)

    assert statements(asks[2:]) == statements(asks[:2])


def test_a_pending_amend_is_waited_for() -> None:
    market = make_market()
    trader = market.trader()
    ask, other = market.sell(trader, 1, 50_000), market.sell(trader, 1, 50_000)
    market.drain()
    market.amend(ask, trader, price=50_100)

    outcomes = send(amend(trader, ask, price=50_200), amend(trader, other, price=50_300))

    assert [type(outcome) for outcome in outcomes] == [Denied, Requested]
    assert codes(outcomes) == [Code.AMEND_PENDING, "ok"]
