"""Buttons of the inbox: approve, reject, and for the maker: take back. Each shows its effect as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from audit.admin.acting import actor_of
from audit.approvable import act_of, house
from audit.models import ApprovalRequest, ApprovalState
from audit.services import approving
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.errors import Refusal


class _Decision(Button):
    """A yes or a no."""

    permission = "audit.decide_approvalrequest"

    def shown(self, obj: ApprovalRequest) -> bool:
        """While it is pending, to others than its maker."""
        return _pending(obj) and obj.maker_id != self.request.user.pk

    def why_not(self, obj: ApprovalRequest) -> str:
        """It is over, one's own, another role's, or decided by this person."""
        user_id = self.request.user.pk or 0
        if not _pending(obj):
            return f"It is {obj.state_at(timezone.now()).label.lower()} already."
        if obj.maker_id == user_id:
            return f"You asked for it: it waits for {approvers(obj.needed, obj.role)} other than you."
        if approving.one_hand(obj.maker_id, user_id):
            return approving.ONE_HAND
        if obj.role not in house().roles_of(user_id):
            return f"Only a {role_name(obj.role)} decides about this."
        if obj.decisions.filter(checker_id=user_id).exists():
            return "You have decided about this: somebody else has to."
        return ""

    def title(self, obj: ApprovalRequest) -> str:
        """Which act."""
        return f"{self.label}: {act_of(obj.action).title.lower()}, {obj.target_label}"

    def intro(self, obj: ApprovalRequest) -> str:
        """Who asked, and why."""
        return f"{obj.maker_label} asked for it because: {obj.reason}"

    def decide(self, obj: ApprovalRequest, *, approve: bool, reason: str) -> ApprovalRequest:
        """The one call behind both."""
        return approving.decide(
            approval_id=obj.pk,
            approve=approve,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=reason,
        )


class Approve(_Decision):
    """Say yes; the last yes does it."""

    name, label, icon = "approve", "Approve", "check_circle"

    def effects(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What it changes, as things stand now."""
        given = obj.decisions.filter(approved=True).count()
        count = Effect("Approvals", f"{given} of {obj.needed}", f"{given + 1} of {obj.needed}")
        if given + 1 < obj.needed:
            return [count, Effect("Then", "waits", "waits for another approver: nothing moves yet")]
        return [count, *effects_now(obj)]

    def act(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Done:
        """Decide."""
        decided = self.decide(obj, approve=True, reason=data["reason"])
        if decided.state == ApprovalState.DONE:
            return Done(f"Approved and done: {act_of(obj.action).title.lower()}, {obj.target_label}.")
        return Done("Approved. It waits for another approver.")


class Reject(_Decision):
    """Say no, which ends it."""

    name, label, icon = "reject", "Reject", "cancel"
    danger = True

    def effects(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Sequence[Effect]:
        """It is over."""
        return [Effect("State", "Pending", "Rejected for good: nothing is done, what it held is free again")]

    def act(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Done:
        """Decide."""
        self.decide(obj, approve=False, reason=data["reason"])
        return Done(f"Rejected: {act_of(obj.action).title.lower()}, {obj.target_label}.")


class TakeBack(Button):
    """The maker's own way out."""

    name, label, icon = "cancel", "Take back", "undo"
    permission = "audit.view_approvalrequest"
    danger = True

    def shown(self, obj: ApprovalRequest) -> bool:
        """To the maker, while it is pending."""
        return _pending(obj) and obj.maker_id == self.request.user.pk

    def why_not(self, obj: ApprovalRequest) -> str:
        """It is over, or another's."""
        if obj.maker_id != self.request.user.pk:
            return "Only who asked can take it back: reject it instead."
        return "" if _pending(obj) else f"It is {obj.state_at(timezone.now()).label.lower()} already."

    def effects(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Sequence[Effect]:
        """It is over."""
        return [Effect("State", "Pending", "Cancelled: nothing is done, what it held is free again")]

    def act(self, obj: ApprovalRequest, data: Mapping[str, Any]) -> Done:
        """Cancel it."""
        approving.cancel(
            approval_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done("Taken back.")


def effects_now(obj: ApprovalRequest) -> list[Effect]:
    """What the act would change now, or why it could not be done."""
    try:
        return [Effect(*row) for row in act_of(obj.action).preview(obj.payload)]
    except Refusal as refusal:
        return [Effect("It cannot be done now", "", refusal.message)]


def approvers(number: int, role: str) -> str:
    """How many of whom, such as 2 compliance officers: whom to turn to."""
    return f"{number} {role_name(role, number)}"


def role_name(role: str, count: int = 1) -> str:
    """A role in words, of one person or of several."""
    return dict(house().roles).get(role, role).lower() + ("s" if count > 1 else "")


def _pending(obj: ApprovalRequest) -> bool:
    return obj.state_at(timezone.now()) == ApprovalState.PENDING
