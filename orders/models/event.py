"""Events: what the engine said, one row for each seq of a book, never changed."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel

SEQ_BITS = 40
LAST_SEQ = (1 << SEQ_BITS) - 1


def event_id(instrument_id: int, seq: int) -> int:
    """The id of the event at `seq` of an instrument's book: the pair itself, so never given twice."""
    return (instrument_id << SEQ_BITS) | seq


class EventKind(models.IntegerChoices):
    """What happened; the numbers are the engine's own."""

    ACCEPTED = 1, "Accepted"
    REJECTED = 2, "Rejected"
    TRADE = 3, "Trade"
    CANCELLED = 4, "Cancelled"
    AMENDED = 5, "Amended"
    CANCEL_REJECTED = 6, "Cancel rejected"
    AMEND_REJECTED = 7, "Amend rejected"
    REDUCED = 8, "Reduced"
    PHASE_CHANGED = 9, "Phase changed"
    MASS_CANCELLED = 10, "Mass cancelled"
    TRIGGERED = 11, "Triggered"
    ACTIVATED = 12, "Activated"
    TRAILED = 13, "Trailed"
    DISPLAYED = 14, "Displayed"
    TIME = 15, "Time"


class Event(PartitionedModel):
    """A fact in the engine's own integers (ticks and lots). `order_id` is the taker on a trade."""

    partitioning = PartitionPolicy(key="at", period=Period.DAY, ahead=7, storage=APPEND_ONLY)

    id = models.BigIntegerField(primary_key=True, help_text="instrument << 40 | seq")
    at = models.DateTimeField()
    instrument_id = models.IntegerField()
    seq = models.BigIntegerField()
    command_id = models.BigIntegerField()
    kind = models.SmallIntegerField(choices=EventKind)
    reason_code = models.SmallIntegerField()
    side = models.SmallIntegerField()
    flags = models.SmallIntegerField()
    order_id = models.BigIntegerField()
    account_id = models.BigIntegerField()
    maker_order_id = models.BigIntegerField()
    maker_account_id = models.BigIntegerField()
    price_ticks = models.BigIntegerField()
    quantity_lots = models.BigIntegerField()
    leaves_lots = models.BigIntegerField()
    maker_leaves_lots = models.BigIntegerField()
    priority = models.BigIntegerField()
    epoch = models.BigIntegerField(help_text="The shard's epoch under which it was written.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(seq__gt=0), name="event_seq_positive")]
        indexes = [
            models.Index(fields=["order_id"], condition=Q(order_id__gt=0), name="event_by_order"),
            models.Index(
                fields=["maker_order_id"], condition=Q(maker_order_id__gt=0), name="event_by_maker_order"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.instrument_id}/{self.seq}"
