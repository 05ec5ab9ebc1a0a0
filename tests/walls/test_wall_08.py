"""Wall 8: available funds never go negative, and a hold ends with what it was for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from accounts.models import LedgerAccount, TradingAccount, Transfer
from accounts.services.funding import withdraw
from orders.models import Command, Order, Side, StpMode, TimeInForce
from orders.services.phases import halt_instrument
from orders.services.requests import Accepted
from tests.factories import ACTOR, NOW, Market, make_market, money, tag
from tests.threads import PATIENCE, all_at_once, start_elsewhere
from tradeplatform.common.errors import Code, Refusal

COMMITTING = pytest.mark.django_db(transaction=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "balance = balance - 0.00000001",
        "held = held + 0.00000001",
        "held = -1",
        "balance = 'NaN'",
        "held = 'NaN'",
    ],
)
def test_wall_08_the_database_refuses_to_overdraw_even_by_hand(change: str) -> None:
    market = make_market()
    trader = market.trader(base=10, quote=0)
    market.sell(trader, 10, 50000)

    def overdraw() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE accounts_ledgeraccount SET {change}"  # noqa: S608 - our own words
                " WHERE account_id = %s AND asset_id = %s",
                [trader.id, market.instrument.base_id],
            )

    with pytest.raises(IntegrityError, match="ledger_"):
        overdraw()

    assert money(trader, market.instrument.base) == ("10", "10")


def holds_add_up() -> bool:
    """What is held is what live orders and waiting amends hold, for every client and asset."""
    held = LedgerAccount.objects.aggregate(sum=Sum("held"))["sum"] or Decimal(0)
    by_orders = Order.objects.aggregate(sum=Sum("held"))["sum"] or Decimal(0)
    by_commands = Command.objects.aggregate(sum=Sum("held"))["sum"] or Decimal(0)
    return held == by_orders + by_commands


@COMMITTING
def test_wall_08_a_hundred_orders_at_once_never_overdraw() -> None:
    market = make_market()
    trader = market.trader(base=10, quote=0)

    def sell() -> Accepted:
        return market.send(market.request(trader, Side.SELL, 1, 50000))

    results = all_at_once([sell] * 100)

    accepted = [result for result in results if isinstance(result, Accepted)]
    denied = [result.code for result in results if isinstance(result, Refusal)]
    assert (len(accepted), denied) == (10, [Code.INSUFFICIENT_FUNDS] * 90)
    assert money(trader, market.instrument.base) == ("10", "10")
    assert Order.objects.filter(account=trader).count() == 10
    assert holds_add_up()


@COMMITTING
def test_wall_08_orders_withdrawals_and_settlement_at_once_never_overdraw() -> None:
    """Everything that spends one account's money, together, while the drain moves it."""
    market = make_market()
    trader, other = market.trader(base=50, quote=500_000), market.trader(base=1000, quote=50_000_000)

    def place(side: Side, quantity: int, stp: StpMode) -> Callable[[], object]:
        return lambda: market.send(market.request(trader, side, quantity, 50000, stp=stp))

    def counter(side: Side) -> Callable[[], object]:
        return lambda: market.send(market.request(other, side, 2, 50000, tif=TimeInForce.IOC))

    def settle() -> object:
        return market.drain(batch=5)

    works = [
        place(Side.SELL, 3, StpMode.DECREMENT),
        place(Side.BUY, 2, StpMode.EXPIRE_MAKER),
        lambda: take(trader, market, "1.5"),
        counter(Side.BUY),
        counter(Side.SELL),
        settle,
    ]
    results = all_at_once(works * 20, threads=6)
    market.drain()

    unexpected = [
        result for result in results if isinstance(result, Exception) and not isinstance(result, Refusal)
    ]
    assert unexpected == []
    codes = {result.code for result in results if isinstance(result, Refusal)}
    assert codes <= {Code.INSUFFICIENT_FUNDS}
    assert holds_add_up()
    assert all(row.available >= 0 for row in LedgerAccount.objects.filter(kind="client"))
    sums = LedgerAccount.objects.values("asset").annotate(sum=Sum("balance"))
    assert {row["sum"] for row in sums} == {Decimal(0)}


@COMMITTING
def test_wall_08_an_order_and_a_withdrawal_of_the_same_money_take_turns() -> None:
    market = make_market()
    trader = market.trader(base=10, quote=0)
    with transaction.atomic():
        market.sell(trader, 6, 50000)
        taking = start_elsewhere(lambda: take(trader, market, "5"))

    with pytest.raises(Refusal) as caught:
        taking.result(PATIENCE)

    assert (caught.value.code, caught.value.context["available"]) == (Code.INSUFFICIENT_FUNDS, "4")
    assert money(trader, market.instrument.base) == ("10", "6")


def take(account: TradingAccount, market: Market, amount: str) -> Transfer:
    return withdraw(
        account_id=account.id,
        asset=market.instrument.base.code,
        amount=Decimal(amount),
        reason="test",
        request_id=tag(),
        actor=ACTOR,
        now=NOW,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["filled", "cancelled", "rejected", "no liquidity", "stp", "halt"])
def test_wall_08_a_hold_ends_with_its_order(end: str) -> None:
    market = make_market()
    trader, other = market.trader(base=0, quote=200_000), market.trader()
    tif = {"rejected": TimeInForce.FOK, "no liquidity": TimeInForce.IOC}.get(end, TimeInForce.GTC)
    if end == "stp":
        market.sell(market.trader(trade_group=4), 1, 50000)
        TradingAccount.objects.filter(id=trader.id).update(trade_group=4)
    order_id = market.buy(trader, 2, 50000, tif=tif)
    assert money(trader, market.instrument.quote) == ("200000", "100100")

    if end == "filled":
        market.sell(other, 2, 50000)
    elif end == "cancelled":
        market.cancel(order_id, trader)
    elif end == "halt":
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="x", cancel_resting=True)
    market.drain()

    order = Order.objects.get(id=order_id)
    assert (order.is_final, order.held) == (True, 0)
    assert money(trader, market.instrument.quote) == ("99950" if end == "filled" else "200000", "0")
    assert holds_add_up()


@pytest.mark.django_db
def test_wall_08_the_database_refuses_a_final_order_that_holds() -> None:
    market = make_market()
    order_id = market.sell(market.trader(), 1, 50000)

    with pytest.raises(IntegrityError, match="order_final_has_and_holds_nothing"), transaction.atomic():
        Order.objects.filter(id=order_id).update(status="cancelled", leaves=0)
