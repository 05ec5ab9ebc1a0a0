"""Read an account's numbered events, each with the fact that its number was given to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Deal, LedgerKind, Transfer
from instruments.scaling import short_text, text
from instruments.selectors import rules_by_id
from orders.models import Command, CommandKind, Event, Fill, PrivateEvent, PrivateKind, PrivateStream
from orders.rendering import event_json, stored_fill_json
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339


@dataclass(frozen=True, slots=True)
class PrivatePage:
    """Some events in order of their numbers; `first` to `last` are there, in this page or beyond."""

    first: int
    last: int
    events: list[dict[str, Any]]


def private_range(account_id: int) -> tuple[int, int]:
    """The oldest number that is still kept, and the newest; (1, 0) while there is none."""
    last = PrivateStream.objects.values_list("last", flat=True).filter(account_id=account_id).first() or 0
    kept = PrivateEvent.objects.filter(account_id=account_id).order_by("number")
    first = kept.values_list("number", flat=True).first()
    return (last + 1 if first is None else first, last)


def require_number(account_id: int, after: int) -> None:
    """Refuse, with event_number_out_of_range, to read after a number whose successor is not there."""
    first, last = private_range(account_id)
    if not first - 1 <= after <= last:
        there = f"The events {first} to {last} are there" if first <= last else "No event is there"
        raise Refusal(
            Code.EVENT_NUMBER_OUT_OF_RANGE,
            f"{there}, the next will be {last + 1}: go on from there; what was before is in the lists.",
            asked=after + 1,
            first=first,
            last=last,
        )


def private_events(account_id: int, *, after: int, limit: int) -> PrivatePage:
    """The events after a number, oldest first. Raises Refusal event_number_out_of_range."""
    require_number(account_id, after)
    rows = list(
        PrivateEvent.objects.filter(account_id=account_id, number__gt=after).order_by("number")[:limit]
    )
    first, last = private_range(account_id)
    return PrivatePage(first, last, _rendered(rows))


def _rendered(rows: Sequence[PrivateEvent]) -> list[dict[str, Any]]:
    bodies: dict[int, dict[str, Any]] = {}
    for kind, read in _READS.items():
        if of_kind := [row for row in rows if row.kind == kind]:
            bodies |= read(of_kind)
    return [
        {
            "number": row.number,
            "kind": row.kind,
            "time": rfc3339(row.source_at),
            **{kind.value: bodies[row.number] if row.kind == kind else None for kind in PrivateKind},
        }
        for row in rows
    ]


def _facts(model: Any, rows: Sequence[PrivateEvent]) -> dict[int, Any]:
    """The facts behind rows, by id; their times say in which partitions."""
    found = model.objects.filter(id__in={r.source_id for r in rows}, at__in={r.source_at for r in rows})
    return {fact.pk: fact for fact in found}


def _orders(rows: Sequence[PrivateEvent]) -> dict[int, dict[str, Any]]:
    events = _facts(Event, rows)
    rules = rules_by_id({event.instrument_id for event in events.values()})
    entered = Command.objects.filter(order_id__in={row.order_id for row in rows}, kind=CommandKind.NEW)
    triggers = {
        order_id: int((terms or {}).get("trigger_price", 0))
        for order_id, terms in entered.filter(terms__isnull=False).values_list("order_id", "terms")
    }
    return {
        row.number: {
            "order_id": str(row.order_id),
            "symbol": rules[events[row.source_id].instrument_id].symbol,
            **event_json(
                events[row.source_id],
                row.order_id,
                rules[events[row.source_id].instrument_id],
                trigger_ticks=triggers.get(row.order_id, 0),
            ),
        }
        for row in rows
    }


def _fills(rows: Sequence[PrivateEvent]) -> dict[int, dict[str, Any]]:
    found = Fill.objects.filter(
        trade_id__in={row.source_id for row in rows},
        order_id__in={row.order_id for row in rows},
        at__in={row.source_at for row in rows},
    )
    fills = {(fill.trade_id, fill.order_id): fill for fill in found}
    rules = rules_by_id({fill.instrument_id for fill in fills.values()})
    shown = {key: stored_fill_json(fill, rules[fill.instrument_id]) for key, fill in fills.items()}
    return {row.number: shown[row.source_id, row.order_id] for row in rows}


def _balances(rows: Sequence[PrivateEvent]) -> dict[int, dict[str, Any]]:
    found = Transfer.objects.filter(
        id__in={row.source_id for row in rows}, at__in={row.source_at for row in rows}
    ).select_related("debit", "credit", "asset")
    transfers = {transfer.pk: transfer for transfer in found}
    return {row.number: _balance(transfers[row.source_id], row.account_id) for row in rows}


def _balance(transfer: Transfer, account_id: int) -> dict[str, Any]:
    mine = transfer.credit.account_id == account_id and transfer.credit.kind == LedgerKind.CLIENT
    after = transfer.credit_balance_after if mine else transfer.debit_balance_after
    return {
        "asset": transfer.asset.code,
        "balance": text(after, transfer.asset.decimals),
        "transfer_id": str(transfer.pk),
    }


def _deals(rows: Sequence[PrivateEvent]) -> dict[int, dict[str, Any]]:
    found = Deal.objects.filter(
        id__in={row.source_id for row in rows}, at__in={row.source_at for row in rows}
    ).select_related("instrument", "account__currency")
    deals = {deal.pk: deal for deal in found}
    return {row.number: _deal(deals[row.source_id]) for row in rows}


def _deal(deal: Deal) -> dict[str, Any]:
    decimals = deal.account.currency.decimals
    return {
        "id": str(deal.pk),
        "position_id": str(deal.position_id),
        "symbol": deal.instrument.symbol,
        "kind": deal.kind,
        "side": "buy" if deal.buys else "sell",
        "volume": short_text(deal.volume),
        "price": None if deal.price is None else short_text(deal.price),
        "pnl": text(deal.pnl, decimals),
        "commission": text(deal.commission, decimals),
        "swap": text(deal.swap, decimals),
    }


_READS: dict[PrivateKind, Callable[[Sequence[PrivateEvent]], dict[int, dict[str, Any]]]] = {
    PrivateKind.ORDER: _orders,
    PrivateKind.FILL: _fills,
    PrivateKind.BALANCE: _balances,
    PrivateKind.DEAL: _deals,
}
