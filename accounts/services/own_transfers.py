"""Transfers between accounts of one person, many at once: each does and leaves what `request_money` does.

Those that threads of one process ask for at the same time go into one transaction. Where a policy wants
others to agree to transfers, they are asked for one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.utils import timezone

from accounts.models import MoneyKind, MoneyRequest, MoneyState, TradingAccount
from accounts.services.amounts import assets_named, require_asset
from accounts.services.money_requests import (
    Asked,
    Wish,
    action_of,
    checked,
    new_request,
    record_of,
    request_money,
)
from accounts.services.moving import (
    TRANSFER_KIND,
    Movement,
    Posted,
    require_available,
    require_found,
    require_may,
    tell,
)
from accounts.services.posting import Cause, Ledger, clients_seen
from accounts.services.request_ids import conflict, conflict_named
from audit.actor import Actor
from audit.services.policies import has_policy
from audit.services.recording import recorded
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.errors import Refusal
from tradeplatform.common.statements import Statement, creating, insert_all, numbers, reading, run_each
from tradeplatform.common.together import LOCK_PATIENCE, Together

MAX_LIST = 1_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer that somebody wishes for, and the id it can be followed by."""

    wish: Wish
    actor: Actor
    correlation_id: str


@dataclass(slots=True)
class _Item:
    """One of a list that passed what can be checked by itself; `barred` is why its accounts may not."""

    index: int
    sent: Sent
    wish: Wish
    movement: Movement
    barred: Refusal | None = None


@dataclass(slots=True)
class _Done:
    """A transfer that is in the ledger's working copy, and what its sender had before and after."""

    item: _Item
    money: MoneyRequest
    before: Decimal
    after: Decimal


def transfer_soon(wish: Wish, *, actor: Actor) -> Asked:
    """As `request_money`, in one transaction with what other threads ask meanwhile; its moment is now.

    Raises Refusal, overloaded among them.
    """
    outcome = _together(Sent(wish, actor, correlation_id()))
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def request_transfers(sent: Sequence[Sent], *, now: datetime) -> list[Asked | Refusal]:
    """Do transfers between own accounts, in list order, in one transaction: what became of each.

    One that is refused moves nothing and stops no other. Two of a list with one request id are one.
    """
    outcomes: list[Asked | Refusal | None] = [None] * len(sent)
    items = _checked(sent, outcomes)
    if items:
        named = conflict_named(items[0].wish.request_id) if len(items) == 1 else nullcontext()
        with named, transaction.atomic():
            _do(items, outcomes, now=now)
    return [
        _alone(one, now) if outcome is None else outcome for one, outcome in zip(sent, outcomes, strict=True)
    ]


def _now(sent: Sequence[Sent]) -> list[Asked | Refusal]:
    return request_transfers(sent, now=timezone.now())


_together = Together(
    _now, most=MAX_LIST, room=MAX_LIST, patience=LOCK_PATIENCE, whose=lambda sent: sent.wish.account_id
)


def _alone(sent: Sent, now: datetime) -> Asked | Refusal:
    try:
        return request_money(sent.wish, actor=sent.actor, now=now)
    except Refusal as refusal:
        return refusal


def _checked(sent: Sequence[Sent], outcomes: list[Asked | Refusal | None]) -> list[_Item]:
    assets = assets_named(one.wish.asset for one in sent)
    find = partial(require_asset, assets)
    items = []
    for index, one in enumerate(sent):
        if one.wish.kind != MoneyKind.TRANSFER or one.actor.user_id is None:
            raise ValueError("people's transfers between their own accounts alone come in lists")
        try:
            wish, asset = checked(one.wish, find=find)
        except Refusal as refusal:
            outcomes[index] = refusal
            continue
        movement = Movement(wish.kind, wish.account_id, asset, wish.amount, wish.to_account_id)
        items.append(_Item(index, one, wish, movement))
    return items


