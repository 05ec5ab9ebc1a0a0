"""What an order's page reads: its commands, events, fills and transfers, each by index and bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.admin.ledger_panels import RELATED
from accounts.models import Transfer
from orders.models import Command, Event, Fill, Order
from tradeplatform.common.admin.paging import page_of_sources
from tradeplatform.common.db import fetch

#: A page shows so many of each; the lists show the rest.
EVENTS, FILLS, TRADES_WITH_TRANSFERS = 200, 100, 25


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that is known about an order, newest events cut off at a bound."""

    order: Order
    commands: dict[int, Command]
    events: list[Event]
    fills: list[Fill]
    transfers: list[Transfer]
    more_events: bool
    more_fills: bool

    @property
    def waiting(self) -> list[Command]:
        """Its own commands that the book has not seen yet, oldest first."""
        own = [c for c in self.commands.values() if c.order_id == self.order.pk and c.position is None]
        return sorted(own, key=lambda command: command.pk)


def order_ids_named(client_order_id: str) -> list[int]:
    """The orders with this client order id, of whichever accounts: one probe of the index an account."""
    if "\0" in client_order_id or not 1 <= len(client_order_id) <= 36:  # noqa: PLR2004 - as intake takes it
        return []
    rows = fetch(
        "SELECT i.order_id FROM accounts_tradingaccount a CROSS JOIN LATERAL ("
        " SELECT order_id FROM orders_orderidentity"
        " WHERE account_id = a.id AND client_order_id = %s LIMIT 1) i LIMIT 100",
        [client_order_id],
    )
    return [row[0] for row in rows]


def life_of(order: Order) -> Life:
    """Read the order's life. Times bound every read, so that only its own partitions are looked at."""
    events, span = _events(order), _span(order)
    fills = list(
        Fill.objects.filter(order_id=order.pk, **span)
        .select_related("fee_asset")
        .order_by("-id")[: FILLS + 1]
    )
    return Life(
        order=order,
        commands=_commands(order, events),
        events=events[:EVENTS],
        fills=fills[:FILLS],
        transfers=_transfers(order, fills[:TRADES_WITH_TRANSFERS]),
        more_events=len(events) > EVENTS,
        more_fills=len(fills) > FILLS,
    )


def _span(order: Order) -> dict[str, datetime]:
    """From its acceptance to its end; a live order may be touched at any time to come."""
    since = {"at__gte": order.created_at}
    return since | {"at__lt": order.updated_at + timedelta(days=1)} if order.is_final else since


def _events(order: Order) -> list[Event]:
    """As taker and as maker: each has an index of its own."""
    both = Event.objects.filter(**_span(order))
    sources = [both.filter(order_id=order.pk), both.filter(maker_order_id=order.pk)]
    return list(page_of_sources(sources, both, older=None, newer=None, size=EVENTS + 1).rows)


def _commands(order: Order, events: Sequence[Event]) -> dict[int, Command]:
    """The order's own commands, and those of others whose events touched it."""
    own = Command.objects.filter(order_id=order.pk, **_span(order)).order_by("-id")[:EVENTS]
    found = {command.pk: command for command in own}
    others = {event.command_id for event in events} - set(found)
    if not others:
        return found
    # A command that waited was written before its event: a day is longer than any backlog.
    earliest = order.created_at - timedelta(days=1)
    return found | Command.objects.filter(at__gte=earliest).in_bulk(others)


def _transfers(order: Order, fills: Sequence[Fill]) -> list[Transfer]:
    """Of the latest trades, what moved for this order: on its account's ledger, or caused by it."""
    if not fills:
        return []
    rows = Transfer.objects.filter(trade_id__in=[fill.trade_id for fill in fills], **_span(order))
    return [
        row
        for row in rows.select_related(*RELATED).order_by("-id")
        if row.order_id == order.pk or order.account_id in {row.debit.account_id, row.credit.account_id}
    ]
