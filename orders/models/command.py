"""Commands and who works on them: the shard (a single writer), the book (one for each instrument)."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from django_partition import QUEUE, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from tradeplatform.common.fields import AmountField


class ShardStatus(models.TextChoices):
    """Whether a shard works."""

    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"


class Shard(models.Model):
    """A set of books with one writer: whoever holds the lock on this row.

    `epoch` rises with each change of owner; `position` counts the commands applied. Both are checked in
    the transaction that writes, so a worker that was frozen and wakes up writes nothing.
    """

    id = models.SmallIntegerField(primary_key=True)
    status = models.CharField(max_length=8, choices=ShardStatus, default=ShardStatus.RUNNING)
    stop_reason = models.TextField(blank=True, default="")
    owner = models.CharField(max_length=128, blank=True, default="")
    epoch = models.BigIntegerField(default=0)
    position = models.BigIntegerField(default=0)
    drained_at = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(null=True, help_text="When its owner took it over.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id__gt=0), name="shard_id_positive")]

    def __str__(self) -> str:
        return f"shard {self.pk}"

    @property
    def queue(self) -> str:
        """The Celery queue its worker listens on."""
        return f"shard-{self.pk}"


class Phase(models.IntegerChoices):
    """What a book does with orders; the numbers are the engine's own, see docs/engine.md."""

    OPEN = 1, "Open"
    HALTED = 2, "Halted"
    PRE_OPEN = 3, "Pre-open"
    AUCTION = 4, "Auction"
    CANCEL_ONLY = 5, "Cancel only"
    CLOSED = 6, "Closed"


class Book(models.Model):
    """The order book of one instrument, as of its last committed event.

    `seq` is the number of events so far: it starts at 1, has no gaps and orders everything.
    `state_hash` is the engine's hash at `seq`; a rebuilt book must give the same one.
    """

    instrument = models.OneToOneField(Instrument, on_delete=models.PROTECT, primary_key=True)
    shard = models.ForeignKey(Shard, on_delete=models.PROTECT, related_name="books")
    seq = models.BigIntegerField(default=0)
    last_time = models.BigIntegerField(
        default=0, help_text="Time of the last event, microseconds since 1970."
    )
    last_price_ticks = models.BigIntegerField(default=0, help_text="Price of the last trade; 0 = none yet.")
    phase = models.SmallIntegerField(choices=Phase, default=Phase.OPEN)
    state_hash = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(seq__gte=0), name="book_seq_not_negative"),
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="book_phase_known"),
        ]

    def __str__(self) -> str:
        return f"book {self.pk}"


class CommandKind(models.IntegerChoices):
    """What is asked of the engine; the numbers are the engine's own."""

    NEW = 1, "New"
    CANCEL = 2, "Cancel"
    AMEND = 3, "Amend"
    PHASE = 4, "Phase"
    TIME = 5, "Time"
    MASS_CANCEL = 6, "Mass cancel"


class CommandStatus(models.TextChoices):
    """Pending until the drain has applied it."""

    PENDING = "pending", "Pending"
    DONE = "done", "Done"


class Command(PartitionedModel):
    """A request to change a market, in the engine's own integers: the journal that can be replayed.

    Written by intake, changes and phases; `status`, `position` and `last_seq` are moved by the drain alone.
    `held` is what an amend has reserved beyond the order's own hold, until it is applied.
    `terms` is what most orders do without, by the names of the engine's record; what is left out is 0.
    `client_request_id` is what the client calls its cancel; an order's own name is the order's.
    """

    partitioning = PartitionPolicy(key="at", period=Period.MONTH, ahead=3, storage=QUEUE)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    shard_id = models.SmallIntegerField()
    instrument_id = models.IntegerField()
    kind = models.SmallIntegerField(choices=CommandKind)
    status = models.CharField(max_length=8, choices=CommandStatus, default=CommandStatus.PENDING)
    order_id = models.BigIntegerField(default=0)
    account_id = models.BigIntegerField(default=0, help_text="Owner of the order; 0 = an operator acts.")
    side = models.SmallIntegerField(default=0)
    order_type = models.SmallIntegerField(default=0)
    time_in_force = models.SmallIntegerField(default=0)
    flags = models.SmallIntegerField(default=0)
    stp_mode = models.SmallIntegerField(default=0)
    stp_group = models.BigIntegerField(default=0)
    reason_code = models.SmallIntegerField(default=0)
    price_ticks = models.BigIntegerField(default=0)
    quantity_lots = models.BigIntegerField(default=0)
    phase = models.SmallIntegerField(default=0)
    terms = models.JSONField(null=True)
    time_us = models.BigIntegerField(help_text="When it was accepted, microseconds since 1970.")
    held = AmountField(default=Decimal(0))
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150, default="")
    reason = models.TextField(default="")
    correlation_id = models.CharField(max_length=64, default="")
    client_request_id = models.CharField(max_length=36, db_default="", default="")
    position = models.BigIntegerField(null=True, help_text="Place in its shard's order of application.")
    last_seq = models.BigIntegerField(null=True, help_text="Book seq after it was applied.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(held__gte=0), name="command_held_not_negative"),
            models.CheckConstraint(
                condition=Q(status=CommandStatus.PENDING) | Q(held=0), name="command_done_holds_nothing"
            ),
            models.CheckConstraint(
                condition=Q(status=CommandStatus.PENDING, position__isnull=True)
                | Q(status=CommandStatus.DONE, position__isnull=False),
                name="command_done_has_position",
            ),
            models.CheckConstraint(
                condition=Q(terms__isnull=True) | Q(kind=CommandKind.NEW), name="command_terms_of_new"
            ),
            models.CheckConstraint(
                condition=Q(kind=CommandKind.PHASE, phase__in=Phase.values)
                | Q(~Q(kind=CommandKind.PHASE), phase=0),
                name="command_phase_of_phase",
            ),
            models.CheckConstraint(
                condition=Q(client_request_id="") | Q(kind__in=[CommandKind.CANCEL, CommandKind.MASS_CANCEL]),
                name="command_only_cancels_are_named",
            ),
        ]
        indexes = [
            models.Index(
                fields=["shard_id", "id"],
                condition=Q(status=CommandStatus.PENDING),
                name="command_pending",
            ),
            models.Index(fields=["order_id", "id"], condition=Q(order_id__gt=0), name="command_by_order"),
            models.Index(
                fields=["shard_id", "position"],
                condition=Q(position__isnull=False),
                name="command_journal",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