def _do(items: Sequence[_Item], outcomes: list[Asked | Refusal | None], *, now: datetime) -> None:
    clients = {(number, item.movement.asset.pk) for item in items for number in item.movement.account_ids}
    waits, accounts, asked, seen, money_ids = run_each(
        has_policy(action_of(MoneyKind.TRANSFER)),
        _locked({number for number, _asset in clients}),
        # Nobody uses one of these accounts' own ids meanwhile: they are locked.
        _asked_before(items),
        clients_seen(clients),
        numbers("accounts_moneyrequest_id_seq", len(items)),
    )
    if waits:
        return
    for item in items:
        item.barred = _bar(item.movement, accounts)
    ledger = Ledger.lock(
        clients={
            (number, item.movement.asset.pk)
            for item in items
            if item.barred is None and item.wish.request_id not in asked
            for number in item.movement.account_ids
        },
        seen=seen,
        transfers=len(items),
    )
    at = ledger.moment(now)
    unused = iter(money_ids)
    done: list[_Done] = []
    for item in items:
        wish = item.wish
        try:
            if earlier := asked.get(wish.request_id):
                outcomes[item.index] = Asked(_same(earlier, wish), repeated=True)
                continue
            if item.barred is not None:
                raise item.barred
            account = accounts[wish.account_id]
            asset, actor = item.movement.asset, item.sent.actor
            before, after = _move(item, ledger, at)
            money = new_request(next(unused), wish, asset=asset, account=account, actor=actor, now=now)
            asked[wish.request_id] = (money.identity.fingerprint, money)
            done.append(_Done(item, money, before, after))
            outcomes[item.index] = Asked(money, repeated=False)
        except Refusal as refusal:
            outcomes[item.index] = refusal
    if done:
        _write(done, ledger, at)
    else:
        # Nothing is left of it, not even empty ledger accounts.
        transaction.set_rollback(True)


def _locked(ids: AbstractSet[int]) -> Statement[Mapping[int, TradingAccount]]:
    """These accounts, locked in id order; unknown ones are simply absent."""
    rest = "WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
    found = reading(TradingAccount, rest, [list(ids)])
    return found.then(lambda accounts: {account.pk: account for account in accounts})


def _bar(movement: Movement, accounts: Mapping[int, TradingAccount]) -> Refusal | None:
    try:
        require_found(movement, accounts)
        require_may(movement, accounts)
    except Refusal as refusal:
        return refusal
    return None


#: By request id: the fingerprint, and what a person asked for, or the id of that.
_Before = dict[str, tuple[str, "MoneyRequest | int | None"]]
_ASKED = """
    SELECT f.request_id, f.fingerprint, m.id FROM accounts_fundingrequest f
    LEFT JOIN accounts_moneyrequest m ON m.identity_id = f.request_id WHERE f.request_id = ANY(%s::text[])
"""


def _asked_before(items: Sequence[_Item]) -> Statement[_Before]:
    """What these ids were used for."""
    ids = list({item.wish.request_id for item in items})
    return Statement(_ASKED, [ids], lambda rows: {name: (print_, money) for name, print_, money in rows})


def _same(earlier: tuple[str, MoneyRequest | int | None], wish: Wish) -> MoneyRequest:
    """The earlier request with this id. Raises request_id_conflict where something else was asked for."""
    fingerprint, money = earlier
    if money is None or fingerprint != wish.fingerprint:
        raise conflict(wish.request_id)
    return MoneyRequest.objects.get(id=money) if isinstance(money, int) else money


def _move(item: _Item, ledger: Ledger, at: datetime) -> tuple[Decimal, Decimal]:
    """What its sender had before and after. Raises insufficient_funds."""
    wish, movement = item.wish, item.movement
    source, target = movement.sides(ledger)
    require_available(source, movement.amount, movement.asset)
    before = source.balance
    ledger.transfer(
        at=at,
        kind=TRANSFER_KIND[movement.kind],
        debit=source,
        credit=target,
        amount=movement.amount,
        cause=Cause(request_id=wish.request_id, reason=wish.reason, actor_id=item.sent.actor.user_id),
    )
    return before, source.balance


def _write(done: Sequence[_Done], ledger: Ledger, at: datetime) -> None:
    records = []
    for one, transfer_id in zip(done, ledger.numbered(), strict=True):
        money, sent = one.money, one.item.sent
        money.state, money.transfer_id, money.closed_at = MoneyState.DONE, transfer_id, at
        posted = Posted(transfer_id, at, one.before, one.after)
        records.append(record_of(money, posted, actor=sent.actor, correlation=sent.correlation_id))
    transfers, balances = ledger.written()
    insert_all(
        [transfers],
        balances,
        creating([one.money.identity for one in done]),
        creating([one.money for one in done]),
        recorded(records),
    )
    tell(sorted({number for one in done for number in one.item.movement.account_ids}))
