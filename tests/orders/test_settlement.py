"""Settlement: what a trade moves, to the last unit, and what it costs whom."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from django.db.models import Sum

from accounts.models import LedgerAccount, LedgerKind, Transfer, TransferKind
from instruments.models import Asset
from orders.models import Event, EventKind, Fill, Trade, event_id
from tests.factories import make_asset, make_market, money, short, stored

pytestmark = pytest.mark.django_db


def test_ac_42_a_trade_moves_base_quote_and_fees_and_nothing_else() -> None:
    market = make_market()
    seller, buyer = market.trader(base=1, quote=0), market.trader(base=0, quote=10_000)
    base, quote = market.instrument.base, market.instrument.quote
    sold = market.sell(seller, "0.1", 50000)
    bought = market.buy(buyer, "0.1", 50000)

    drained = market.drain()

    assert (drained.commands, drained.events, drained.trades) == (2, 3, 1)
    assert (money(buyer, base), money(buyer, quote)) == (("0.1", "0"), ("4995", "0"))
    assert (money(seller, base), money(seller, quote)) == (("0.9", "0"), ("4997.5", "0"))
    assert money(None, quote, LedgerKind.FEE) == ("7.5", "0")
    assert money(None, quote, LedgerKind.ROUNDING) == ("0", "0")
    moves = Transfer.objects.filter(trade_id__isnull=False).order_by("id")
    assert [(row.kind, short(row.amount), row.order_id) for row in moves] == [
        ("trade_base", "0.1", sold),
        ("trade_quote", "5000", bought),
        ("fee", "5", bought),
        ("fee", "2.5", sold),
    ]
    assert moved(base) == {buyer.id: "0.1", seller.id: "-0.1"}
    assert moved(quote) == {buyer.id: "-5005", seller.id: "4997.5", "fee": "7.5"}
    for asset in (base, quote):
        assert LedgerAccount.objects.filter(asset=asset).aggregate(sum=Sum("balance"))["sum"] == 0
        assert sum(map(Decimal, moved(asset).values())) == 0


def moved(asset: Asset) -> dict[int | str, str]:
    """What trading gave (+) and took (-), by trading account or kind of the house's account."""
    sums: dict[int | str, Decimal] = defaultdict(Decimal)
    for row in Transfer.objects.filter(trade_id__isnull=False, asset=asset).select_related("debit", "credit"):
        sums[row.debit.account_id or row.debit.kind] -= row.amount
        sums[row.credit.account_id or row.credit.kind] += row.amount
    return {party: short(amount) for party, amount in sums.items()}


def test_the_trade_its_fills_and_its_event_tell_one_story() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    sold = market.sell(seller, "0.3", 50000)
    bought = market.buy(buyer, "0.1", 50500)
    market.drain()

    trade = Trade.objects.get(instrument=market.instrument)
    event = Event.objects.get(instrument_id=market.instrument.id, kind=EventKind.TRADE)
    assert trade.id == event.id == event_id(market.instrument.id, 3)
    assert (trade.seq, event.seq, event.order_id, event.maker_order_id) == (3, 3, bought, sold)
    assert (event.leaves_lots, event.maker_leaves_lots) == (0, 2000)
    assert (short(trade.price), short(trade.quantity), short(trade.notional)) == ("50000", "0.1", "5000")
    assert (trade.taker_side, trade.buy_order_id, trade.sell_order_id) == ("buy", bought, sold)
    assert (trade.buyer_id, trade.seller_id) == (buyer.id, seller.id)
    taker, maker = Fill.objects.filter(trade_id=trade.id).order_by("id")
    assert (taker.order_id, taker.liquidity, short(taker.fee), taker.side) == (bought, "taker", "5", "buy")
    assert (maker.order_id, maker.liquidity, short(maker.fee), maker.side) == (sold, "maker", "2.5", "sell")
    assert {taker.fee_asset_id, maker.fee_asset_id} == {market.instrument.quote_id}


def test_a_taker_gets_the_makers_better_price_and_the_difference_back() -> None:
    market = make_market()
    seller, buyer = market.trader(base=1, quote=0), market.trader(base=0, quote=60_000)
    market.sell(seller, 1, 50000)
    bought = market.buy(buyer, 1, 51000)
    assert money(buyer, market.instrument.quote) == ("60000", "51051")

    market.drain()

    assert market.trades() == [("1", "50000")]
    assert money(buyer, market.instrument.quote) == ("9950", "0")
    assert short(stored(bought).filled_notional) == "50000"


def test_the_rate_is_the_one_the_order_came_in_with() -> None:
    market = make_market()
    seller, buyer = market.trader(base=1, quote=0), market.trader(base=0, quote=60_000)
    market.sell(seller, 1, 50000)
    market.instrument.maker_fee = market.instrument.taker_fee = Decimal("0.01")
    market.instrument.save()
    market.buy(buyer, 1, 50000)
    market.drain()

    assert money(seller, market.instrument.quote) == ("49975", "0")
    assert money(buyer, market.instrument.quote) == ("9500", "0")


