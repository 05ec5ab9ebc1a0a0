"""What a replay asks the platform about its own commands and orders."""

from __future__ import annotations

from collections.abc import Sequence

from orders.models import Command, CommandKind, event_id
from tradeplatform.common.db import fetch


def trade_count(*, instrument_id: int, after_seq: int) -> int:
    """How many trades an instrument has had after a seq of its book. Reads them all: not for a page."""
    rows = fetch(
        "SELECT count(*) FROM orders_trade WHERE instrument_id = %s AND id > %s",
        [instrument_id, event_id(instrument_id, after_seq)],
    )
    return int(rows[0][0])


def is_known(names: Sequence[tuple[int, str]]) -> bool:
    """Whether any (account, client order id) of these names an order."""
    rows = fetch(
        "SELECT EXISTS (SELECT 1 FROM orders_orderidentity"
        " JOIN unnest(%s::bigint[], %s::text[]) AS k(account_id, client_order_id)"
        " USING (account_id, client_order_id))",
        [[account for account, _ in names], [name for _, name in names]],
    )
    return bool(rows[0][0])


def amends_sent(*, order_id: int, price_ticks: int, quantity_lots: int) -> int:
    """How often an order was asked to be amended to exactly this; 0 stands for what was to be kept."""
    return Command.objects.filter(
        order_id=order_id, kind=CommandKind.AMEND, price_ticks=price_ticks, quantity_lots=quantity_lots
    ).count()
