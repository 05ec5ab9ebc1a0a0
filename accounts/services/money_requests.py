"""What people ask for about money: done at once, or held and put off where a policy wants others to agree.

Locks are taken in one order: the approval request (when it is decided), the person (withdrawals, for the
limits), the trading accounts in id order, the ledger accounts in id order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import (
    FundingRequest,
    MoneyKind,
    MoneyRequest,
    MoneyState,
    TradingAccount,
    User,
)
from accounts.models.money import SIGNED
from accounts.selectors import require_money_request
from accounts.services.amounts import check_amount, check_positive, find_asset
from accounts.services.limits import require_within, worth_of
from accounts.services.moving import TRANSFER_KIND, Movement, Posted, hold, lock_accounts, post, require_may
from accounts.services.posting import Cause
from accounts.services.request_ids import asked_before, conflict_named, fingerprint_of, require_request_id
from audit.actor import Actor
from audit.models import ApprovalRequest, ApprovalState, AuditRecord
from audit.services import approving
from audit.services.approving import Target
from audit.services.reasons import require_reason
from audit.services.recording import new_record, record, record_all
from instruments.models import Asset
from instruments.scaling import short_text
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import next_ids
from tradeplatform.common.errors import Code, Refusal

_MAX_REFERENCE = 140
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `amount` is above zero but for adjustments and credit, which may take.

    `reference` and `document_hash` (SHA-256 in hex) are its evidence: the bank's text, a paper.
    """

    kind: MoneyKind
    account_id: int
    asset: str
    amount: Decimal
    reason: str
    request_id: str
    to_account_id: int | None = None
    reference: str = ""
    document_hash: str = ""

    @property
    def fingerprint(self) -> str:
        """What was asked for, in a form that two equal wishes share."""
        extras = [self.to_account_id or "", self.reference, self.document_hash]
        amount = short_text(self.amount)
        return fingerprint_of("wish", self.kind, self.account_id, self.asset, amount, self.reason, *extras)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request as it stands, and whether it had been asked before."""

    request: MoneyRequest
    repeated: bool


def request_money(wish: Wish, *, actor: Actor, now: datetime) -> Asked:
    """Do what is wished, or hold what it needs and wait for approval. The same request id has one effect.

    Raises Refusal, and then nothing moved and the id stays free: reason_required, invalid_field,
    invalid_number, unknown_asset, account_not_found, request_id_conflict, account_inactive, account_locked,
    demo_money, no_rate, kyc_limit_exceeded, insufficient_funds.
    """
    if actor.user_id is None:
        raise ValueError("only people ask for money; the platform's own acts are in funding.py")
    wish, asset = checked(wish)
    movement = Movement(wish.kind, wish.account_id, asset, wish.amount, wish.to_account_id)
    fingerprint = wish.fingerprint
    with conflict_named(wish.request_id), transaction.atomic():
        _lock_owner(movement)
        accounts = lock_accounts(movement)
        if first := asked_before(wish.request_id, fingerprint):
            return Asked(first, repeated=True)
        require_may(movement, accounts)
        account = accounts[wish.account_id]
        worth = None
        if wish.kind == MoneyKind.WITHDRAWAL:
            worth = worth_of(wish.amount, asset.code, now=now)
            require_within(account.user, worth, now=now)
        (number,) = next_ids("accounts_moneyrequest_id_seq", 1)
        money = new_request(number, wish, asset=asset, account=account, actor=actor, now=now)
        money.worth = worth
        money.identity.save(force_insert=True)
        money.approval = _ask(money, actor=actor, now=now)
        if money.approval is None:
            posted = _post(money, movement, now=now)
            money.state, money.transfer_id, money.closed_at = MoneyState.DONE, posted.transfer_id, posted.at
            money.save(force_insert=True)
            record_all([record_of(money, posted, actor=actor, correlation=correlation_id())])
        else:
            _wait(money, movement, actor=actor, now=now)
    return Asked(money, repeated=False)


def cancel_money(*, money_id: int, account_id: int, actor: Actor, now: datetime, reason: str) -> MoneyRequest:
    """Take an own request back while it waits. Raises Refusal: request_not_found, request_not_open."""
    money = require_money_request(account_id, money_id)
    if money.approval_id is None:
        raise _not_open(money)
    try:
        approving.cancel(approval_id=money.approval_id, actor=actor, now=now, reason=reason)
    except Refusal as refusal:
        if refusal.code not in {Code.APPROVAL_NOT_PENDING, Code.PERMISSION_DENIED}:
            raise
        money.refresh_from_db(fields=["state"])
        raise _not_open(money) from refusal
    money.refresh_from_db()
    return money


def execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Do what was approved, by the rules of this moment: accounts and limits may have changed meanwhile.

    Raises what `request_money` raises; then the approval is taken back with everything else.
    """
    money, movement = _waiting(approval)
    _lock_owner(movement)
    accounts = lock_accounts(movement)
    require_may(movement, accounts)
    if money.worth is not None:
        require_within(accounts[money.account_id].user, money.worth, now=now, besides=money.pk)
    posted = _post(money, movement, now=now)
    _close(money, MoneyState.DONE, at=posted.at, transfer_id=posted.transfer_id)
    record_all([record_of(money, posted, actor=actor, correlation=correlation_id())])


