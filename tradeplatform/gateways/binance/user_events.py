"""Events of the user data stream: what happened to one's own orders and money, by the keys clients know.

`docs/binance.md` says what each key means where the venue's document leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tradeengine.codec import EventFlag

from accounts.models import LedgerAccount
from accounts.selectors import LedgerLine
from instruments.selectors import Rules
from orders.execution_selectors import Execution, Happened
from orders.models import EventKind, Liquidity, Order, OrderStatus, OrderType, Side, StpMode
from tradeplatform.gateways.binance import order_shapes, shapes
from tradeplatform.gateways.binance.order_shapes import NOTHING
from tradeplatform.gateways.binance.shapes import Clock
from tradeplatform.gateways.binance.signing import microseconds_now
from tradeplatform.gateways.binance.words import SIDE_WORD, STP_WORD, status_word, time_word, type_word

Event = dict[str, Any]

_PARKED = EventFlag.WAITING | EventFlag.ARMED
_SPENT, _PREVENTED, _LINKED = "amount_spent", "self_trade_prevention", "linked"
_CANCELED, _EXPIRED, _REJECTED, _IN_MATCH = "CANCELED", "EXPIRED", "REJECTED", "EXPIRED_IN_MATCH"
#: What is told of an event of the book; how an order ended is said by its status.
_EXECUTION = {
    EventKind.ACCEPTED: "NEW",
    EventKind.TRIGGERED: "NEW",
    EventKind.ACTIVATED: "NEW",
    EventKind.TRADE: "TRADE",
    EventKind.AMENDED: "REPLACED",
}
_ENDED = {_CANCELED: _CANCELED, _IN_MATCH: "TRADE_PREVENTION", _REJECTED: _REJECTED}


def events_of(happened: Happened, changed: Iterable[LedgerAccount], clock: Clock) -> list[Event]:
    """All that is told of what happened, in order; `changed` are the balances that are other than before."""
    found = [balance_update(line, clock) for line in happened.transfers]
    executions = _without_spent(happened.executions)
    begins, done = _milestones(executions, happened.lists)
    for place, (one, fills_it) in enumerate(executions):
        rules = happened.rules[one.order.instrument_id]
        found.append(execution_report(one, rules, clock, fills_it=fills_it))
        for list_id in (begins.get(place), done.get(place)):
            if list_id is not None:
                all_done = list_id == done.get(place)
                found.append(list_status(happened.lists[list_id], rules, clock, one, all_done=all_done))
    if rows := list(changed):
        found.append(account_position(rows, clock))
    return found


def _without_spent(executions: Sequence[Execution]) -> list[tuple[Execution, bool]]:
    """Executions, and whether each fills its order.

    What ends an order for an amount comes after its last trade; here the trade itself has filled it.
    """
    found: list[tuple[Execution, bool]] = []
    last: dict[int, int] = {}
    for one in executions:
        if one.kind == EventKind.CANCELLED and one.reason == _SPENT and one.order.pk in last:
            found[last[one.order.pk]] = (found[last[one.order.pk]][0], True)
            continue
        if one.kind == EventKind.TRADE:
            last[one.order.pk] = len(found)
        found.append(
            (one, one.kind == EventKind.TRADE and one.order.quote_quantity is None and not _leaves(one))
        )
    return found


def _leaves(one: Execution) -> int:
    event = one.event
    return event.maker_leaves_lots if event.maker_order_id == one.order.pk else event.leaves_lots


def _milestones(
    executions: Sequence[tuple[Execution, bool]], lists: Mapping[int, Sequence[Order]]
) -> tuple[dict[int, int], dict[int, int]]:
    """After which execution a list has begun, and after which it is done: (place, list) each."""
    begins: dict[int, int] = {}
    done: dict[int, int] = {}
    for list_id, members in lists.items():
        own = [(place, one) for place, (one, _) in enumerate(executions) if one.order.list_id == list_id]
        seen = [place for place, one in own if one.kind in {EventKind.ACCEPTED, EventKind.REJECTED}]
        if seen and all(order.status != OrderStatus.PENDING for order in members):
            begins[seen[-1]] = list_id
        if own and own[-1][1].ends and all(order.is_final for order in members):
            done[own[-1][0]] = list_id
    return begins, done


# --- Orders ---------------------------------------------------------------------------------------------


def execution_report(one: Execution, rules: Rules, clock: Clock, *, fills_it: bool) -> Event:
    """One event of an order."""
    order, event, fill = one.order, one.event, one.fill
    status = _status(one, fills_it=fills_it)
    canceled = status == _CANCELED
    works = _works(one)
    last, paid = (fill.quantity, fill.quantity * fill.price) if fill else (None, None)
    body: Event = {
        "e": "executionReport",
        "E": clock.of(microseconds_now()),
        "s": rules.symbol,
        # Of a cancel its own name; one that was given none has that of its event.
        "c": (one.cancel or str(event.id)) if canceled else order.client_order_id,
        "S": SIDE_WORD[Side(order.side)],
        "o": type_word(order).value,
        "f": time_word(order),
        "q": shapes.quantity(one.quantity, rules),
        "p": shapes.price(one.price, rules),
        "P": shapes.price(order.trigger_price, rules),
        "F": shapes.quantity(order.display_quantity, rules),
        "g": order.list_id or NOTHING,
        "C": order.client_order_id if canceled or one.kind == EventKind.AMENDED else "",
        "x": _execution(one, status),
        "X": status,
        "r": one.reason.upper() if status == _REJECTED else "NONE",
        "i": order.pk,
        "l": shapes.quantity(last, rules),
        "z": shapes.quantity(one.filled, rules),
        "L": shapes.price(fill.price if fill else None, rules),
        "n": shapes.quote(fill.fee if fill else Decimal(0), rules),
        "N": rules.quote_code if fill else None,
        "T": clock.time(event.at),
        "t": fill.trade_id if fill else NOTHING,
        "I": event.id,
        "w": works and not one.ends and not fills_it,
        "m": fill is not None and fill.liquidity == Liquidity.MAKER,
        "M": False,
        "O": clock.time(order.created_at),
        "Z": shapes.quote(one.filled_notional, rules),
        "Y": shapes.quote(paid, rules),
        "Q": shapes.quote(order.quote_quantity, rules),
        "V": STP_WORD[StpMode(order.stp_mode)],
    }
    if works:
        body["W"] = clock.time(order.triggered_at or order.created_at)
    if order.trail_bps is not None:
        body |= {"d": order.trail_bps, "D": NOTHING}
    if status == _EXPIRED:
        body["eR"] = one.reason.upper()
    if body["x"] == "TRADE_PREVENTION":
        body |= _prevention(one, rules)
    return body


def _status(one: Execution, *, fills_it: bool) -> str:
    """Where the order stands after the event."""
    if one.kind in {EventKind.CANCELLED, EventKind.REJECTED}:
        if one.cancel is not None and one.reason == _LINKED:
            # The other order of a pair, which the same cancel has ended.
            return _CANCELED
        return status_word(one.order)
    if fills_it:
        return "FILLED"
    if one.filled:
        return "PARTIALLY_FILLED"
    waits = one.kind == EventKind.ACCEPTED and one.event.flags & EventFlag.WAITING
    return "PENDING_NEW" if waits else "NEW"


def _execution(one: Execution, status: str) -> str:
    """What happened, as this dialect says it."""
    if one.kind in {EventKind.CANCELLED, EventKind.REJECTED}:
        return _ENDED.get(status, _EXPIRED)
    if one.kind == EventKind.REDUCED:
        return "TRADE_PREVENTION" if one.reason == _PREVENTED else "REPLACED"
    return _EXECUTION[one.kind]


def _works(one: Execution) -> bool:
    """Whether the order waits for nothing any more."""
    order = one.order
    if one.kind in {EventKind.ACCEPTED, EventKind.ACTIVATED} and one.event.flags & _PARKED:
        return False
    if OrderType(order.type).is_triggered:
        return order.triggered_at is not None and order.triggered_at <= one.event.at
    return one.kind != EventKind.REJECTED


def _prevention(one: Execution, rules: Rules) -> Event:
    prevented = one.quantity - one.filled if one.ends else one.order.prevented
    return {
        "v": one.event.id,
        "A": shapes.quantity(prevented, rules),
        "B": shapes.quantity(rules.quantity(one.event.quantity_lots), rules),
        "u": one.order.stp_group or NOTHING,
    }


def list_status(
    orders: Sequence[Order], rules: Rules, clock: Clock, after: Execution, *, all_done: bool
) -> Event:
    """Where a list stands after an execution of one of its orders."""
    shown = order_shapes.order_list(orders, rules, clock)
    return {
        "e": "listStatus",
        "E": clock.of(microseconds_now()),
        "s": rules.symbol,
        "g": shown["orderListId"],
        "c": shown["contingencyType"],
        "l": "ALL_DONE" if all_done else "EXEC_STARTED",
        "L": "ALL_DONE" if all_done else "EXECUTING",
        "r": "NONE",
        "C": shown["listClientOrderId"],
        "T": clock.time(after.event.at),
        "O": [{"s": rules.symbol, "i": order.pk, "c": order.client_order_id} for order in orders],
    }


# --- Money ----------------------------------------------------------------------------------------------


def account_position(rows: Sequence[LedgerAccount], clock: Clock) -> Event:
    """What the account has of these assets now."""
    now = microseconds_now()
    moved = [clock.time(row.moved_at) for row in rows if row.moved_at is not None]
    return {
        "e": "outboundAccountPosition",
        "E": clock.of(now),
        "u": max(moved, default=clock.of(now)),
        "B": [_asset(row) for row in rows],
    }


def _asset(row: LedgerAccount) -> Event:
    shown = shapes.balance(row)
    return {"a": shown["asset"], "f": shown["free"], "l": shown["locked"]}


def balance_update(line: LedgerLine, clock: Clock) -> Event:
    """Money that moved without a trade."""
    return {
        "e": "balanceUpdate",
        "E": clock.of(microseconds_now()),
        "a": line.asset,
        "d": shapes.amount(line.amount, line.decimals),
        "T": clock.time(line.at),
    }


def terminated(clock: Clock) -> Event:
    """The last event of a subscription."""
    return {"e": "eventStreamTerminated", "E": clock.of(microseconds_now())}
