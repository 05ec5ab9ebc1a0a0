"""Intake: resolve, check, hold funds, write orders and commands, all in one transaction; then wake the shard.

It takes a list; one order is a list of one. An order it accepts is committed; one it denies has stored
nothing and holds nothing. An account's orders and amends are serialised by the lock on its row, so that what
is checked (identity, open orders, funds) cannot change before it is written. Cancels need none of that, and
wait for nobody's lock.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import cast

import uuid_utils
from django.db import transaction

from accounts.services.posting import Ledger
from audit.actor import Actor
from instruments.selectors import Rules, rules_by_id, rules_by_symbol
from orders.metrics import count_intake
from orders.models import CLIENT_ORDER_ID, LIVE, CommandKind, Source
from orders.services.amend_commands import Amendment, Target, amend_pending, find_targets
from orders.services.book_refs import BookRef, books_for
from orders.services.cancelling import cancel_commands
from orders.services.conditions import check_numbers, check_order
from orders.services.journal import CommandRow, write_commands_of
from orders.services.owners import Owner, check_may_trade, check_realm, lock_owners
from orders.services.pressure import PRESSURE
from orders.services.requests import (
    Accepted,
    AmendOrder,
    CancelOrder,
    Denied,
    NewOrder,
    Origin,
    Outcome,
    Request,
    Requested,
    Sent,
    default_time_in_force,
    fingerprint,
)
from orders.services.reserving import reserve
from orders.services.wake import wake_after_commit
from orders.services.writing import Draft, new_order_command, number_orders, write_orders
from risk.services import pretrade
from tradeplatform.common import tracing
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

MAX_BATCH = 1_000

# The statuses are written out, so that the partial index of live orders serves it.
_LIVE = ", ".join(repr(status.value) for status in LIVE)
_COUNT_LIVE = f"""
    SELECT o.account_id, o.instrument_id, count(*) FROM orders_order o
    JOIN unnest(%s::bigint[], %s::int[]) AS k(account_id, instrument_id) USING (account_id, instrument_id)
    WHERE o.status IN ({_LIVE}) GROUP BY 1, 2
