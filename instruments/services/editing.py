"""Create and change assets and instruments by hand. What is changed takes effect with the next order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset, Instrument, MarginTier
from instruments.scaling import short_text
from tradeplatform.common.changes import Seen, apply_changes, plain, validate
from tradeplatform.common.errors import Code, Refusal

# Fixed once chosen: symbol, assets and steps (resting orders and the journal are counted in them).
# `status` is moved by phases alone.
INSTRUMENT_FIELDS = (
    "display_name", "halt_policy", "min_price", "max_price", "min_quantity", "max_quantity", "min_notional",
    "max_notional", "price_band", "reference_price", "max_open_orders", "maker_fee", "taker_fee",
    "contract_size", "max_leverage", "daily_volatility", "swap_long", "swap_short", "swap_triple_day",
    "auction_seconds", "day_ends_at",
)  # fmt: skip
INSTRUMENT_FIXED = ("symbol", "realm", "kind", "base", "quote", "tick_size", "lot_size")
ASSET_FIELDS = ("name", "is_active")
ASSET_FIXED = ("code", "decimals")

_Row = TypeVar("_Row", Asset, Instrument)


def change_instrument(
    *,
    instrument_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> Instrument:
    """Set limits, fees and names of an instrument; orders taken before keep the fees they were taken with.

    Raises Refusal: reason_required, unknown_symbol, field_is_fixed, row_changed, invalid_field, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        instrument = Instrument.objects.select_for_update(no_key=True).filter(id=instrument_id).first()
        if instrument is None:
            raise Refusal(Code.UNKNOWN_SYMBOL, "No such instrument.", instrument=instrument_id)
        before, after = apply_changes(instrument, changes, INSTRUMENT_FIELDS, seen=seen)
        instrument.save(update_fields=[*after, "updated_at"])
        _record(instrument, "change", instrument.symbol, before, after, actor=actor, now=now, reason=reason)
    return instrument


def create_instrument(*, values: Mapping[str, Any], actor: Actor, now: datetime, reason: str) -> Instrument:
    """Add an instrument, active at once; its book opens with its first order.

    Raises Refusal: reason_required, invalid_field.
    """
    return _create(Instrument(**values), "symbol", actor=actor, now=now, reason=reason)


def set_margin_tiers(
    *,
    instrument_id: int,
    tiers: Mapping[Decimal, Decimal],
    seen: Mapping[Decimal, Decimal] | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> Instrument:
    """Replace an instrument's margin tiers: rates by the notional they begin at, rising with it.

    Raises Refusal: reason_required, unknown_symbol, invalid_number, row_changed (they are not as they were
    `seen`), no_change.
    """
    reason = require_reason(reason)
    finite = all(number.is_finite() for tier in tiers.items() for number in tier)
    ordered = sorted(tiers.items()) if finite else []
    rates = [Decimal(0), *(rate for _begin, rate in ordered)]
    if not finite or any(begin < 0 for begin in tiers) or rates != sorted(set(rates)) or rates[-1] > 1:
        raise Refusal(
            Code.INVALID_NUMBER,
            "A tier begins at 0 or above, and its rate is above the one before and at most 1.",
            field="tiers",
        )
    with transaction.atomic():
        instrument = Instrument.objects.select_for_update(no_key=True).filter(id=instrument_id).first()
        if instrument is None:
            raise Refusal(Code.UNKNOWN_SYMBOL, "No such instrument.", instrument=instrument_id)
        stored = instrument.margin_tiers.order_by("from_notional")
        before = dict(stored.values_list("from_notional", "rate"))
        if seen is not None and before != seen:
            raise Refusal(
                Code.ROW_CHANGED,
                "Somebody else has changed the tiers meanwhile: nothing was saved. Open the form again.",
                fields={"tiers": {"seen": _texts(seen), "now": _texts(before)}},
            )
        if before == dict(ordered):
            raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
        stored.delete()
        MarginTier.objects.bulk_create(
            MarginTier(instrument=instrument, from_notional=begin, rate=rate) for begin, rate in ordered
        )
        _record(
            instrument,
            "margin_tiers",
            instrument.symbol,
            {"tiers": _texts(before)},
            {"tiers": _texts(tiers)},
            actor=actor,
            now=now,
            reason=reason,
        )
    return instrument


def change_asset(
    *,
    asset_id: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> Asset:
    """Rename an asset, or open or close it for deposits and withdrawals.

    Raises Refusal: reason_required, unknown_asset, field_is_fixed, row_changed, invalid_field, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        asset = Asset.objects.select_for_update(no_key=True).filter(id=asset_id).first()
        if asset is None:
            raise Refusal(Code.UNKNOWN_ASSET, "No such asset.", asset=asset_id)
        before, after = apply_changes(asset, changes, ASSET_FIELDS, seen=seen)
        asset.save(update_fields=list(after))
        _record(asset, "change", asset.code, before, after, actor=actor, now=now, reason=reason)
    return asset


def create_asset(*, values: Mapping[str, Any], actor: Actor, now: datetime, reason: str) -> Asset:
    """Add an asset. Raises Refusal: reason_required, invalid_field."""
    return _create(Asset(**values), "code", actor=actor, now=now, reason=reason)


def _texts(tiers: Mapping[Decimal, Decimal]) -> dict[str, str]:
    return {short_text(begin): short_text(rate) for begin, rate in sorted(tiers.items())}


def _create(row: _Row, label: str, *, actor: Actor, now: datetime, reason: str) -> _Row:
    reason = require_reason(reason)
    with transaction.atomic():
        validate(row)
        row.save(force_insert=True)
        names = [field.name for field in row._meta.concrete_fields if field.name not in _AUTOMATIC]
        after = plain(row, names)
        _record(row, "create", getattr(row, label), {}, after, actor=actor, now=now, reason=reason)
    return row


_AUTOMATIC = frozenset({"id", "created_at", "updated_at"})


def _record(
    row: Asset | Instrument,
    verb: str,
    label: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
) -> None:
    name = row._meta.model_name or ""
    record(
        actor=actor,
        action=f"instruments.{name}.{verb}",
        target_type=f"instruments.{name}",
        target_id=row.pk,
        target_label=label,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
