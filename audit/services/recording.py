"""Write an audit record in the caller's transaction: the act and its record commit together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from audit.actor import Actor
from audit.models import AuditRecord
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import require_transaction
from tradeplatform.common.statements import Statement, creating


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
    made = new_record(
        actor=actor,
        action=action,
        target_type=target_type,
        target_id=target_id,
        target_label=target_label,
        now=now,
        reason=reason,
        before=before,
        after=after,
        correlation=correlation_id(),
    )
    record_all([made])
    return made


def record_all(records: Sequence[AuditRecord]) -> None:
    """Write the records of what one transaction does. Raises RuntimeError outside of one."""
    require_transaction()
    AuditRecord.objects.bulk_create(records)


def recorded(records: Sequence[AuditRecord]) -> Statement[None]:
    """As `record_all`, for whoever writes more with it; the records are not told their ids."""
    require_transaction()
    return creating(records)


def new_record(
    *,
    actor: Actor,
    action: str,
    target_type: str,
    target_id: int | str,
    target_label: str,
    now: datetime,
    reason: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    correlation: str,
) -> AuditRecord:
    """As `record`, to be written by `record_all`; `correlation` is the id that the act can be followed by."""
    return AuditRecord(
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
        correlation_id=correlation,
    )


def agreed(approval_id: int | None) -> dict[str, int]:
    """What a record's `after` says of the approval that an act was done under, where there was one."""
    return {} if approval_id is None else {"approval": approval_id}
