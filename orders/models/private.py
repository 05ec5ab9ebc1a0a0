"""An account's private events, numbered: what a client that was away asks for again."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.models import TradingAccount
from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument

#: What was numbered longer ago is in the lists of the API alone.
DAYS_KEPT = 30


class PrivateKind(models.TextChoices):
    """What a private event is about, and so where its content is kept."""

    ORDER = "order", "Order event"
    FILL = "fill", "Fill"
    BALANCE = "balance", "Balance"
    DEAL = "deal", "Deal"


class PrivateStream(models.Model):
    """How far an account's events are numbered. There is one once its owner has asked for them.

    `last` is the highest number given. Deals and, along each ledger account, transfers come in order of
    their ids: `deal_id` and `transfers` (by ledger account) are the last that were looked at.
    """

    account = models.OneToOneField(
        TradingAccount, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    opened_at = models.DateTimeField()
    last = models.BigIntegerField(default=0)
    deal_id = models.BigIntegerField(default=0)
    transfers = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"private stream of account {self.account_id}"


class PrivateTape(models.Model):
    """How far a book's events have been looked at for private streams."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    book_seq = models.BigIntegerField(default=0)
    book_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"private tape of {self.instrument_id}"


class PrivateEvent(PartitionedModel):
    """A number, and the fact it was given to: numbers of an account begin at 1 and have no gaps.

    `source_id` is an event's id (order, fill), a transfer's or a deal's, and `source_at` its time.
    """

    partitioning = PartitionPolicy(
        key="at", period=Period.DAY, ahead=7, retain=DAYS_KEPT, storage=APPEND_ONLY
    )

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    account_id = models.BigIntegerField()
    number = models.BigIntegerField()
    kind = models.CharField(max_length=7, choices=PrivateKind)
    source_id = models.BigIntegerField()
    source_at = models.DateTimeField()
    order_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(number__gt=0), name="private_number_positive")]
        indexes = [models.Index(fields=["account_id", "number"], name="private_by_number")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.account_id}/{self.number}"
