"""Freeze the past: what a report was made of must stay. Nothing thaws it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Instrument
from orders.history.models import FrozenPeriod
from orders.history.services.following import follow_book, follow_books, follow_deals
from orders.history.services.timelines import frozen_until, lock_freezing
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

#: Constant memory, whatever the number of points: a sum of hashes over everything a point says.
FINGERPRINT = """
    SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', account_id, instrument_id,
        extract(epoch FROM at), origin, execution_id, quantity, price, fee, position, cost, realised, fees),
        0)::numeric), 0)::text
    FROM history_positionpoint
    WHERE (%(instrument)s::int IS NULL OR instrument_id = %(instrument)s) AND at < %(until)s"""


def freeze(
    *,
    instrument_id: int | None,
    until: datetime,
    reason: str,
    actor: Actor,
    now: datetime,
    dry_run: bool = False,
) -> FrozenPeriod:
    """Make everything before `until` final, of one instrument or (None) of all, those to come included.

    Raises Refusal: reason_required, invalid_field, already_frozen.
    """
    reason = require_reason(reason)
    if until > now:
        raise Refusal(Code.INVALID_FIELD, "until lies in the future: only the past is frozen.", field="until")
    # What our own books and desk traded until then belongs into the period.
    follow_deals(now=now)
    if instrument_id is None:
        follow_books(now=now)
    else:
        follow_book(instrument_id, now=now)
    with transaction.atomic():
        lock_freezing()
        _refuse_lag(instrument_id, until)
        before = _frozen_already(instrument_id)
        if before is not None and before >= until:
            raise Refusal(
                Code.ALREADY_FROZEN,
                f"Frozen until {rfc3339(before)} already; a frozen period does not thaw.",
                until=rfc3339(before),
            )
        points, fingerprint = fetch(FINGERPRINT, {"instrument": instrument_id, "until": until})[0]
        period = FrozenPeriod.objects.create(
            instrument_id=instrument_id,
            until=until,
            at=now,
            reason=reason,
            actor_id=actor.user_id,
            actor_label=actor.label,
            points=points,
            fingerprint=fingerprint,
        )
        record(
            actor=actor,
            action="history.period.freeze",
            target_type="history.frozenperiod",
            target_id=period.pk,
            target_label=_label(instrument_id),
            reason=reason,
            before={"until": before and rfc3339(before)},
            after={"until": rfc3339(until), "points": points},
            now=now,
        )
        if dry_run:
            transaction.set_rollback(True)
    return period


def _frozen_already(instrument_id: int | None) -> datetime | None:
    """Where the frozen past ends; of all instruments together: where a period of all ends."""
    if instrument_id is not None:
        return frozen_until([instrument_id]).get(instrument_id)
    end: datetime | None = FrozenPeriod.objects.filter(instrument=None).aggregate(end=Max("until"))["end"]
    return end


def _refuse_lag(instrument_id: int | None, until: datetime) -> None:
    """A book that has traded since we followed it, or has orders of the period to match, is not ready."""
    rows = fetch(
        """
        SELECT i.symbol FROM orders_book b JOIN instruments_instrument i ON i.id = b.instrument_id
        LEFT JOIN history_timeline t ON t.instrument_id = b.instrument_id
        WHERE (%(instrument)s::int IS NULL OR b.instrument_id = %(instrument)s) AND (
            EXISTS (SELECT 1 FROM orders_fill f WHERE f.trade_id > (b.instrument_id::bigint << 40)
                    + coalesce(t.book_seq, 0) AND f.trade_id <= (b.instrument_id::bigint << 40) + b.seq
                    AND f.at < %(until)s)
            OR EXISTS (SELECT 1 FROM orders_command c WHERE c.instrument_id = b.instrument_id
                       AND c.status = 'pending' AND c.at < %(until)s))
        ORDER BY i.symbol LIMIT 1""",
        {"instrument": instrument_id, "until": until},
    )
    if rows:
        raise Refusal(
            Code.UNAVAILABLE,
            f"The book of {rows[0][0]} still has orders of that time to match: try again.",
            instrument=rows[0][0],
        )


def _label(instrument_id: int | None) -> str:
    if instrument_id is None:
        return "all instruments"
    return str(Instrument.objects.values_list("symbol", flat=True).get(pk=instrument_id))
