"""Bring a demo account back to where it began: no orders, no positions, the money it started with.

Nothing is deleted: positions are closed by deals, and balances are brought back by ledger entries with the
demo house. Orders are cancelled by commands, as by everybody; until a worker has applied them the reset
waits, and `finish_resets`, which beat asks each second, does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from accounts.models import (
    DealKind,
    DemoReset,
    Direction,
    FundingRequest,
    LedgerAccount,
    LedgerKind,
    Position,
    ResetState,
    TradingAccount,
    TransferKind,
)
from accounts.services.amounts import check_supply
from accounts.services.posting import Cause, Ledger
from accounts.services.request_ids import conflict, conflict_named, fingerprint_of, known, require_request_id
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from instruments.scaling import short_text
from liquidity.services.desk import Desk
from liquidity.services.reset_terms import check_may_reset, starting_amounts
from liquidity.services.till import SYSTEM
from liquidity.services.valuing import average_price
from orders.models import Command, CommandKind, CommandStatus, Order
from orders.services.changing import cancel_all_orders
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved

logger = structlog.get_logger(__name__)

_ZERO = Decimal(0)


def reset_account(
    *,
    account_id: int,
    balance: Decimal | None,
    reason: str,
    request_id: str,
    actor: Actor,
    now: datetime,
) -> DemoReset:
    """Reset a demo account, to `balance` of its currency or to what it was opened with; done, or waiting.

    The same request id again answers with the same reset, as it stands now. Raises Refusal: reason_required,
    invalid_field, account_not_found, not_a_demo_account, account_inactive, invalid_number, reset_pending,
    request_id_conflict, no_rate (no quote of a month tells what a position is worth).
    """
    reason, request_id = require_reason(reason), require_request_id(request_id)
    asked = "" if balance is None else short_text(balance)
    fingerprint = fingerprint_of("reset", account_id, asked, reason)
    with conflict_named(request_id), transaction.atomic():
        desk = Desk.lock(account_id, now=now)
        if earlier := known(request_id, fingerprint):
            return _again(earlier)
        check_may_reset(desk.account, balance)
        if DemoReset.objects.filter(account=desk.account, state=ResetState.REQUESTED).exists():
            raise Refusal(Code.RESET_PENDING, f"{desk.account} is being reset already.")
        identity = FundingRequest.objects.create(request_id=request_id, fingerprint=fingerprint, at=now)
        reset = DemoReset.objects.create(
            identity=identity,
            account=desk.account,
            balance=balance,
            reason=reason,
            maker_id=actor.user_id,
            maker_label=actor.label,
            at=now,
        )
        if not _advance(reset, desk, actor=actor, now=now):
            _record(reset, "request", actor, now, before={}, after={"reset": reset.pk})
    return reset


def finish_resets(*, now: datetime) -> int:
    """Go on with the resets that wait, each by itself; returns how many were done."""
    waiting = DemoReset.objects.filter(state=ResetState.REQUESTED).order_by("id")
    done = 0
    for number, account_id in waiting.values_list("id", "account_id"):
        try:
            with transaction.atomic():
                desk = Desk.lock(account_id, now=now)
                # Somebody else may have done it while we waited for the lock.
                reset = waiting.filter(id=number).first()
                if reset is not None:
                    done += _advance(reset, desk, actor=_maker(reset), now=now)
        except Refusal as refusal:
            logger.warning("reset_waits", account=account_id, code=refusal.code, message=refusal.message)
    return done


def _again(earlier: FundingRequest) -> DemoReset:
    found = DemoReset.objects.filter(identity=earlier).first()
    if found is None:
        raise conflict(earlier.request_id)
    return found


def _advance(reset: DemoReset, desk: Desk, *, actor: Actor, now: datetime) -> bool:
    """Do what can be done now; whether that was the rest. The account's row is locked by the desk."""
    account = desk.account
    if Order.objects.live().for_account(account.pk).exists():
        waiting = Command.objects.filter(
            status=CommandStatus.PENDING, kind=CommandKind.MASS_CANCEL, account_id=account.pk
        )
        if not waiting.exists():
            cancel_all_orders(
                account_id=account.pk, actor=actor, now=now, by_operator=True, reason=reset.reason
            )
        return False
    before = _balances(account)
    targets = starting_amounts(account, reset.balance)
    ledger = _lock_money(account, targets)
    if any(row.held for row in ledger.accounts()):
        # An amend of a cancelled order is still on its way, with what it reserved.
        return False
    for position in desk.positions.values():
        desk.close(position, position.volume, _last_price(desk, position), kind=DealKind.RESET)
    desk.settle(Cause(reason=reset.reason, actor_id=actor.user_id), needs_margin=False)
    _bring_back(reset, _lock_money(account, targets), targets, actor=actor, now=now)
    _record(reset, "reset", actor, now, before=before, after=_balances(account) | {"reset": reset.pk})
    transaction.on_commit(lambda: tell_balances_moved(account.pk), robust=True)
    return True


