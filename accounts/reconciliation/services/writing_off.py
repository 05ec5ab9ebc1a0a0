"""Write a break off, by two people: our ledger then says what the statement says, and suspense has the rest.

Locks are taken in one order: the approval request (when it is decided), the source, the break, the ledger
accounts in id order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import FundingRequest, LedgerAccount, LedgerKind, TransferKind
from accounts.reconciliation.models import Break, BreakState, Rule
from accounts.reconciliation.selectors import OurTransfer
from accounts.reconciliation.services.breaks import LABEL, lock_open
from accounts.reconciliation.services.matching import once_each, sides_of, write_match
from accounts.services.amounts import check_supply
from accounts.services.posting import Cause, Ledger
from accounts.services.request_ids import conflict_named, fingerprint_of, known, require_request_id
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest, ApprovalState
from audit.services.approving import Target, ask_always
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from instruments.scaling import grouped, short_text, text
from tradeplatform.common.errors import Code, Refusal

ACTION = "reconciliation.break.write_off"
#: What who asks for it needs.
RIGHT = "reconciliation.write_off_break"
_ZERO = Decimal(0)


def ask_write_off(
    *, break_id: int, request_id: str, reason: str, actor: Actor, now: datetime
) -> ApprovalRequest:
    """Ask for it: nothing moves before somebody else has agreed. The same request id is the same request.

    Raises Refusal: reason_required, invalid_field, not_found, break_not_open, write_off_waits,
    request_id_conflict.
    """
    reason, request_id = require_reason(reason), require_request_id(request_id)
    with transaction.atomic():
        found = lock_open(break_id)
        if found.approval is not None and found.approval.request_id != request_id:
            raise Refusal(
                Code.WRITE_OFF_WAITS, "Its write-off waits for approval already.", approval=found.approval_id
            )
        known(request_id, _fingerprint(found))
        asset = found.ledger.asset
        approval = ask_always(
            action=ACTION,
            target=Target(LABEL, found.pk, str(found)),
            payload={"break": found.pk, "asset": asset.code, "amount": short_text(found.amount)},
            amount=found.amount,
            asset=asset.code,
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )
        found.approval = approval
        found.save(update_fields=["approval"])
    return approval


def preview(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What it would move as things stand now. Raises Refusal break_not_open."""
    found = Break.objects.select_related("ledger__asset").get(pk=payload["break"])
    _require_open(found)
    asset, kind = found.ledger.asset, LedgerKind(found.ledger.kind)
    suspense = LedgerAccount.objects.filter(
        kind=LedgerKind.SUSPENSE, asset=asset, realm=found.ledger.realm
    ).first()
    held = suspense.balance if suspense else _ZERO
    return [
        (f"{kind.label} balance", _amount(found.ledger.balance, asset),
         _amount(found.ledger.balance - found.amount, asset)),
        ("Suspense balance", _amount(held, asset), _amount(held + found.amount, asset)),
        (f"Break {found.pk}", f"{found.get_kind_display()}, open", "written off"),
    ]  # fmt: skip


def execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Move the difference between the source's ledger account and suspense, match both sides, close it.

    Raises Refusal: break_not_open (it was matched meanwhile), already_matched, invalid_number.
    """
    with once_each(), conflict_named(approval.request_id), transaction.atomic():
        found = lock_open(approval.payload["break"])
        at, transfer_id = _post(found, approval, now)
        sides = sides_of(
            found.source_id,
            line_ids=[found.line_id] if found.line_id else [],
            transfer_ids=found.transfer_ids,
        )
        booked = OurTransfer(
            id=transfer_id,
            at=at,
            ledger_id=found.ledger_id,
            amount=found.amount,
            kind=TransferKind.WRITE_OFF,
            matched=False,
        )
        write_match(
            found.source,
            Rule.WRITE_OFF,
            replace(sides, transfers=[*sides.transfers, booked]),
            reason=approval.reason,
            actor=Actor.user(user_id=approval.maker_id, label=approval.maker_label),
            now=at,
        )
        found.state, found.closed_at, found.write_off_id = BreakState.WRITTEN_OFF, at, transfer_id
        found.save(update_fields=["state", "closed_at", "write_off_id"])
        record(
            actor=actor,
            action=f"accounts.money.{TransferKind.WRITE_OFF}",
            target_type=LABEL,
            target_id=found.pk,
            target_label=str(found),
            reason=approval.reason,
            before={"state": BreakState.OPEN},
            after={
                "state": BreakState.WRITTEN_OFF,
                "asset": approval.asset,
                "amount": short_text(found.amount),
                "transfer": transfer_id,
                "approval": approval.pk,
            },
            now=at,
        )


def ended(approval: ApprovalRequest, _state: ApprovalState, _now: datetime) -> None:
    """Let it be asked for again: this request will not be done. A break that is closed keeps its history."""
    Break.objects.filter(approval=approval, state=BreakState.OPEN).update(approval=None)


def _post(found: Break, approval: ApprovalRequest, now: datetime) -> tuple[datetime, int]:
    """The transfer that names the break: above zero, more is with them than our ledger knew."""
    asset = found.ledger.asset
    kind = LedgerKind(found.ledger.kind)
    ledger = Ledger.lock(system=[(kind, asset.pk), (LedgerKind.SUSPENSE, asset.pk)])
    at = ledger.moment(now)
    outside, suspense = ledger.system(kind, asset.pk), ledger.system(LedgerKind.SUSPENSE, asset.pk)
    debit, credit = (outside, suspense) if found.amount > 0 else (suspense, outside)
    ledger.transfer(
        at=at,
        kind=TransferKind.WRITE_OFF,
        debit=debit,
        credit=credit,
        amount=abs(found.amount),
        cause=Cause(
            request_id=approval.request_id,
            reason=f"Write-off of {found}: {approval.reason}",
            actor_id=approval.maker_id,
        ),
    )
    check_supply(outside.balance, asset)
    check_supply(suspense.balance, asset)
    (transfer_id,) = ledger.flush()
    FundingRequest.objects.create(
        request_id=approval.request_id, fingerprint=_fingerprint(found), transfer_id=transfer_id, at=at
    )
    return at, transfer_id


def _require_open(found: Break) -> None:
    if found.state != BreakState.OPEN:
        state = found.get_state_display().lower()
        raise Refusal(Code.BREAK_NOT_OPEN, f"Break {found.pk} is {state} already.", state=found.state)


def _fingerprint(found: Break) -> str:
    return fingerprint_of(TransferKind.WRITE_OFF, found.pk, short_text(found.amount))


def _amount(value: Decimal, asset: Asset) -> str:
    return f"{grouped(text(value, asset.decimals))} {asset.code}"
