"""The ways of taking an order that bench_orders compares."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from django.db import connections, transaction
from django.utils import timezone

from accounts.models import LedgerAccount, LedgerKind, TradingAccount, Transfer, User
from accounts.services.funding import deposit
from audit.actor import Actor
from instruments.models import Asset, Instrument, InstrumentKind
from orders.models import Fill, Order, OrderStatus, OrderType, Shard, Side, Source, TimeInForce
from orders.services.batching import submit_soon
from orders.services.drain import drain_all
from orders.services.intake import submit_orders
from orders.services.requests import NewOrder

ACTOR = Actor.system("bench")
PRICE = Decimal(50_000)
_THREADS = 16
TICK, LOT = Decimal("0.01"), Decimal("0.00001")


def market(rng: random.Random, count: int, accounts: int) -> list[NewOrder]:
    """A fresh instrument with funded accounts, and the orders that will be sent to it."""
    tag = uuid.uuid4().hex[:8].upper()
    Shard.objects.get_or_create(id=1)
    base, quote = (
        Asset.objects.create(code=f"{kind}{tag}", name=f"bench {kind}", decimals=8) for kind in "BQ"
    )
    Instrument.objects.create(
        symbol=tag,
        display_name=tag,
        kind=InstrumentKind.CRYPTO,
        base=base,
        quote=quote,
        tick_size=TICK,
        lot_size=LOT,
        min_quantity=LOT,
        max_quantity=Decimal(1_000),
        reference_price=PRICE,
        max_open_orders=1_000_000,
    )
    user = User.objects.create(username=tag, email=f"{tag}@example.com")
    owners = [
        TradingAccount.objects.create(account_number=f"{tag}-{number}", user=user, currency=quote)
        for number in range(accounts)
    ]
    for owner in owners:
        for asset in (base, quote):
            deposit(
                account_id=owner.id,
                asset=asset.code,
                amount=Decimal(10_000_000_000),
                reason="bench",
                request_id=uuid.uuid4().hex,
                actor=ACTOR,
                now=timezone.now(),
            )
    return [
        NewOrder(
            account_id=rng.choice(owners).id,
            symbol=tag,
            side=rng.choice([Side.BUY, Side.SELL]),
            type=OrderType.LIMIT,
            quantity=LOT * rng.randint(1_000, 5_000),
            price=PRICE + TICK * rng.randint(-10, 10),
        )
        for _ in range(count)
    ]


def accounts_of(symbol: str) -> list[int]:
    """The ids of the accounts that `market` opened for its instrument."""
    found = TradingAccount.objects.filter(user__username=symbol).order_by("id")
    return list(found.values_list("id", flat=True))


def batch(orders: list[NewOrder]) -> None:
    """Lists of 500 in, batches of 1,000 out."""
    for start in range(0, len(orders), 500):
        submit_orders(orders=orders[start : start + 500], actor=ACTOR, source=Source.API, now=timezone.now())
        if start % 1_000:
            drain_all(shard_id=1, clock=timezone.now)
    drain_all(shard_id=1, clock=timezone.now)


def together(orders: list[NewOrder]) -> None:
    """One order for each call, from 16 threads at once; what waits shares a transaction."""

    def send(mine: list[NewOrder]) -> None:
        try:
            for order in mine:
                submit_soon(order=order, actor=ACTOR, source=Source.SOCKET)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(send, [orders[number::_THREADS] for number in range(_THREADS)]))
    drain_all(shard_id=1, clock=timezone.now)


def single(orders: list[NewOrder]) -> None:
    """One order for each intake transaction, one for each drain transaction."""
    for order in orders:
        submit_orders(orders=[order], actor=ACTOR, source=Source.API, now=timezone.now())
        drain_all(shard_id=1, clock=timezone.now)


def naive(orders: list[NewOrder]) -> None:
    """One transaction for each order; matching by a query, a save() for each row."""
    for order in orders:
        _naive_order(order)


@transaction.atomic
def _naive_order(new: NewOrder) -> None:
    now = timezone.now()
    instrument = Instrument.objects.select_for_update().get(symbol=new.symbol)
    price, quantity = new.price or PRICE, new.quantity or Decimal(0)
    order = Order.objects.create(
        created_at=now,
        updated_at=now,
        account_id=new.account_id,
        instrument=instrument,
        client_order_id=uuid.uuid4().hex,
        side=new.side,
        type=new.type,
        time_in_force=TimeInForce.GTC,
        price=price,
        quantity=quantity,
        leaves=quantity,
        maker_fee_rate=instrument.maker_fee,
        taker_fee_rate=instrument.taker_fee,
        held=Decimal(0),
        status=OrderStatus.OPEN,
        source=Source.API,
    )
    while order.leaves:
        makers = Order.objects.select_for_update().filter(
            instrument=instrument, status__in=["open", "partially_filled"]
        )
        if new.side == Side.BUY:
            maker = makers.filter(side=Side.SELL, price__lte=price).order_by("price", "id").first()
        else:
            maker = makers.filter(side=Side.BUY, price__gte=price).order_by("-price", "id").first()
        if maker is None:
            break
        _naive_trade(instrument, order, maker)


def _naive_trade(instrument: Instrument, taker: Order, maker: Order) -> None:
    now = timezone.now()
    quantity = min(taker.leaves, maker.leaves)
    notional = quantity * (maker.price or PRICE)
    for order, liquidity, rate in (
        (taker, "taker", instrument.taker_fee),
        (maker, "maker", instrument.maker_fee),
    ):
        order.leaves -= quantity
        order.filled += quantity
        order.status = OrderStatus.PARTIALLY_FILLED if order.leaves else OrderStatus.FILLED
        order.save()
        Fill.objects.create(
            at=now,
            trade_id=taker.id,
            order_id=order.id,
            account_id=order.account_id,
            instrument=instrument,
            side=order.side,
            liquidity=liquidity,
            price=maker.price or PRICE,
            quantity=quantity,
            fee_rate=rate,
            fee=notional * rate,
            fee_asset=instrument.quote,
        )
    buy, sell = (taker, maker) if taker.side == Side.BUY else (maker, taker)
    _naive_transfer(instrument.base, sell.account_id, buy.account_id, quantity)
    _naive_transfer(instrument.quote, buy.account_id, sell.account_id, notional)
    _naive_transfer(instrument.quote, taker.account_id, None, notional * instrument.taker_fee)
    _naive_transfer(instrument.quote, maker.account_id, None, notional * instrument.maker_fee)


def _naive_transfer(asset: Asset, debit_id: int, credit_id: int | None, amount: Decimal) -> None:
    if debit_id == credit_id:
        return
    accounts = LedgerAccount.objects.select_for_update()
    debit = accounts.get(account_id=debit_id, asset=asset)
    if credit_id is None:
        LedgerAccount.objects.get_or_create(kind=LedgerKind.FEE, asset=asset, account=None)
        credit = accounts.get(kind=LedgerKind.FEE, asset=asset)
    else:
        credit = accounts.get(account_id=credit_id, asset=asset)
    debit.balance -= amount
    credit.balance += amount
    debit.save()
    credit.save()
    Transfer.objects.create(
        entry_id=1,
        at=timezone.now(),
        kind="trade_quote",
        asset=asset,
        debit=debit,
        credit=credit,
        amount=amount,
        debit_balance_after=debit.balance,
        credit_balance_after=credit.balance,
    )
