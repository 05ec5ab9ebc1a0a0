"""Files uploaded in the back office: kept with their preview until they are imported or thrown away."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from decimal import Decimal
from typing import BinaryIO

from django.db import transaction

from accounts.reconciliation.models import StatementUpload
from accounts.reconciliation.reading import MOST_BYTES
from accounts.reconciliation.services.importing import (
    Imported,
    Preview,
    Terms,
    import_statement,
    preview_statement,
)
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.scaling import short_text
from tradeplatform.common.errors import Code, Refusal

KEPT = timedelta(days=7)


def upload(
    *,
    source_id: int,
    file: BinaryIO,
    file_name: str,
    terms: Terms,
    reason: str,
    actor: Actor,
    now: datetime,
) -> StatementUpload:
    """Keep the file with its preview; nothing of it is imported. Raises what `preview_statement` raises."""
    reason = require_reason(reason)
    content = file.read(MOST_BYTES + 1)
    with transaction.atomic():
        seen = preview_statement(
            source_id=source_id, file=io.BytesIO(content), terms=terms, actor=actor, now=now
        )
        kept = StatementUpload.objects.create(
            source_id=source_id,
            file_name=file_name[:150],
            content=content,
            first=terms.first,
            last=terms.last,
            closing={code: short_text(amount) for code, amount in terms.closing.items()},
            preview=seen.as_json(),
            reason=reason,
            at=now,
            actor_label=actor.label,
        )
        _record(kept, "upload", reason=reason, actor=actor, now=now)
    return kept


def preview_upload(kept: StatementUpload, *, actor: Actor, now: datetime) -> Preview:
    """What importing it would do as things stand now."""
    return preview_statement(
        source_id=kept.source_id, file=_file(kept), terms=terms_of(kept), actor=actor, now=now
    )


def import_upload(*, upload_id: int, reason: str, actor: Actor, now: datetime) -> Imported:
    """Import it; the upload is gone then. Raises Refusal: not_found, and what `import_statement` raises."""
    with transaction.atomic():
        kept = _lock(upload_id)
        done = import_statement(
            source_id=kept.source_id,
            file=_file(kept),
            file_name=kept.file_name,
            terms=terms_of(kept),
            reason=reason,
            actor=actor,
            now=now,
        )
        kept.delete()
    return done


def discard(*, upload_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """Throw it away. Raises Refusal: reason_required, not_found."""
    reason = require_reason(reason)
    with transaction.atomic():
        kept = _lock(upload_id)
        _record(kept, "discard", reason=reason, actor=actor, now=now)
        kept.delete()


def forget_old(*, now: datetime) -> int:
    """Throw away what nobody imported within KEPT; how many."""
    count, _each = StatementUpload.objects.filter(at__lt=now - KEPT).delete()
    return count


def terms_of(kept: StatementUpload) -> Terms:
    """What was said beside the file."""
    return Terms(kept.first, kept.last, {code: Decimal(amount) for code, amount in kept.closing.items()})


def _lock(upload_id: int) -> StatementUpload:
    """Before its source: whoever imports it and whoever throws it away meet here."""
    found = StatementUpload.objects.select_for_update(no_key=True).filter(pk=upload_id).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "It is gone: imported or thrown away.", id=upload_id)
    return found


def _file(kept: StatementUpload) -> BinaryIO:
    return io.BytesIO(bytes(kept.content))


def _record(kept: StatementUpload, verb: str, *, reason: str, actor: Actor, now: datetime) -> None:
    record(
        actor=actor,
        action=f"reconciliation.statement.{verb}",
        target_type="reconciliation.statementsource",
        target_id=kept.source_id,
        target_label=str(kept.source),
        reason=reason,
        after={"file": kept.file_name, "rows": kept.preview["rows"], "faults": kept.preview["faults"]},
        now=now,
    )