"""  # noqa: S608 - our own words


def submit_order(*, order: NewOrder, actor: Actor, source: Source, now: datetime) -> Accepted:
    """Submit one order; raises Refusal when it is denied."""
    (outcome,) = submit_orders(orders=[order], actor=actor, source=source, now=now)
    if isinstance(outcome, Denied):
        raise outcome.refusal
    return outcome


def submit_orders(
    *, orders: Sequence[NewOrder], actor: Actor, source: Source, now: datetime
) -> list[Outcome]:
    """Submit up to 1,000 orders in one transaction; outcomes come in the order of the requests.

    Each order stands alone: one that is denied does not stop the others. Funds are reserved in list order.
    """
    outcomes = submit_requests(requests=orders, actor=actor, source=source, now=now)
    return [outcome for outcome in outcomes if not isinstance(outcome, Requested)]


def submit_requests(
    *, requests: Sequence[Request], actor: Actor, source: Source, now: datetime
) -> list[Outcome | Requested]:
    """Submit up to 1,000 orders, cancels and amends; the engine sees them in the order of the list.

    A cancel may name an order placed earlier in the same list. What it frees is not yet available to
    later orders of the list: holds are released when the engine has answered. A cancel that is sent
    again is denied or answered by the engine, and never does more than the first; an amend is denied while
    an earlier one of its order waits. Funds are reserved in list order, for orders and amends alike.
    """
    origin = Origin(actor, source, correlation_id())
    return submit_sent([Sent(request, origin) for request in requests], now=now)


def submit_sent(sent: Sequence[Sent], *, now: datetime) -> list[Outcome | Requested]:
    """As `submit_requests`, each of its own origin: what different people sent goes in together."""
    if not 1 <= len(sent) <= MAX_BATCH:
        sentence = f"A batch has 1 to {MAX_BATCH} items."
        raise Refusal(Code.TOO_MANY_ITEMS, sentence, items=len(sent), maximum=MAX_BATCH)
    began = time.time_ns()
    try:
        outcomes = _submit(sent, locked=False, now=now)
    except _FundsMoved:
        outcomes = _submit(sent, locked=True, now=now)
    denied = (outcome.refusal.code for outcome in outcomes if isinstance(outcome, Denied))
    count_intake(len(sent), denied)
    ids = {item.origin.correlation_id for item in sent}
    tracing.record("intake", began=began, correlation_ids=ids, requests=len(sent))
    return outcomes


class _FundsMoved(Exception):  # noqa: N818 - no error: it is tried again
    """Funds that were free when they were looked at are not any more."""


def _submit(sent: Sequence[Sent], *, locked: bool, now: datetime) -> list[Outcome | Requested]:
    """All of it in one transaction; money is locked at its end, or as soon as it is counted on (`locked`).

    Raises _FundsMoved where it was not `locked`: nothing was done.
    """
    requests, origins = [item.request for item in sent], [item.origin for item in sent]
    outcomes: list[Outcome | Requested | None] = [None] * len(requests)
    orders = [(index, request) for index, request in enumerate(requests) if isinstance(request, NewOrder)]
    cancels = [(index, request) for index, request in enumerate(requests) if isinstance(request, CancelOrder)]
    amends = [(index, request) for index, request in enumerate(requests) if isinstance(request, AmendOrder)]
    with transaction.atomic():
        # What no lock makes truer is read before others have to wait for one.
        rules = rules_by_symbol(order.symbol for _, order in orders) if orders else {}
        books = books_for(rules.values()) if rules else {}
        accounts = lock_owners(one.account_id for one in requests if not isinstance(one, CancelOrder))
        drafts = _resolve(orders, accounts, rules, books, outcomes)
        drafts = _unknown_identities(drafts, outcomes)
        drafts = _checked(drafts, accounts, origins, now, outcomes)
        amendments = _amendments(find_targets(amends, outcomes), accounts, origins)
        ledger, drafts, commands, repeats = _taken(drafts, amendments, outcomes, locked=locked)
        number_orders(drafts)
        commands += [(draft.index, new_order_command(draft)) for draft in drafts]
        commands += cancel_commands(cancels, drafts, outcomes)
        if drafts:
            for draft, outcome in zip(drafts, write_orders(drafts, origins, now=now), strict=True):
                outcomes[draft.index] = outcome
        _write_in_list_order(commands, outcomes, origins, now)
        for index, first in repeats.items():
            outcomes[index] = replace(cast("Accepted", outcomes[first]), duplicate=True)
        ledger.take()
        if not locked and any(account.available < 0 for account in ledger.changed()):
            raise _FundsMoved
        ledger.flush()
    return [outcome for outcome in outcomes if outcome is not None]


def _write_in_list_order(
    commands: list[tuple[int, CommandRow]],
    outcomes: list[Outcome | Requested | None],
    origins: Sequence[Origin],
    now: datetime,
) -> None:
    """Command ids increase along the list, so the shard applies them in that order."""
    if not commands:
        return
    commands.sort(key=lambda numbered: numbered[0])
    by = [(row, origins[index].actor, origins[index].correlation_id) for index, row in commands]
    ids = write_commands_of(by, now=now)
    for (index, row), command_id in zip(commands, ids, strict=True):
        if row.kind != CommandKind.NEW:
            outcomes[index] = Requested(command_id, row.order_id, now)
    wake_after_commit(row.shard_id for _, row in commands)


def _resolve(
    orders: Sequence[tuple[int, NewOrder]],
    accounts: dict[int, Owner],
    rules: dict[str, Rules],
    books: dict[int, BookRef],
    outcomes: list[Outcome | Requested | None],
) -> list[Draft]:
    drafts = []
    for index, order in orders:
        try:
            drafts.append(draft_of(index, order, accounts, rules, books))
        except Refusal as refusal:
            outcomes[index] = Denied(refusal, order.client_order_id)
    return drafts


def draft_of(
    index: int,
    order: NewOrder,
    accounts: dict[int, Owner],
    rules: dict[str, Rules],
    books: dict[int, BookRef],
) -> Draft:
    """Names to rows: account, instrument, book, client order id. Raises Refusal."""
    client_order_id = _client_order_id(order.client_order_id)
    _check_known(order, accounts, rules)
    check_numbers(order)
    found = rules[order.symbol]
    check_realm(accounts[order.account_id], found)
    return Draft(
        index=index,
        order=order,
        client_order_id=client_order_id,
        fingerprint=fingerprint(order),
        rules=found,
        book=books[found.id],
        time_in_force=order.time_in_force or default_time_in_force(order.type),
        trade_group=accounts[order.account_id].trade_group,
    )


def _check_known(order: NewOrder, accounts: dict[int, Owner], rules: dict[str, Rules]) -> None:
    if order.account_id not in accounts:
        raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=order.account_id)
    if order.symbol not in rules:
        raise Refusal(
            Code.UNKNOWN_SYMBOL,
            "No such instrument: see /api/v1/instruments.",
            # A lone surrogate could not be sent back.
            symbol=order.symbol[:32].encode(errors="backslashreplace").decode(),
        )


def _client_order_id(given: str | None) -> str:
    if given is None:
        return uuid_utils.uuid7().hex
    if not CLIENT_ORDER_ID.fullmatch(given):
        raise Refusal(
            Code.INVALID_CLIENT_ORDER_ID,
            "A client order id has 1 to 36 characters of A-Z a-z 0-9 . : / _ -",
            length=len(given),
        )
    return given


def _unknown_identities(drafts: list[Draft], outcomes: list[Outcome | Requested | None]) -> list[Draft]:
    """Answer what was asked before this list; race-free because the account rows are locked."""
    known = known_identities(drafts)
    for draft in drafts:
        if draft.key in known:
            order_id, at, print_ = known[draft.key]
            outcomes[draft.index] = (
                Accepted(order_id, at, draft.client_order_id, duplicate=True)
                if print_ == draft.fingerprint
                else Denied(client_id_conflict(draft.client_order_id), draft.client_order_id)
            )
    return [draft for draft in drafts if draft.key not in known] if known else drafts


def known_identities(drafts: Sequence[Draft]) -> dict[tuple[int, str], tuple[int, datetime, str]]:
    """(order id, creation time, fingerprint) of the orders that have these drafts' names already."""
    named = [draft for draft in drafts if draft.order.client_order_id is not None]
    if not named:
        return {}
    rows = fetch(
        "SELECT i.account_id, i.client_order_id, i.order_id, i.order_created_at, i.fingerprint"
        " FROM orders_orderidentity i JOIN unnest(%s::bigint[], %s::text[]) AS k(account_id, client_order_id)"
        " USING (account_id, client_order_id)",
        [[d.order.account_id for d in named], [d.client_order_id for d in named]],
        prepared=True,
    )
    return {(account, name): (order_id, at, print_) for account, name, order_id, at, print_ in rows}


