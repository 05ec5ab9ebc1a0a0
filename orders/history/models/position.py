"""Positions over time, made from the trade store and made again whenever asked: none of this is a fact."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.building import Standing
from tradeplatform.common.fields import AmountField, PriceField, QuantityField, SumField


class Origin(models.IntegerChoices):
    """Where an execution comes from; at one microsecond lower numbers count first. See history.executions."""

    FILL = 1, "Fill"
    DEAL = 2, "Deal"
    EXTERNAL = 3, "External trade"


class Timeline(models.Model):
    """One for each instrument: whoever changes its points or live positions holds the lock on this row.

    `book_seq` says how far the fills of its book are in the points. It is safe to remember: the book's seq
    has no gaps, one writer, and is committed in order. `book_at` is the time of the last of them.
    """

    instrument = models.OneToOneField(Instrument, on_delete=models.PROTECT, primary_key=True)
    book_seq = models.BigIntegerField(default=0)
    book_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"timeline {self.pk}"


class DealsFollowed(models.Model):
    """One row: every deal up to the id `settled` is in the points; later ones are looked for one by one.

    Deals of different accounts commit in any order, so the highest id seen says nothing of those below it.
    But whoever had drawn an id up to `reached` when that was noted has a transaction older than
    `reached_xid`: once no such transaction runs, all of them are there or never will be.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    settled = models.BigIntegerField(default=0)
    reached = models.BigIntegerField(default=0)
    reached_xid = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"deals settled up to {self.settled}"


class _Standing(models.Model):
    """The columns of a position: see history.building.Standing."""

    position = SumField(help_text="Units of base; negative = short.")
    cost = SumField(help_text="What the open part cost, in quote; negative = short.")
    realised = SumField(help_text="Earned by closing, in quote, before fees.")
    fees = SumField(help_text="Paid, in quote.")

    class Meta:
        abstract = True

    @property
    def standing(self) -> Standing:
        """As a plain value."""
        return Standing(self.position, self.cost, self.realised, self.fees)

    @property
    def average_price(self) -> Decimal | None:
        """Of the open part; None when nothing is open."""
        return self.standing.average_price


class PositionPoint(_Standing):
    """The position of an account in an instrument after one execution, which it repeats.

    Not cut by time: a point is no fact that could be put away by age. A late trade rewrites every point
    behind it, a regeneration a whole series, and both find a series by one index, whatever years it spans.
    """

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    origin = models.SmallIntegerField(choices=Origin)
    execution_id = models.BigIntegerField()
    true_at = models.DateTimeField(null=True, help_text="Of a correction: when it really happened.")
    quantity = QuantityField(help_text="Units of base; negative = sold.")
    price = PriceField()
    fee = AmountField(default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument", "at", "origin", "execution_id"],
                name="position_point_in_order",
            )
        ]
        indexes = [
            models.Index(
                fields=["instrument", "at", "origin", "execution_id"], name="position_point_of_instrument"
            )
        ]

    def __str__(self) -> str:
        return f"{self.position:f} at {self.at.isoformat()}"


class LivePosition(_Standing):
    """The position of an account in an instrument now: its last point, kept where lists find it."""

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(help_text="Of its last execution.")
    executions = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "instrument"], name="live_position_one_each")
        ]

    def __str__(self) -> str:
        return f"{self.account} in {self.instrument}"
