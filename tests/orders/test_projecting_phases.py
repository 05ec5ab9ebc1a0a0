"""Phases, auctions and mass cancels: what their events make of orders, instruments and money."""

from __future__ import annotations

import pytest

from instruments.models import Instrument, InstrumentStatus
from orders.models import EventKind, Fill, OrderType, Phase, TimeInForce
from orders.services.changing import cancel_all_orders
from tests.factories import ACTOR, NOW, Market, make_market, money, short, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def standing(market: Market) -> tuple[str, int]:
    """(status of the instrument, phase of the book) as stored."""
    status = Instrument.objects.values_list("status", flat=True).get(id=market.instrument.id)
    return status, market.book().phase


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        (InstrumentStatus.HALTED, Phase.HALTED),
        (InstrumentStatus.MAINTENANCE, Phase.HALTED),
        (InstrumentStatus.DELISTED, Phase.HALTED),
        (InstrumentStatus.AUCTION, Phase.AUCTION),
        (InstrumentStatus.CANCEL_ONLY, Phase.CANCEL_ONLY),
        (InstrumentStatus.CLOSED, Phase.CLOSED),
    ],
)
def test_a_phase_is_the_instruments_status(market: Market, status: InstrumentStatus, phase: Phase) -> None:
    market.phase(status)
    market.drain()

    assert standing(market) == (status, phase)
    assert market.events() == [EventKind.PHASE_CHANGED]


def test_day_orders_end_with_the_session_and_others_stay(market: Market) -> None:
    trader = market.trader()
    day = market.buy(trader, 1, 49000, tif=TimeInForce.DAY)
    parked = market.buy(trader, 1, kind=OrderType.STOP, trigger=51000, tif=TimeInForce.DAY)
    stays = market.buy(trader, 1, 48000)
    market.drain()
    market.phase(InstrumentStatus.CLOSED)
    market.drain()

    assert [(stored(order).status, stored(order).reason) for order in (day, parked, stays)] == [
        ("expired", "session_end"),
        ("expired", "session_end"),
        ("open", ""),
    ]
    assert money(trader, market.instrument.quote)[1] == "48048"


def test_an_auction_collects_and_uncrosses_at_one_price(market: Market) -> None:
    market.phase(InstrumentStatus.AUCTION)
    market.drain()
    buyer, seller = market.trader(base=0), market.trader(base=3, quote=0)
    bought = market.buy(buyer, 2, 50010)
    sold = market.sell(seller, 3, 49990)
    market.drain()
    assert market.trades() == []
    assert [stored(order).status for order in (bought, sold)] == ["open", "open"]

    market.phase(InstrumentStatus.ACTIVE)
    market.drain()

    # 2 at 49990 or at 50010, one ask too many, both 10 from the reference: the lower.
    assert market.trades() == [("2", "49990")]
    assert standing(market) == ("active", Phase.OPEN)
    assert [(stored(order).status, short(stored(order).held)) for order in (bought, sold)] == [
        ("filled", "0"),
        ("partially_filled", "1"),
    ]
    # The later of the two pays as the taker: 0.1 % of 99980; the other 0.05 %.
    fills = Fill.objects.filter(instrument=market.instrument).order_by("id")
    assert [(fill.order_id, fill.liquidity, short(fill.fee)) for fill in fills] == [
        (sold, "taker", "99.98"),
        (bought, "maker", "49.99"),
    ]
    assert money(buyer, market.instrument.quote) == ("9899970.01", "0")
    assert money(seller, market.instrument.quote) == ("99880.02", "0")


def test_icebergs_trade_whole_in_an_auction(market: Market) -> None:
    market.phase(InstrumentStatus.AUCTION)
    seller, buyer = market.trader(), market.trader()
    sold = market.sell(seller, 5, 50000, display=1)
    bought = market.buy(buyer, "3.5", 50000)
    market.phase(InstrumentStatus.ACTIVE)
    market.drain()

    assert stored(bought).status == "filled"
    order = stored(sold)
    assert (short(order.leaves), short(order.shown), order.status) == ("1.5", "0.5", "partially_filled")


def test_nothing_triggers_before_the_book_opens(market: Market) -> None:
    market.sell(market.trader(), 1, 50100)
    market.buy(market.trader(), 1, 50100)
    market.phase(InstrumentStatus.AUCTION)
    trader = market.trader()
    stop = market.buy(trader, 1, 50200, kind=OrderType.STOP_LIMIT, trigger=50050)
    market.drain()
    assert stored(stop).status == "pending_trigger"

    market.phase(InstrumentStatus.ACTIVE)
    market.drain()

    assert (stored(stop).status, stored(stop).triggered_at) == ("open", NOW)


def test_a_mass_cancel_ends_everything_of_an_account_and_nothing_else(market: Market) -> None:
    trader, other = market.trader(), market.trader()
    resting = market.buy(trader, 1, 49000)
    parked = market.sell(trader, 1, kind=OrderType.STOP, trigger=49000)
    others = market.buy(other, 1, 49000)
    market.drain()
    cancel_all_orders(account_id=trader.id, actor=ACTOR, now=NOW)
    market.drain()

    assert [(stored(order).status, stored(order).reason) for order in (resting, parked, others)] == [
        ("cancelled", "mass_cancel"),
        ("cancelled", "mass_cancel"),
        ("open", ""),
    ]
    assert money(trader, market.instrument.quote) == ("10000000", "0")
    assert money(trader, market.instrument.base) == ("100", "0")


def test_a_delisting_ends_what_rests_and_what_is_parked(market: Market) -> None:
    trader = market.trader()
    orders = [
        market.buy(trader, 1, 49000),
        market.sell(trader, 1, kind=OrderType.TRAILING_STOP, trail=100),
        market.sell(trader, 5, 51000, display=1),
    ]
    market.drain()
    market.phase(InstrumentStatus.DELISTED)
    market.drain()

    assert {(stored(order).status, stored(order).reason) for order in orders} == {
        ("cancelled", "halt_cancel")
    }
    assert money(trader, market.instrument.base) == ("100", "0")
