"""Quotes: the platform's own prices, from which amounts are converted and positions are dealt and valued."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q

from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models.instrument import Instrument
from tradeplatform.common.fields import PriceField

# What no NUMERIC(38, 18) reaches, except NaN.
_TOO_MUCH = Decimal(10) ** 20
_SENSIBLE = Q(bid__gt=0, ask__gte=F("bid"), ask__lt=_TOO_MUCH)


class Quote(models.Model):
    """The newest quote of an instrument: what it can be sold at (bid) and bought at (ask), since when.

    Written by instruments.services.pricing alone, which keeps every quote as a DatedQuote too.
    """

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, primary_key=True, related_name="price"
    )
    bid = PriceField()
    ask = PriceField()
    at = models.DateTimeField()
    source = models.CharField(max_length=16, help_text="Who quoted: book, operator, seed, a provider.")

    class Meta:
        constraints = [models.CheckConstraint(condition=_SENSIBLE, name="quote_sensible")]

    def __str__(self) -> str:
        return f"quote of instrument {self.pk}"


class DatedQuote(PartitionedModel):
    """A fact: a quote as it was given. The rate of a past moment is the last one at or before it."""

    partitioning = PartitionPolicy(key="at", period=Period.DAY, ahead=7, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    bid = PriceField()
    ask = PriceField()
    source = models.CharField(max_length=16)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=_SENSIBLE, name="dated_quote_sensible"),
            models.UniqueConstraint(fields=["instrument", "at"], name="dated_quote_once"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"quote {self.pk}"
