"""Let time pass in books where something is due; what expires then is decided by the engine."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actor import Actor
from orders.models import LIVE_STAGES, CommandKind
from orders.services.journal import CommandRow, write_commands
from orders.services.wake import wake_after_commit
from tradeplatform.common.db import fetch, run_alone

ACTOR = Actor.system("expiry")

# By the partial index of live orders that expire; a TIME that waits will do for all that is due by then,
# and the next call sees to what became due after it was written.
_LIVE = ", ".join(f"'{stage.value}'" for stage in LIVE_STAGES)
_DUE = f"""
    SELECT b.instrument_id, b.shard_id FROM orders_book b
    WHERE b.instrument_id IN (
        SELECT instrument_id FROM orders_order WHERE expires_at <= %s::timestamptz AND stage IN ({_LIVE})
    ) AND NOT EXISTS (
        SELECT 1 FROM orders_command c
        WHERE c.shard_id = b.shard_id AND c.status = 'pending' AND c.instrument_id = b.instrument_id
          AND c.kind = %s::smallint
    ) ORDER BY b.instrument_id
"""  # noqa: S608 - our own words


def expire_due(*, now: datetime) -> list[int]:
    """Write one TIME command for each book that holds orders due by now; returns the instruments' ids.

    May be called at any time and by any number: where a TIME waits already, none is added.
    """
    with transaction.atomic():
        run_alone("expiry")
        due = fetch(_DUE, [now, CommandKind.TIME.value], prepared=True)
        if not due:
            return []
        write_commands(
            [
                CommandRow(shard_id=shard_id, instrument_id=instrument_id, kind=CommandKind.TIME)
                for instrument_id, shard_id in due
            ],
            actor=ACTOR,
            now=now,
        )
        wake_after_commit(shard_id for _instrument_id, shard_id in due)
    return [instrument_id for instrument_id, _shard_id in due]
