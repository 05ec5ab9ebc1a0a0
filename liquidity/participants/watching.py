"""What participants look at before they decide: five queries for all of them in all their markets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from instruments.scaling import steps
from instruments.selectors import Rules
from liquidity.participants.desk import Desk, Participant
from liquidity.participants.wishes import OpenOrder, View
from orders.models import CommandKind, Side, event_id
from tradeplatform.common.db import fetch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Best prices and last trades by instrument, own orders and balances by account."""

    touches: dict[int, tuple[Decimal | None, Decimal | None]]
    last: dict[int, int]
    own: dict[tuple[int, int], list[OpenOrder]]
    balances: dict[tuple[int, int], tuple[Decimal, Decimal]]
    parked: dict[tuple[int, int], int]

    def view(self, participant: Participant, rules: Rules, reference: int) -> View:
        """One market through the eyes of one participant."""
        bid, ask = self.touches.get(rules.id, (None, None))
        account = participant.account_id
        base, base_held = self.balances.get((account, rules.base_id), (Decimal(0), Decimal(0)))
        quote, quote_held = self.balances.get((account, rules.quote_id), (Decimal(0), Decimal(0)))
        opening = participant.opening.get(rules.base_code, Decimal(0))
        return View(
            rules=rules,
            reference=reference,
            last=self.last.get(rules.id, 0),
            bid=_count(bid, rules.tick_size),
            ask=_count(ask, rules.tick_size),
            mine=self.own.get((account, rules.id), []),
            inventory=int((base - opening) // rules.lot_size),
            free_base=int((base - base_held) // rules.lot_size),
            free_quote=quote - quote_held,
            parked=self.parked.get((account, rules.id), 0),
        )


def look(desk: Desk) -> Snapshot:
    """Read the markets of the desk and the state of its accounts."""
    markets = {rules.id: rules for rules in desk.rules.values()}
    accounts = [participant.account_id for participant in desk.participants]
    instruments = list(markets)
    touches = fetch(
        "SELECT instrument_id,"
        " max(price) FILTER (WHERE side = 'buy'), min(price) FILTER (WHERE side = 'sell')"
        " FROM orders_order"
        " WHERE instrument_id = ANY(%s) AND stage = 'active' AND status IN ('open', 'partially_filled')"
        " GROUP BY instrument_id",
        [instruments],
    )
    last = fetch(
        "SELECT instrument_id, last_price_ticks FROM orders_book WHERE instrument_id = ANY(%s)", [instruments]
    )
    balances = fetch(
        "SELECT account_id, asset_id, balance, held FROM accounts_ledgeraccount"
        " WHERE account_id = ANY(%s) AND kind = 'client'",
        [accounts],
    )
    parked = fetch(
        "SELECT account_id, instrument_id, count(*) FROM orders_order"
        " WHERE account_id = ANY(%s) AND instrument_id = ANY(%s) AND stage = 'parked'"
        " GROUP BY account_id, instrument_id",
        [accounts, instruments],
    )
    return Snapshot(
        touches={row[0]: (row[1], row[2]) for row in touches},
        last=dict(last),
        own=_own_orders(accounts, markets),
        balances={(row[0], row[1]): (row[2], row[3]) for row in balances},
        parked={(row[0], row[1]): row[2] for row in parked},
    )


def book_seqs(desk: Desk) -> dict[int, int]:
    """How far the book of each of the desk's instruments has come."""
    rows = fetch(
        "SELECT instrument_id, seq FROM orders_book WHERE instrument_id = ANY(%s)",
        [[rules.id for rules in desk.rules.values()]],
    )
    return dict(rows)


def trade_count(after: dict[int, int]) -> int:
    """How many trades there were after these seqs of these instruments' books. Reads them all."""
    rows = fetch(
        "SELECT count(*) FROM unnest(%s::int[], %s::bigint[]) AS k(instrument_id, after)"
        " JOIN orders_trade t ON t.instrument_id = k.instrument_id AND t.id > k.after",
        [list(after), [event_id(instrument_id, seq) for instrument_id, seq in after.items()]],
    )
    return int(rows[0][0])


def _own_orders(accounts: Sequence[int], markets: dict[int, Rules]) -> dict[tuple[int, int], list[OpenOrder]]:
    """Live limit orders, oldest first."""
    rows = fetch(
        "SELECT account_id, instrument_id, id, client_order_id, side, price, leaves,"
        " id IN (SELECT order_id FROM orders_command WHERE status = 'pending' AND kind = %s) AS leaving"
        " FROM orders_order"
        " WHERE account_id = ANY(%s) AND instrument_id = ANY(%s) AND price IS NOT NULL"
        " AND stage = 'active' ORDER BY id",
        [CommandKind.CANCEL.value, list(accounts), list(markets)],
    )
    own: dict[tuple[int, int], list[OpenOrder]] = defaultdict(list)
    for account_id, instrument_id, order_id, name, side, price, leaves, leaving in rows:
        rules = markets[instrument_id]
        ticks, lots = _count(price, rules.tick_size), _count(leaves, rules.lot_size)
        own[account_id, instrument_id].append(
            OpenOrder(order_id, name, Side(side), ticks, lots, leaving=leaving)
        )
    return own


def _count(value: Decimal | None, step: Decimal) -> int:
    return 0 if value is None else steps(value, step) or 0
