"""How much of the platform a person may use in a time."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RateTier(models.Model):
    """Limits for the people in it; those in none have the tier named `standard`.

    Calls a minute are counted for each session's person and for each key, orders for each account.
    """

    name = models.CharField(max_length=20, unique=True)
    calls_1m = models.PositiveIntegerField(verbose_name="Calls a minute")
    orders_10s = models.PositiveIntegerField(verbose_name="Orders in 10 seconds")
    orders_1d = models.PositiveIntegerField(verbose_name="Orders a day")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(calls_1m__gte=60, orders_10s__gte=1, orders_1d__gte=1),
                name="rate_tier_lets_people_work",
                violation_error_message="At least 60 calls a minute, and an order.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
