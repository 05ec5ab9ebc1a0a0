"""What intake has to know of what is stored, of all that a list is about at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from accounts.services.posting import OpenAccount, clients_seen
from instruments.selectors import Rules, rules_at
from orders.models import LIVE_STAGES, Order
from orders.services.amend_commands import Sought
from orders.services.book_refs import BookRef, books_at
from orders.services.cancelling import Stored, orders_named
from orders.services.journal import command_ids
from orders.services.requests import CancelOrder
from orders.services.writing import Draft, order_ids
from tradeplatform.common.statements import Statement, known, run_each

# The stages are written out, so that the partial index of live orders serves it.
_LIVE = ", ".join(repr(stage.value) for stage in LIVE_STAGES)
# One after another. A join is planned once, perhaps when the table was empty, and would then go through all
# live orders for each list.
_COUNT_LIVE = f"""
    SELECT k.account_id, k.instrument_id, of_both.live
    FROM unnest(%s::bigint[], %s::int[]) AS k(account_id, instrument_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS live FROM orders_order o
        WHERE o.account_id = k.account_id AND o.instrument_id = k.instrument_id AND o.stage IN ({_LIVE})
    ) of_both
"""  # noqa: S608 - our own words
# The same; OFFSET 0 keeps it from becoming a join.
_IDENTITIES = """
    SELECT k.account_id, k.client_order_id, i.order_id, i.order_created_at, i.fingerprint
    FROM unnest(%s::bigint[], %s::text[]) AS k(account_id, client_order_id)
    CROSS JOIN LATERAL (
        SELECT order_id, order_created_at, fingerprint FROM orders_orderidentity
        WHERE account_id = k.account_id AND client_order_id = k.client_order_id OFFSET 0
    ) i
"""


#: (order id, creation time, fingerprint) of orders, by account and client order id.
Identities = dict[tuple[int, str], tuple[int, datetime, str]]


def identities_of(drafts: Sequence[Draft]) -> Statement[Identities]:
    """The orders that have these drafts' names already."""
    named = [draft for draft in drafts if draft.order.client_order_id is not None]
    if not named:
        return known({})
    return Statement(
        _IDENTITIES,
        [[d.order.account_id for d in named], [d.client_order_id for d in named]],
        lambda rows: {(account, name): (number, at, print_) for account, name, number, at, print_ in rows},
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What is stored of all that a list is about. There are as many ids as it may need.

    `funds` None: they are locked when they are counted on.
    """

    identities: Identities
    live: Counter[tuple[int, int]]
    funds: Sequence[OpenAccount] | None
    amending: AbstractSet[int]
    orders: Mapping[int, Order]
    rules: Mapping[int, Rules]
    books: Mapping[int, BookRef]
    cancelled: Stored
    order_ids: Sequence[int]
    command_ids: Sequence[int]


def look(
    drafts: Sequence[Draft], cancels: Sequence[tuple[int, CancelOrder]], sought: Sought, *, locked: bool
) -> Seen:
    """Look at all of it, with the accounts of the list locked. `locked`: funds are to be locked as well."""
    by_id, by_name = orders_named(cancels)
    identities, live, funds, amending, orders, rules, books, one, other, order_numbers, numbers = run_each(
        identities_of(drafts),
        live_orders(drafts),
        known(None) if locked else clients_seen(clients_of(drafts) | sought.pay_with),
        sought.waiting(),
        sought.orders(),
        rules_at(sought.instruments),
        books_at(sought.instruments),
        by_id,
        by_name,
        order_ids(len(drafts)),
        # Last: see there.
        command_ids(len(drafts) + len(cancels) + sought.count),
    )
    cancelled = {**one, **other}
    return Seen(identities, live, funds, amending, orders, rules, books, cancelled, order_numbers, numbers)


def clients_of(drafts: Iterable[Draft]) -> set[tuple[int, int]]:
    """(trading account, asset) of what these orders may pay with or get."""
    return {
        (draft.order.account_id, asset)
        for draft in drafts
        for asset in (draft.rules.base_id, draft.rules.quote_id)
    }


def live_orders(drafts: Sequence[Draft]) -> Statement[Counter[tuple[int, int]]]:
    """How many live orders each account has in each instrument; read from a partial index of live orders."""
    keys = sorted({(draft.order.account_id, draft.rules.id) for draft in drafts})
    if not keys:
        return known(Counter())
    return Statement(
        _COUNT_LIVE,
        [[account for account, _ in keys], [instrument for _, instrument in keys]],
        lambda rows: Counter({(account, instrument): count for account, instrument, count in rows}),
    )
