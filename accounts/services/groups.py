"""Trading groups, their terms, and their exceptions for instruments. A change counts from the next deal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import GroupInstrument, TradingGroup
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Instrument
from instruments.selectors import find_instrument
from tradeplatform.common.changes import Seen, apply_changes, only, plain, validate
from tradeplatform.common.errors import Code, Refusal

GROUP_FIELDS = (
    "execution", "markup_steps", "commission_asset", "commission_per_contract", "commission_rate",
    "commission_minimum", "max_leverage", "margin_method", "leverage_regime", "position_mode", "call_level",
    "stop_out_level",
)  # fmt: skip
EXCEPTION_FIELDS = (
    "is_enabled", "markup_steps", "commission_per_contract", "commission_rate", "commission_minimum",
    "max_leverage", "margin_rate", "min_volume", "max_volume",
)  # fmt: skip


def create_group(
    *, name: str, values: Mapping[str, Any], actor: Actor, now: datetime, reason: str
) -> TradingGroup:
    """Add a group without accounts. Raises Refusal: reason_required, invalid_field, field_is_fixed."""
    reason = require_reason(reason)
    only(values, GROUP_FIELDS)
    group = TradingGroup(name=name, **values)
    with transaction.atomic():
        validate(group)
        group.save(force_insert=True)
        _record(group, "create", {}, plain(group, GROUP_FIELDS), actor=actor, now=now, reason=reason)
    return group


def change_group_terms(
    *,
    group_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> TradingGroup:
    """Change terms for all accounts of the group at once, open positions' margin included.

    Raises Refusal: reason_required, not_found, field_is_fixed, row_changed, invalid_field, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        group = _locked(group_id)
        before, after = apply_changes(group, changes, GROUP_FIELDS, seen=seen)
        group.save(update_fields=list(after))
        _record(group, "change", before, after, actor=actor, now=now, reason=reason)
    return group


def set_exception(
    *,
    group_id: int,
    symbol: str,
    values: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> GroupInstrument:
    """Say what is different for one instrument; what is None is as the group says.

    Raises Refusal: reason_required, not_found, unknown_symbol, field_is_fixed, row_changed, invalid_field,
    no_change.
    """
    reason = require_reason(reason)
    instrument = find_instrument(symbol)
    with transaction.atomic():
        group = _locked(group_id)
        row = exception_of(group, instrument)
        before, after = apply_changes(row, values, EXCEPTION_FIELDS, seen=seen)
        row.save()
        _record(
            group, "set_exception", before, {"symbol": symbol} | after, actor=actor, now=now, reason=reason
        )
    return row


def exception_of(group: TradingGroup, instrument: Instrument) -> GroupInstrument:
    """The group's exception for the instrument; where there is none, one that says nothing, not stored."""
    found = GroupInstrument.objects.filter(group=group, instrument=instrument).first()
    return found or GroupInstrument(group=group, instrument=instrument)


def drop_exception(*, group_id: int, symbol: str, actor: Actor, now: datetime, reason: str) -> None:
    """Let the group's terms count for the instrument again. Raises Refusal: reason_required, not_found."""
    reason = require_reason(reason)
    with transaction.atomic():
        group = _locked(group_id)
        row = GroupInstrument.objects.filter(group=group, instrument__symbol=symbol).first()
        if row is None:
            raise Refusal(Code.NOT_FOUND, "The group has no exception for this instrument.", field="symbol")
        before = {"symbol": symbol} | plain(row, EXCEPTION_FIELDS)
        row.delete()
        _record(group, "drop_exception", before, {}, actor=actor, now=now, reason=reason)


def _locked(group_id: int) -> TradingGroup:
    group = TradingGroup.objects.select_for_update(no_key=True).filter(id=group_id).first()
    if group is None:
        raise Refusal(Code.NOT_FOUND, "No such group.", group=group_id)
    return group


def _record(
    group: TradingGroup,
    verb: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
) -> None:
    record(
        actor=actor,
        action=f"accounts.group.{verb}",
        target_type="accounts.tradinggroup",
        target_id=group.pk,
        target_label=group.name,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
