"""How far the quotes of an instrument have been held against the exits of positions."""

from __future__ import annotations

from django.db import models

from instruments.models import Instrument


class PriceWatch(models.Model):
    """Every quote up to `watched_at` has been seen, and what it touched is closed."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    watched_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"watch of instrument {self.pk}"
