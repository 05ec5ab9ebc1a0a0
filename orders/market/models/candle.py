"""Candles, made from the trades and made again at will: none of this is a fact."""

from __future__ import annotations

from django.db import models

from django_partition import PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from orders.market.intervals import STORED, Interval
from tradeplatform.common.fields import PriceField, SumField

_WORDS = [(interval.value, interval.value) for interval in STORED if interval is not Interval.SECOND]
#: Whole days before today of which candles of a second are kept; longer ones are kept for ever.
SECONDS_KEPT_DAYS = 7


class Tape(models.Model):
    """One for each instrument: whoever follows its trades and quotes holds the lock on this row.

    Trades up to `book_seq` are in the candles and have been held against the alerts. It is safe to remember:
    the book's seq has no gaps, one writer, and is committed in order. `book_at` is the time of the last of
    them. Quotes up to `quotes_at` have been held against the alerts.
    """

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    book_seq = models.BigIntegerField(default=0)
    book_at = models.DateTimeField(null=True)
    quotes_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tape {self.pk}"


class _Candle(PartitionedModel):
    """The trades of one interval that had any; `first_seq` and `last_seq` say which opened and closed it."""

    id = models.BigAutoField(primary_key=True)
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    opened_at = models.DateTimeField()
    open = PriceField()
    high = PriceField()
    low = PriceField()
    close = PriceField()
    volume = SumField(help_text="Units of base.")
    quote_volume = SumField()
    taker_volume = SumField(help_text="What takers bought of it, in base.")
    taker_quote_volume = SumField()
    trades = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"candle of {self.opened_at.isoformat()}"


class Candle(_Candle):
    """A candle of a minute, an hour or a day: all longer ones are made of these."""

    partitioning = PartitionPolicy(key="opened_at", period=Period.MONTH, ahead=3)

    interval = models.CharField(max_length=3, choices=_WORDS)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "interval", "opened_at"], name="candle_once")
        ]


class SecondCandle(_Candle):
    """A candle of a second: many, and kept for some days only."""

    partitioning = PartitionPolicy(key="opened_at", period=Period.DAY, ahead=3, retain=SECONDS_KEPT_DAYS)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instrument", "opened_at"], name="second_candle_once")]
