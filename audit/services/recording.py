"""Write an audit record in the caller's transaction: the act and its record commit together or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audit.actor import Actor
from audit.models import AuditRecord
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import require_transaction


def record(
    *,
    actor: Actor,
    action: str,
    target_type: str,
    target_id: int | str,
    target_label: str,
    now: datetime,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditRecord:
    """Record that `actor` did `action` to a thing; `before` and `after` hold what changed, secrets left out.

    Must be called inside the transaction that does the act; raises RuntimeError otherwise.
    """
    require_transaction()
    return AuditRecord.objects.create(
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.user_id,
        actor_label=actor.label,
        ip=actor.ip,
        action=action,
        target_type=target_type,
        target_id=str(target_id),
        target_label=target_label,
        reason=reason,
        before=before or {},
        after=after or {},
        correlation_id=correlation_id(),
    )


def agreed(approval_id: int | None) -> dict[str, int]:
    """What a record's `after` says of the approval that an act was done under, where there was one."""
    return {} if approval_id is None else {"approval": approval_id}
