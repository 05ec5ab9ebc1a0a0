"""The last days in minutes: what had been counted by the end of each."""

from __future__ import annotations

from django.db import models


class Minute(models.Model):
    """The sums at one moment, some of those that /metrics tells; what happened is their difference.

    Kept here and not in Valkey: after Valkey was lost is when one wants to see the hour before. `sums` has
    accepted, requests, errors and outcomes (the histogram by its bounds), each only if Valkey answered, and
    `lag`, the longest wait on any shard in seconds.
    """

    at = models.DateTimeField(primary_key=True)
    sums = models.JSONField()

    class Meta:
        # A page of its own shows them together.
        default_permissions = ()

    def __str__(self) -> str:
        return f"minute {self.at:%Y-%m-%d %H:%M}"
