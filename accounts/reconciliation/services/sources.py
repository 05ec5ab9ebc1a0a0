"""Statement sources: whose ledger accounts a bank or custodian is the other side of, and how it writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import LedgerAccount, LedgerKind
from accounts.reconciliation.models import SourceLedger, StatementSource
from accounts.services.amounts import find_asset
from accounts.services.posting import Ledger
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from tradeplatform.common.changes import Seen, apply_changes, only, plain, validate
from tradeplatform.common.db import require_transaction
from tradeplatform.common.errors import Code, Refusal

#: The kinds of ledger accounts that somebody outside is the other side of.
KINDS = (LedgerKind.FUNDING, LedgerKind.LP)
SOURCE_FIELDS = (
    "counterparty", "delimiter", "decimal_mark", "date_format", "reference_column", "date_column",
    "amount_column", "credit_column", "debit_column", "asset_column", "our_reference_column", "text_column",
    "match_days",
)  # fmt: skip


def add_source(
    *,
    name: str,
    kind: LedgerKind,
    assets: Collection[str],
    values: Mapping[str, Any],
    reason: str,
    actor: Actor,
    now: datetime,
) -> StatementSource:
    """Add a source for the live ledger accounts of `kind` in these assets. Its name and they are for ever.

    Raises Refusal: reason_required, invalid_field (one of them is reconciled with another source, several
    assets without a column that tells them apart), field_is_fixed, unknown_asset.
    """
    reason = require_reason(reason)
    only(values, SOURCE_FIELDS)
    if kind not in KINDS or not assets:
        raise Refusal(Code.INVALID_FIELD, "A source is about funding or lp, in one asset or more.")
    source = StatementSource(name=name, **values)
    if len(set(assets)) > 1 and not source.asset_column:
        raise Refusal(
            Code.INVALID_FIELD, "Several assets need a column that says which.", field="asset_column"
        )
    found = [find_asset(code) for code in sorted(set(assets))]
    with transaction.atomic():
        validate(source)
        source.save(force_insert=True)
        ledgers = Ledger.lock(system=[(kind, asset.pk) for asset in found])
        ids = [ledgers.system(kind, asset.pk).id for asset in found]
        try:
            with transaction.atomic():
                SourceLedger.objects.bulk_create(SourceLedger(source=source, ledger_id=pk) for pk in ids)
        except IntegrityError as error:
            raise Refusal(
                Code.INVALID_FIELD,
                "Another source is reconciled with this ledger account.",
                field="assets",
            ) from error
        after = plain(source, SOURCE_FIELDS) | {"kind": kind.value, "assets": [a.code for a in found]}
        _record(source, "add", {}, after, reason=reason, actor=actor, now=now)
    return source


def change_source(
    *,
    source_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> StatementSource:
    """Change how its files are read, from now on.

    Raises Refusal: reason_required, not_found, field_is_fixed, row_changed, no_change, invalid_field.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        source = lock_source(source_id)
        before, after = apply_changes(source, changes, SOURCE_FIELDS, seen=seen)
        if not source.asset_column and source.ledgers.count() > 1:
            raise Refusal(
                Code.INVALID_FIELD, "Several assets need a column that says which.", field="asset_column"
            )
        source.save(update_fields=list(after))
        _record(source, "change", before, after, reason=reason, actor=actor, now=now)
    return source


def lock_source(source_id: int) -> StatementSource:
    """The source, locked: imports, matches and write-offs of one source come one after the other.

    It is locked after an approval request and before any ledger account. Raises Refusal not_found.
    """
    require_transaction()
    found = StatementSource.objects.select_for_update(no_key=True).filter(pk=source_id).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such statement source.", source=source_id)
    return found


def find_source(name: str) -> StatementSource:
    """The source of this name. Raises Refusal not_found."""
    found = StatementSource.objects.filter(name=name).first() if name.isprintable() else None
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"No statement source is called {name[:32]!a}.", source=name[:32])
    return found


def assets_of(source: StatementSource) -> dict[int, Asset]:
    """Its assets, by the id of their ledger account, in the order of codes."""
    ledgers = LedgerAccount.objects.filter(reconciled_with__source=source).select_related("asset")
    return {ledger.pk: ledger.asset for ledger in ledgers.order_by("asset__code")}


def _record(
    source: StatementSource,
    verb: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    record(
        actor=actor,
        action=f"reconciliation.source.{verb}",
        target_type="reconciliation.statementsource",
        target_id=source.pk,
        target_label=source.name,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
