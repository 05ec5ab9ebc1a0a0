"""Maker and checker: an act that a policy covers waits until others have agreed, and is then done once.

Locks are taken in one order, so that nothing deadlocks: the approval request first, then whatever the act
itself locks. Decision, effect and records are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from audit.actor import Actor
from audit.approvable import act_of, house
from audit.models import ApprovalDecision, ApprovalPolicy, ApprovalRequest, ApprovalState
from audit.services.policies import policy_for
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.db import require_transaction
from tradeplatform.common.errors import Code, Refusal

EXPIRY = Actor.system("expiry")
ONE_HAND = (
    "Maker and checker must be two people, and one of them, or somebody else, chose the other's password: "
    "its owner has to choose one first, or a third person has to decide."
)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Target:
    """A row by its model label, key and name, such as accounts.tradingaccount, 12, ACC-000012."""

    type: str
    id: int | str
    label: str = ""


def ask(
    *,
    action: str,
    target: Target,
    origin: Target | None = None,
    payload: Mapping[str, Any],
    amount: Decimal | None = None,
    asset: str = "",
    request_id: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> ApprovalRequest | None:
    """Put an act off until it is approved; None when no policy covers it and the caller may do it now.

    Call it in the transaction that would do the act. `amount` is measured by its size. The same
    request id again gives the first request. Raises Refusal: request_id_conflict for the same id with
    another payload, and what the act's preview raises.
    """
    require_transaction()
    if actor.user_id is None:
        raise ValueError("only a person's act can need approval")
    if first := _earlier(action, request_id, payload):
        return first
    policy = policy_for(action, amount=amount, asset=asset, now=now)
    if policy is None:
        return None
    asked = ApprovalRequest(
        action=action,
        request_id=request_id,
        target_type=target.type,
        target_id=str(target.id),
        target_label=target.label,
        origin_type=origin.type if origin else "",
        origin_id=str(origin.id) if origin else "",
        payload=dict(payload),
        effects=[list(row) for row in act_of(action).preview(payload)],
        amount=amount,
        asset=asset,
        reason=reason,
        maker_id=actor.user_id,
        maker_label=actor.label,
        needed=policy.approvers,
        role=policy.role,
        created_at=now,
        expires_at=now + policy.expires_after,
    )
    try:
        with transaction.atomic():
            asked.save(force_insert=True)
    except IntegrityError as error:
        if "approval_request_once" not in str(error):
            raise
        return _earlier(action, request_id, payload)
    _record(asked, "ask", actor=actor, now=now, reason=reason, after=_terms(asked, policy))
    return asked


def ask_always(
    *,
    action: str,
    target: Target,
    payload: Mapping[str, Any],
    amount: Decimal | None = None,
    asset: str = "",
    request_id: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> ApprovalRequest:
    """As `ask`, for an act that no policy can free (Act.always)."""
    asked = ask(
        action=action,
        target=target,
        payload=payload,
        amount=amount,
        asset=asset,
        request_id=request_id,
        reason=reason,
        actor=actor,
        now=now,
    )
    if asked is None:
        raise ValueError(f"{action} does not always wait")
    return asked


def decide(*, approval_id: int, approve: bool, actor: Actor, now: datetime, reason: str) -> ApprovalRequest:
    """Say yes or no, once. The last yes that is needed does the act; a no ends the request.

    Raises Refusal, and then nothing has changed: reason_required, not_found, approval_not_pending,
    maker_is_checker, permission_denied (the role, asked for at this moment), already_decided,
    maker_lost_right, and whatever the act itself refuses, which leaves the request pending.
    """
    reason = require_reason(reason)

    def decided(approval: ApprovalRequest) -> None:
        checker_id = _require_checker(approval, actor)
        if approve:
            _require_maker_still_may(approval)
        ApprovalDecision.objects.create(
            request=approval,
            maker_id=approval.maker_id,
            checker_id=checker_id,
            checker_label=actor.label,
            approved=approve,
            reason=reason,
            at=now,
        )
        given = approval.decisions.filter(approved=True).count()
        counted = {"approvals": given, "needed": approval.needed}
        _record(
            approval, "approve" if approve else "reject", actor=actor, now=now, reason=reason, after=counted
        )
        if not approve:
            _end(approval, ApprovalState.REJECTED, now=now)
        elif given >= approval.needed:
            _close(approval, ApprovalState.DONE, now=now)
            act_of(approval.action).execute(approval, actor, now)

    return _on_pending(approval_id, decided, now=now)


def cancel(*, approval_id: int, actor: Actor, now: datetime, reason: str) -> ApprovalRequest:
    """Take one's own request back.

    Raises Refusal: reason_required, not_found, permission_denied (another's), approval_not_pending.
    """
    reason = require_reason(reason)

    def cancelled(approval: ApprovalRequest) -> None:
        if actor.user_id != approval.maker_id:
            raise Refusal(
                Code.PERMISSION_DENIED, "Only who asked for it can take it back: reject it instead."
            )
        _record(approval, "cancel", actor=actor, now=now, reason=reason)
        _end(approval, ApprovalState.CANCELLED, now=now)

    return _on_pending(approval_id, cancelled, now=now)


def expire_due(*, now: datetime) -> list[int]:
    """End every request whose time is over, each in a transaction of its own; their ids.

    May run at any time and beside itself: whoever holds a request's lock ends it, the others pass it by.
    """
    due = ApprovalRequest.objects.filter(state=ApprovalState.PENDING, expires_at__lte=now)
    ended = []
    for approval_id in list(due.order_by("id").values_list("id", flat=True)[:_BATCH]):
        with transaction.atomic():
            approval = due.select_for_update(no_key=True, skip_locked=True).filter(id=approval_id).first()
            if approval is not None:
                _expire(approval, now=now)
                ended.append(approval_id)
    return ended


def _on_pending(
    approval_id: int, act: Callable[[ApprovalRequest], None], *, now: datetime
) -> ApprovalRequest:
    """Do `act` on the locked request while it is pending; one whose time is over is ended, and that stays."""
    with transaction.atomic():
        approval = ApprovalRequest.objects.select_for_update(no_key=True).filter(id=approval_id).first()
        if approval is None:
            raise Refusal(Code.NOT_FOUND, "No such request for approval.", approval=str(approval_id))
        if approval.state == ApprovalState.PENDING and approval.expires_at > now:
            act(approval)
            return approval
        if approval.state == ApprovalState.PENDING:
            _expire(approval, now=now)
    raise Refusal(
        Code.APPROVAL_NOT_PENDING,
        f"It is {approval.get_state_display().lower()} already: nothing was changed.",
        approval=str(approval.pk),
        state=approval.state,
    )


def _require_checker(approval: ApprovalRequest, actor: Actor) -> int:
    if actor.user_id is None or actor.user_id == approval.maker_id:
        raise Refusal(
            Code.MAKER_IS_CHECKER, "Who asked for it cannot decide about it: another person has to."
        )
    if one_hand(approval.maker_id, actor.user_id):
        raise Refusal(Code.MAKER_IS_CHECKER, ONE_HAND)
    if approval.role not in house().roles_of(actor.user_id):
        name = dict(house().roles).get(approval.role, approval.role)
        raise Refusal(
            Code.PERMISSION_DENIED, f"Only a {name.lower()} decides about this.", role=approval.role
        )
    if approval.decisions.filter(checker_id=actor.user_id).exists():
        raise Refusal(Code.ALREADY_DECIDED, "You have decided about this: somebody else has to.")
    return actor.user_id


def one_hand(maker_id: int, checker_id: int) -> bool:
    """Whether one person may stand behind both names: who chose another's password can act as them."""
    hands_of = house().hands_of
    return not hands_of(maker_id).isdisjoint(hands_of(checker_id))


def _require_maker_still_may(approval: ApprovalRequest) -> None:
    if not act_of(approval.action).maker_may(approval):
        raise Refusal(
            Code.MAKER_LOST_RIGHT,
            f"{approval.maker_label} may not do this any more: reject it.",
            maker=approval.maker_label,
        )


def _expire(approval: ApprovalRequest, *, now: datetime) -> None:
    _record(approval, "expire", actor=EXPIRY, now=now)
    _end(approval, ApprovalState.EXPIRED, now=now)


def _end(approval: ApprovalRequest, state: ApprovalState, *, now: datetime) -> None:
    """Close a request that will not be done, and let the act release what it held."""
    _close(approval, state, now=now)
    act_of(approval.action).ended(approval, state, now)


def _close(approval: ApprovalRequest, state: ApprovalState, *, now: datetime) -> None:
    approval.state, approval.closed_at = state, now
    approval.save(update_fields=["state", "closed_at"])


def _earlier(action: str, request_id: str, payload: Mapping[str, Any]) -> ApprovalRequest | None:
    """The request made with this id, where there is one; a conflict when it was about something else."""
    first = ApprovalRequest.objects.filter(action=action, request_id=request_id).first()
    if first is not None and first.payload != payload:
        raise Refusal(
            Code.REQUEST_ID_CONFLICT,
            "This request id was used for another request: choose a new one.",
            request_id=request_id,
        )
    return first


def _terms(asked: ApprovalRequest, policy: ApprovalPolicy) -> dict[str, Any]:
    return {
        "action": asked.action,
        "policy": policy.pk,
        "needed": asked.needed,
        "role": asked.role,
        "expires_at": asked.expires_at.isoformat(),
    }


def _record(
    approval: ApprovalRequest,
    verb: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    after: dict[str, Any] | None = None,
) -> None:
    record(
        actor=actor,
        action=f"audit.approval.{verb}",
        target_type="audit.approvalrequest",
        target_id=approval.pk,
        target_label=str(approval),
        reason=reason,
        before={"state": ApprovalState.PENDING} if verb != "ask" else None,
        after=after,
        now=now,
    )