def client_id_conflict(client_order_id: str) -> Refusal:
    """The refusal of another request under a name that was used before."""
    return Refusal(
        Code.CLIENT_ORDER_ID_CONFLICT,
        "This client order id names another order: choose a new one, or ask for the order by it.",
        client_order_id=client_order_id,
    )


def _checked(
    drafts: list[Draft],
    accounts: dict[int, Owner],
    origins: Sequence[Origin],
    now: datetime,
    outcomes: list[Outcome | Requested | None],
) -> list[Draft]:
    """Every check of an order by itself."""
    passed: list[Draft] = []
    behind = PRESSURE.behind() if drafts else {}
    for draft in drafts:
        try:
            if late := behind.get(draft.book.shard_id):
                raise late.refusal()
            check_may_trade(
                accounts[draft.order.account_id],
                draft.rules,
                credential=origins[draft.index].actor.credential,
                order_type=draft.order.type,
            )
            check_order(draft, now)
            passed.append(draft)
        except Refusal as refusal:
            outcomes[draft.index] = Denied(refusal, draft.order.client_order_id)
    return passed


def _amendments(
    targets: Sequence[Target], accounts: dict[int, Owner], origins: Sequence[Origin]
) -> list[Amendment]:
    if not targets:
        return []
    rules = rules_by_id(target.order.instrument_id for target in targets)
    books, behind = books_for(rules.values()), PRESSURE.behind()
    return [
        Amendment(
            target,
            accounts[target.order.account_id],
            rules[target.order.instrument_id],
            books[target.order.instrument_id],
            origins[target.index].actor.credential,
            behind.get(books[target.order.instrument_id].shard_id),
        )
        for target in targets
    ]


def live_orders(drafts: Sequence[Draft]) -> Counter[tuple[int, int]]:
    """How many live orders each account has in each instrument; read from a partial index of live orders."""
    keys = sorted({(draft.order.account_id, draft.rules.id) for draft in drafts})
    if not keys:
        return Counter()
    rows = fetch(_COUNT_LIVE, [[key[0] for key in keys], [key[1] for key in keys]], prepared=True)
    return Counter({(account, instrument): count for account, instrument, count in rows})


def _taken(
    drafts: Sequence[Draft],
    amendments: Sequence[Amendment],
    outcomes: list[Outcome | Requested | None],
    *,
    locked: bool,
) -> tuple[Ledger, list[Draft], list[tuple[int, CommandRow]], dict[int, int]]:
    """Take orders and amends in list order, each as if those taken before it had come alone.

    Returns the ledger with their holds, the orders taken, the commands of the amends taken with their places
    in the list, and which request repeats which taken order.
    """
    live = live_orders(drafts)
    ledger = (Ledger.lock if locked else Ledger.look)(
        clients={
            (draft.order.account_id, asset)
            for draft in drafts
            for asset in (draft.rules.base_id, draft.rules.quote_id)
        }.union(amendment.pays_with for amendment in amendments)
    )
    taken: dict[tuple[int, str], Draft] = {}
    repeats: dict[int, int] = {}
    commands: list[tuple[int, CommandRow]] = []
    bound: set[int] = set()
    items: list[Draft | Amendment] = [*drafts, *amendments]
    for item in sorted(items, key=attrgetter("index")):
        try:
            if isinstance(item, Amendment):
                if bound & item.target.bounding:
                    raise amend_pending()
                commands.append((item.index, item.take(ledger)))
                bound |= item.target.bounding
                continue
            earlier = taken.get(item.key)
            if earlier and earlier.fingerprint == item.fingerprint:
                repeats[item.index] = earlier.index
                continue
            if earlier:
                raise client_id_conflict(item.client_order_id)
            place = (item.order.account_id, item.rules.id)
            pretrade.check_open_orders(item.rules, live[place])
            reserve(item, ledger)
            live[place] += 1
            taken[item.key] = item
        except Refusal as refusal:
            name = item.order.client_order_id if isinstance(item, Draft) else None
            outcomes[item.index] = Denied(refusal, name)
    return ledger, list(taken.values()), commands, repeats