def test_fractions_of_a_unit_go_to_the_rounding_account_once_for_each_order() -> None:
    # A quote asset in cents; a fill of 0.01 at 33.33 costs 0.33 and an exact taker fee of 0.000333.
    quote = make_asset(decimals=2)
    market = make_market(
        quote=quote,
        tick_size=Decimal(1),
        lot_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        reference_price=Decimal(33),
    )
    buyer = market.trader(base=0, quote=100)
    bought = market.buy(buyer, "0.10", 33)
    market.drain()
    assert money(buyer, quote) == ("100", "3.31")  # 3.30 * 1.001, up to the cent

    sellers = [market.trader(base=1, quote=0) for _ in range(10)]
    for seller in sellers:
        market.sell(seller, "0.01", 33)
        market.drain()

    order = stored(bought)
    assert (order.status, order.fee_accrued) == ("filled", Decimal("0.00165"))
    # 3.30 and one cent for 0.00165 of maker fee, whatever the number of fills.
    assert money(buyer, quote) == ("96.69", "0")
    # Each seller got 0.33 and paid one cent for 0.00033 of taker fee.
    assert {money(seller, quote) for seller in sellers} == {("0.32", "0")}
    assert money(None, quote, LedgerKind.FEE) == ("0", "0")
    assert money(None, quote, LedgerKind.ROUNDING) == ("0.11", "0")
    assert LedgerAccount.objects.filter(asset=quote).aggregate(sum=Sum("balance"))["sum"] == 0


def test_the_house_earns_the_fee_rounded_down_once_units_add_up() -> None:
    quote = make_asset(decimals=2)
    market = make_market(
        quote=quote,
        tick_size=Decimal(1),
        lot_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        reference_price=Decimal(33),
        maker_fee=Decimal("0.02"),
        taker_fee=Decimal(0),
    )
    buyer, seller = market.trader(base=0, quote=100), market.trader()
    market.buy(buyer, "0.10", 33)
    for _ in range(10):
        market.sell(seller, "0.01", 33)
    market.drain()

    # Exact fees of 0.0066 each: charged 1, 2, 2, 3, 4, 4, 5, 6, 6, 7 cents, earned 0, 1, 1, 2 ... 6.
    charges = [short(fill.fee) for fill in Fill.objects.filter(liquidity="maker").order_by("id")]
    assert charges == ["0.01", "0.01", "0", "0.01", "0.01", "0", "0.01", "0.01", "0", "0.01"]
    assert money(None, quote, LedgerKind.FEE) == ("0.06", "0")
    assert money(None, quote, LedgerKind.ROUNDING) == ("0.01", "0")


@pytest.mark.parametrize("separate", [True, False])
def test_a_quote_asset_of_18_decimals_keeps_fees_exact_between_batches(separate: bool) -> None:
    # 800 units each: exact maker fees of 0.4 of the smallest unit there is.
    quote = make_asset(decimals=18)
    market = make_market(
        quote=quote,
        base=make_asset(decimals=18),
        tick_size=Decimal("0.1"),
        lot_size=Decimal("1E-15"),
        min_quantity=Decimal("1E-15"),
        max_quantity=Decimal(1),
        reference_price=Decimal("0.8"),
    )
    buyer, seller = market.trader(base=0, quote="0.000000000000004005"), market.trader()
    bought = market.buy(buyer, "0.000000000000005", "0.8")
    market.drain()
    assert money(buyer, quote) == ("0.000000000000004005", "0.000000000000004004")

    for _ in range(5):
        market.sell(seller, "0.000000000000001", "0.8")
        if separate:
            market.drain()
    market.drain()

    assert stored(bought).fee_accrued == Decimal("2.0E-18")
    # 4000 units and two for fees.
    assert money(buyer, quote) == ("0.000000000000000003", "0")


def test_balances_chain_along_each_ledger_account() -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    for price in (50000, 50001, 49999):
        market.sell(seller, "0.5", price)
        market.buy(buyer, "0.5", price)
    market.drain()

    for account in LedgerAccount.objects.all():
        balance = Decimal(0)
        for row in Transfer.objects.order_by("id"):
            if row.debit_id == account.id:
                balance -= row.amount
                assert row.debit_balance_after == balance
            elif row.credit_id == account.id:
                balance += row.amount
                assert row.credit_balance_after == balance
        assert account.balance == balance


def test_transfers_of_trades_name_their_kind() -> None:
    market = make_market(maker_fee=Decimal(0), taker_fee=Decimal(0))
    market.sell(market.trader(), 1, 50000)
    market.buy(market.trader(), 1, 50000)
    market.drain()

    kinds = Transfer.objects.filter(trade_id__isnull=False).values_list("kind", flat=True)
    assert sorted(kinds) == [TransferKind.TRADE_BASE, TransferKind.TRADE_QUOTE]
    assert set(Fill.objects.values_list("fee", flat=True)) == {Decimal(0)}