def ended(approval: ApprovalRequest, state: ApprovalState, now: datetime) -> None:
    """Release what a request that will not be done has held."""
    money, movement = _waiting(approval)
    lock_accounts(movement)
    if money.held:
        hold(movement, -money.held)
    _close(money, MoneyState(state.value), at=now)


def movement_of(payload: Mapping[str, Any]) -> Movement:
    """What an approval's payload moves."""
    return Movement(
        kind=MoneyKind(payload["kind"]),
        account_id=payload["account"],
        asset=Asset.objects.get(code=payload["asset"]),
        amount=Decimal(payload["amount"]),
        to_account_id=payload["to_account"],
    )


def action_of(kind: MoneyKind) -> str:
    """The act that policies speak of."""
    return f"accounts.money.{kind.value}"


def checked(wish: Wish, *, find: Callable[[str], Asset] = find_asset) -> tuple[Wish, Asset]:
    """The wish with its texts trimmed, and its asset as `find` gives it; refuses what can be none."""
    reason, request_id = require_reason(wish.reason), require_request_id(wish.request_id)
    reference = wish.reference.strip()
    if len(reference) > _MAX_REFERENCE or "\0" in reference:
        raise Refusal(Code.INVALID_FIELD, "A reference has at most 140 characters.", field="reference")
    if wish.document_hash and not _SHA256.fullmatch(wish.document_hash):
        raise Refusal(Code.INVALID_FIELD, "A SHA-256 has 64 characters of 0-9 a-f.", field="document_hash")
    if (wish.kind == MoneyKind.TRANSFER) != (wish.to_account_id is not None):
        raise Refusal(Code.INVALID_FIELD, "A transfer names the account it goes to.", field="to_account")
    if wish.to_account_id == wish.account_id:
        raise Refusal(Code.INVALID_FIELD, "A transfer goes to another account.", field="to_account")
    if wish.kind not in SIGNED:
        check_positive(wish.amount)
    asset = find(wish.asset)
    check_amount(wish.amount, asset)
    return replace(wish, asset=asset.code, reason=reason, request_id=request_id, reference=reference), asset


def new_request(
    number: int, wish: Wish, *, asset: Asset, account: TradingAccount, actor: Actor, now: datetime
) -> MoneyRequest:
    """The row of a checked wish of a person, not stored, with that of its identity."""
    assert actor.user_id is not None  # noqa: S101 - for the type checker
    identity = FundingRequest(
        request_id=wish.request_id, fingerprint=wish.fingerprint, transfer_id=None, at=now
    )
    return MoneyRequest(
        id=number,
        identity=identity,
        kind=wish.kind,
        account=account,
        to_account_id=wish.to_account_id,
        asset=asset,
        amount=wish.amount,
        reference=wish.reference,
        document_hash=wish.document_hash,
        reason=wish.reason,
        maker_id=actor.user_id,
        maker_label=actor.label,
        at=now,
    )


