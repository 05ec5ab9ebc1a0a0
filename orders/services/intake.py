"""Intake: resolve, check, hold funds, write orders and commands, all in one transaction; then wake the shard.

It takes a list; one order is a list of one. An order it accepts is committed; one it denies has stored
nothing and holds nothing. An account's orders and amends are serialised by the lock on its row, so that what
is checked (identity, open orders, funds) cannot change before it is written. Cancels need none of that, and
wait for nobody's lock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import cast

import uuid_utils
from django.db import transaction

from accounts.services.posting import Ledger
from audit.actor import Actor
from instruments.selectors import Rules, rules_named
from orders.metrics import count_intake
from orders.models import CLIENT_ORDER_ID, CommandKind, Source
from orders.services.amend_commands import Amendment, Sought, Target, amend_pending, orders_placed
from orders.services.book_refs import BookRef, books_named, opened
from orders.services.cancelling import cancel_commands
from orders.services.conditions import check_numbers, check_order
from orders.services.journal import CommandRow, commands_written
from orders.services.looking import Identities, Seen, clients_of, look
from orders.services.owners import Owner, check_may_trade, check_realm, owners_locked
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
from orders.services.writing import Draft, accepted_as, new_order_command, number_orders, orders_written
from risk.services import pretrade
from tradeplatform.common import tracing
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.statements import Insertion, insert_all, run_each

MAX_BATCH = 1_000


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
        symbols = {order.symbol for _, order in orders}
        # What no lock makes truer is read before others have to wait for one.
        rules, books, accounts, placed = run_each(
            rules_named(symbols),
            books_named(symbols),
            owners_locked(one.account_id for one in requests if not isinstance(one, CancelOrder)),
            orders_placed(amends),
        )
        books = opened([found.id for found in rules.values()], books)
        drafts = _resolve(orders, accounts, rules, books, outcomes)
        sought = Sought(amends, placed)
        seen = look(drafts, cancels, sought, locked=locked)
        drafts = _unknown_identities(drafts, seen.identities, outcomes)
        drafts = _checked(drafts, accounts, origins, now, outcomes)
        targets = sought.targets(seen.amending, seen.orders, outcomes)
        amendments = _amendments(targets, accounts, seen, origins)
        ledger, drafts, commands, repeats = _taken(drafts, amendments, seen, outcomes)
        number_orders(drafts, seen.order_ids)
        commands += [(draft.index, new_order_command(draft)) for draft in drafts]
        commands += cancel_commands(cancels, drafts, seen.cancelled, outcomes)
        if not insert_all(
            [
                *(orders_written(drafts, origins, now=now) if drafts else ()),
                _in_list_order(commands, seen.command_ids, outcomes, origins, now),
            ],
            ledger.holding(),
        ):
            raise _FundsMoved
        for draft in drafts:
            outcomes[draft.index] = accepted_as(draft, now)
        for index, first in repeats.items():
            outcomes[index] = replace(cast("Accepted", outcomes[first]), duplicate=True)
        wake_after_commit(row.shard_id for _, row in commands)
    return [outcome for outcome in outcomes if outcome is not None]


def _in_list_order(
    commands: list[tuple[int, CommandRow]],
    ids: Sequence[int],
    outcomes: list[Outcome | Requested | None],
    origins: Sequence[Origin],
    now: datetime,
) -> Insertion:
    """Command ids increase along the list, so the shard applies them in that order."""
    commands.sort(key=lambda numbered: numbered[0])
    rows = []
    for (index, row), command_id in zip(commands, ids, strict=False):
        rows.append((command_id, row, origins[index].actor, origins[index].correlation_id))
        if row.kind != CommandKind.NEW:
            outcomes[index] = Requested(command_id, row.order_id, now)
    return commands_written(rows, now=now)


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


def _unknown_identities(
    drafts: list[Draft], before: Identities, outcomes: list[Outcome | Requested | None]
) -> list[Draft]:
    """Answer what was asked before this list; race-free because the account rows are locked."""
    for draft in drafts:
        if draft.key in before:
            order_id, at, print_ = before[draft.key]
            outcomes[draft.index] = (
                Accepted(order_id, at, draft.client_order_id, duplicate=True)
                if print_ == draft.fingerprint
                else Denied(client_id_conflict(draft.client_order_id), draft.client_order_id)
            )
    return [draft for draft in drafts if draft.key not in before] if before else drafts


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
    targets: Sequence[Target], accounts: dict[int, Owner], seen: Seen, origins: Sequence[Origin]
) -> list[Amendment]:
    behind = PRESSURE.behind() if targets else {}
    return [
        Amendment(
            target,
            accounts[target.order.account_id],
            seen.rules[target.order.instrument_id],
            seen.books[target.order.instrument_id],
            origins[target.index].actor.credential,
            behind.get(seen.books[target.order.instrument_id].shard_id),
        )
        for target in targets
    ]


def _taken(
    drafts: Sequence[Draft],
    amendments: Sequence[Amendment],
    seen: Seen,
    outcomes: list[Outcome | Requested | None],
) -> tuple[Ledger, list[Draft], list[tuple[int, CommandRow]], dict[int, int]]:
    """Take orders and amends in list order, each as if those taken before it had come alone.

    Returns the ledger with their holds, the orders taken, the commands of the amends taken with their places
    in the list, and which request repeats which taken order.
    """
    live = seen.live
    clients = clients_of(drafts) | {amendment.pays_with for amendment in amendments}
    # Where something is missing it is made, but for nobody who is denied.
    if seen.funds is None:
        ledger = Ledger.lock(clients=clients)
    else:
        ledger = Ledger.look(clients=clients, seen=seen.funds)
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
