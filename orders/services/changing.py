"""Ask for a change of an order: cancel, cancel all, amend. Only the drain changes the order itself."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.services.posting import Ledger
from audit.actor import Actor
from instruments.scaling import short_text, times
from instruments.selectors import Rules, rules_by_id
from orders.models import Book, Command, CommandKind, CommandStatus, Order, OrderType, Side
from orders.selectors import find_order
from orders.services import engine_codes
from orders.services.book_refs import books_for
from orders.services.holding import buyer_hold
from orders.services.intake import insufficient_funds
from orders.services.journal import CommandRow, write_commands
from orders.services.owners import check_may_trade, lock_owners
from orders.services.requests import Requested
from orders.services.wake import wake_after_commit
from risk.services import pretrade
from tradeplatform.common.errors import Code, Refusal


def cancel_order(
    *, order_id: int, account_id: int | None, actor: Actor, now: datetime, reason: str = ""
) -> Requested:
    """Ask for an order to be cancelled; `account_id` None means an operator does.

    Works while the instrument is halted. Raises Refusal: order_not_found (also for another account's),
    order_not_open.
    """
    with transaction.atomic():
        order = find_order(order_id=order_id, account_id=account_id)
        _require_open(order)
        (command,) = _write_cancels([order], account_id=account_id, actor=actor, now=now, reason=reason)
    return command


def cancel_all_orders(
    *,
    account_id: int,
    actor: Actor,
    now: datetime,
    symbol: str | None = None,
    by_operator: bool = False,
    reason: str = "",
) -> list[Requested]:
    """Ask for all live orders of an account to be cancelled, in one instrument or in all."""
    with transaction.atomic():
        # The lock makes "all" mean all that were acknowledged before this call.
        lock_owners([account_id])
        live = Order.objects.live().for_account(account_id)
        if symbol is not None:
            if not symbol.isprintable():
                return []
            live = live.filter(instrument__symbol=symbol)
        return _write_cancels(
            list(live.order_by("id")),
            account_id=None if by_operator else account_id,
            actor=actor,
            now=now,
            reason=reason,
            code="mass_cancel",
        )


def amend_order(
    *,
    order_id: int,
    account_id: int,
    price: Decimal | None,
    quantity: Decimal | None,
    actor: Actor,
    now: datetime,
) -> Requested:
    """Ask for a new price or a new total quantity (filled part included) of a resting limit order.

    Less quantity at the same price keeps the place in the queue; anything else loses it. What the amended
    order may need beyond its hold is reserved now. Raises Refusal; then nothing is reserved.
    """
    if price is None and quantity is None:
        raise Refusal(Code.NO_CHANGE, "Give a new price, a new quantity, or both.")
    with transaction.atomic():
        owners = lock_owners([account_id])
        order = _amendable(order_id, account_id)
        check_may_trade(owners[account_id])
        rules = rules_by_id([order.instrument_id])[order.instrument_id]
        book = books_for([rules])[rules.id]
        pretrade.check_open(rules)
        ticks = pretrade.check_price(rules, price, book.reference(rules)) if price is not None else 0
        lots = pretrade.check_quantity(rules, quantity) if quantity is not None else 0
        new_price = times(ticks, rules.tick_size) if ticks else order.price or Decimal(0)
        new_quantity = times(lots, rules.lot_size) if lots else order.quantity
        if new_quantity <= order.filled + order.prevented:
            raise Refusal(
                Code.BELOW_EXECUTED,
                "The new quantity is not above what has been filled: cancel the rest instead.",
                filled=short_text(order.filled),
            )
        pretrade.check_notional(rules, price=new_price, quantity=new_quantity)
        extra = _reserve_extra(order, rules, new_price, new_quantity)
        (command_id,) = write_commands(
            [
                CommandRow(
                    shard_id=book.shard_id,
                    instrument_id=rules.id,
                    kind=CommandKind.AMEND,
                    order_id=order.id,
                    account_id=account_id,
                    price_ticks=ticks,
                    quantity_lots=lots,
                    held=extra,
                )
            ],
            actor=actor,
            now=now,
        )
        wake_after_commit([book.shard_id])
    return Requested(command_id, order.id)


def _amendable(order_id: int, account_id: int) -> Order:
    """The order as of a moment when no amend of it was pending; the account is locked, so none can follow."""
    order = find_order(order_id=order_id, account_id=account_id)
    if Command.objects.filter(
        order_id=order.id, kind=CommandKind.AMEND, status=CommandStatus.PENDING, at__gte=order.created_at
    ).exists():
        raise Refusal(Code.AMEND_PENDING, "An earlier amend of this order is not yet applied: wait for it.")
    # Read again: an amend may have been applied, and what it held given back, since the first look.
    order = find_order(order_id=order_id, account_id=account_id)
    _require_open(order)
    if order.type != OrderType.LIMIT:
        raise Refusal(Code.INVALID_COMBINATION, "Only a limit order can be amended.")
    return order


def _require_open(order: Order) -> None:
    if order.is_final:
        raise Refusal(
            Code.ORDER_NOT_OPEN,
            f"This order is {order.get_status_display().lower()}: nothing of it is open.",
            order=order.id,
            status=order.status,
        )


def _write_cancels(
    orders: list[Order],
    *,
    account_id: int | None,
    actor: Actor,
    now: datetime,
    reason: str,
    code: str = "client",
) -> list[Requested]:
    if not orders:
        return []
    shards = dict(
        Book.objects.filter(instrument_id__in={order.instrument_id for order in orders}).values_list(
            "instrument_id", "shard_id"
        )
    )
    ids = write_commands(
        [
            CommandRow(
                shard_id=shards[order.instrument_id],
                instrument_id=order.instrument_id,
                kind=CommandKind.CANCEL,
                order_id=order.id,
                account_id=account_id or 0,
                reason_code=engine_codes.REASON["operator" if account_id is None else code],
                reason=reason,
            )
            for order in orders
        ],
        actor=actor,
        now=now,
    )
    wake_after_commit(shards.values())
    return [Requested(number, order.id) for number, order in zip(ids, orders, strict=True)]


def _reserve_extra(order: Order, rules: Rules, price: Decimal, quantity: Decimal) -> Decimal:
    """Hold what the amended order may need beyond the order's own hold, whatever fills come in between.

    Fills at the old price before the amend is applied take their share of the old hold with them, so the
    part of the quantity that is new must be covered at the new price by itself as well.
    """
    buy = order.side == Side.BUY
    leaves = quantity - order.filled - order.prevented
    grown = max(Decimal(0), leaves - order.leaves)
    if buy:
        rate = max(order.maker_fee_rate, order.taker_fee_rate)

        def need(open_quantity: Decimal) -> Decimal:
            return buyer_hold(
                leaves=open_quantity,
                price=price,
                fee_rate=rate,
                fee_accrued=order.fee_accrued,
                decimals=rules.quote_decimals,
            )

        # One unit covers the rounding of fees that fills in between may add.
        unit = Decimal(1).scaleb(-rules.quote_decimals)
        extra: Decimal = max(need(leaves) - order.held, need(grown))
        extra = extra + unit if extra > 0 else Decimal(0)
    else:
        extra = grown
    if not extra:
        return extra
    asset_id = rules.quote_id if buy else rules.base_id
    ledger = Ledger.lock(clients=[(order.account_id, asset_id)])
    account = ledger.client(order.account_id, asset_id)
    if account.available < extra:
        raise insufficient_funds(
            asset=rules.quote_code if buy else rules.base_code, required=extra, available=account.available
        )
    ledger.hold(account, extra)
    ledger.flush()
    return extra
