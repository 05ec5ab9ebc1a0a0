"""What people do about a break: who looks at it, and what they found out. Notes are in the audit trail."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.reconciliation.models import Break, BreakState
from accounts.reconciliation.services.sources import lock_source
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal

LABEL = "reconciliation.break"


def lock_open(break_id: int) -> Break:
    """The break, locked with its source, while it is open. Raises Refusal: not_found, break_not_open."""
    source_id = Break.objects.filter(pk=break_id).values_list("source_id", flat=True).first()
    if source_id is None:
        raise Refusal(Code.NOT_FOUND, "No such break.", id=break_id)
    lock_source(source_id)
    rows = Break.objects.select_for_update(no_key=True, of=("self",)).select_related("ledger__asset", "line")
    found = rows.get(pk=break_id)
    if found.state != BreakState.OPEN:
        raise Refusal(
            Code.BREAK_NOT_OPEN,
            f"It is {found.get_state_display().lower()} already: nothing was changed.",
            state=found.state,
        )
    return found


def assign(*, break_id: int, username: str, reason: str, actor: Actor, now: datetime) -> Break:
    """Say who looks at it; an empty name: nobody.

    Raises Refusal: reason_required, not_found, break_not_open, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        found = lock_open(break_id)
        person = None
        if username:
            person = User.objects.filter(username=username, is_active=True, is_staff=True).first()
            if person is None:
                raise Refusal(Code.NOT_FOUND, "No operator has this login name.", field="username")
        before = found.assignee.username if found.assignee else ""
        after = person.username if person else ""
        if before == after:
            raise Refusal(Code.NO_CHANGE, "They look at it already.", field="username")
        found.assignee = person
        found.save(update_fields=["assignee"])
        record(
            actor=actor,
            action="reconciliation.break.assign",
            target_type=LABEL,
            target_id=found.pk,
            target_label=str(found),
            reason=reason,
            before={"assignee": before},
            after={"assignee": after},
            now=now,
        )
    return found


def note(*, break_id: int, text: str, actor: Actor, now: datetime) -> None:
    """Write down what was found out. Raises Refusal: reason_required, not_found."""
    text = require_reason(text)
    with transaction.atomic():
        if not Break.objects.filter(pk=break_id).exists():
            raise Refusal(Code.NOT_FOUND, "No such break.", id=break_id)
        record(
            actor=actor,
            action="reconciliation.break.note",
            target_type=LABEL,
            target_id=break_id,
            target_label=f"break {break_id}",
            reason=text,
            now=now,
        )