def _lock_owner(movement: Movement) -> None:
    """Lock the person whose limits count, before any account: withdrawals of all their accounts line up."""
    if movement.kind == MoneyKind.WITHDRAWAL:
        owners = TradingAccount.objects.filter(id=movement.account_id).values("user_id")
        list(User.objects.select_for_update(no_key=True).filter(id__in=owners).values_list("id"))


def _ask(money: MoneyRequest, *, actor: Actor, now: datetime) -> ApprovalRequest | None:
    account, kind = money.account, MoneyKind(money.kind)
    return approving.ask(
        action=action_of(kind),
        target=Target("accounts.tradingaccount", account.pk, account.account_number),
        origin=Target("accounts.moneyrequest", money.pk),
        payload={
            "money_request": money.pk,
            "kind": kind.value,
            "account": account.pk,
            "to_account": money.to_account_id,
            "asset": money.asset.code,
            "amount": short_text(money.amount),
            "reference": money.reference,
            "document_hash": money.document_hash,
        },
        amount=money.amount,
        asset=money.asset.code,
        request_id=money.identity_id,
        reason=money.reason,
        actor=actor,
        now=now,
    )


def _wait(money: MoneyRequest, movement: Movement, *, actor: Actor, now: datetime) -> None:
    """Hold what leaves the client, and write down what waits."""
    money.state = MoneyState.REQUESTED
    if movement.kind == MoneyKind.WITHDRAWAL:
        money.held = money.amount
        hold(movement, money.held)
    money.save(force_insert=True)
    record(
        actor=actor,
        action="accounts.money.request",
        target_type="accounts.tradingaccount",
        target_id=money.account_id,
        target_label=str(money.account),
        reason=money.reason,
        after={
            "kind": money.kind,
            "asset": money.asset.code,
            "amount": short_text(money.amount),
            "held": short_text(money.held),
            "request": money.pk,
            "approval": money.approval_id,
        },
        now=now,
    )


def _waiting(approval: ApprovalRequest) -> tuple[MoneyRequest, Movement]:
    money = MoneyRequest.objects.select_related("account", "asset").get(approval=approval)
    return money, movement_of(approval.payload)


def _post(money: MoneyRequest, movement: Movement, *, now: datetime) -> Posted:
    cause = Cause(request_id=money.identity_id, reason=money.reason, actor_id=money.maker_id)
    return post(movement, cause=cause, now=now, release=money.held)


def _close(money: MoneyRequest, state: MoneyState, *, at: datetime, transfer_id: int | None = None) -> None:
    money.state, money.held, money.closed_at, money.transfer_id = state, Decimal(0), at, transfer_id
    money.save(update_fields=["state", "held", "closed_at", "transfer_id"])


def record_of(money: MoneyRequest, posted: Posted, *, actor: Actor, correlation: str) -> AuditRecord:
    """What the audit trail says of a request that is done."""
    approved = {"approval": money.approval_id} if money.approval_id else {}
    return new_record(
        actor=actor,
        action=f"accounts.money.{TRANSFER_KIND[MoneyKind(money.kind)]}",
        target_type="accounts.tradingaccount",
        target_id=money.account_id,
        target_label=str(money.account),
        reason=money.reason,
        before={"asset": money.asset.code, "balance": short_text(posted.before)},
        after={
            "asset": money.asset.code,
            "balance": short_text(posted.after),
            "transfer": posted.transfer_id,
        }
        | approved,
        now=posted.at,
        correlation=correlation,
    )


def _not_open(money: MoneyRequest) -> Refusal:
    state = MoneyState(money.state).label.lower()
    return Refusal(
        Code.REQUEST_NOT_OPEN, f"It cannot be taken back: {state}.", request=str(money.pk), state=money.state
    )