def _last_price(desk: Desk, position: Position) -> Decimal:
    """What it could be closed at by the last quote, however old; else what it cost, rounded to a price."""
    terms = desk.terms[position.instrument_id]
    price = terms.value_price(Direction(position.direction))
    return price if price is not None else (average_price(position) or terms.instrument.tick_size)


def _lock_money(account: TradingAccount, targets: Mapping[str, Decimal]) -> Ledger:
    """All of the account's ledger accounts and the house's on the other side: at once, so in id order."""
    ids = dict(Asset.objects.filter(code__in=targets).values_list("id", "code"))
    rows = LedgerAccount.objects.filter(account=account).values_list("kind", "asset_id")
    own = {kind: {asset for k, asset in rows if k == kind} for kind in (LedgerKind.CLIENT, LedgerKind.CREDIT)}
    currency = account.currency_id
    clients = own[LedgerKind.CLIENT] | set(ids) | {currency}
    credits_ = own[LedgerKind.CREDIT] | {currency}
    return Ledger.lock(
        clients=[(account.pk, asset) for asset in clients],
        credits=[(account.pk, asset) for asset in credits_],
        system=[
            *((kind, currency) for kind in SYSTEM),
            *((LedgerKind.HOUSE, asset) for asset in clients | credits_),
        ],
    )


def _bring_back(
    reset: DemoReset, ledger: Ledger, targets: Mapping[str, Decimal], *, actor: Actor, now: datetime
) -> None:
    """One entry that leaves each ledger account with what it started with, and no credit."""
    assets = {asset.pk: asset for asset in Asset.objects.all()}
    cause = Cause(request_id=reset.identity_id, reason=reset.reason, actor_id=actor.user_id)
    at, entry = ledger.moment(now), None
    for own in sorted(ledger.accounts(), key=lambda row: row.id):
        if own.account_id is None:
            continue
        asset = assets[own.asset_id]
        target = targets.get(asset.code, _ZERO) if own.kind == LedgerKind.CLIENT else _ZERO
        house = ledger.system(LedgerKind.HOUSE, own.asset_id, own.realm)
        change = target - own.balance
        if not change:
            continue
        begun = ledger.transfer(
            at=at,
            kind=TransferKind.RESET,
            debit=house if change > 0 else own,
            credit=own if change > 0 else house,
            amount=abs(change),
            cause=cause,
            entry=entry,
        )
        entry = begun if entry is None else entry
        check_supply(house.balance, asset)
    ids = ledger.flush()
    reset.state, reset.closed_at = ResetState.DONE, at
    reset.entry_id = None if entry is None else ids[entry]
    reset.save(update_fields=["state", "closed_at", "entry_id"])


def _maker(reset: DemoReset) -> Actor:
    if reset.maker_id is None:
        return Actor.system(reset.maker_label)
    return Actor.user(user_id=reset.maker_id, label=reset.maker_label)


def _balances(account: TradingAccount) -> dict[str, str]:
    rows = (
        LedgerAccount.objects.filter(account=account).select_related("asset").order_by("asset__code", "kind")
    )
    return {
        row.asset.code + (" credit" if row.kind == LedgerKind.CREDIT else ""): short_text(row.balance)
        for row in rows.order_by("asset__code", "kind")
    }


def _record(
    reset: DemoReset,
    verb: str,
    actor: Actor,
    now: datetime,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    record(
        actor=actor,
        action=f"accounts.demo.{verb}",
        target_type="accounts.tradingaccount",
        target_id=reset.account_id,
        target_label=str(reset.account),
        reason=reset.reason,
        before=dict(before),
        after=dict(after),
        now=now,
    )
