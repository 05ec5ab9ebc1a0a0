"""A portfolio: accounts and instruments looked at as one."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models import TradingAccount
from instruments.models import Instrument


class Portfolio(models.Model):
    """Positions of these accounts in these instruments (none named: in all), added up.

    One with an `owner` is that person's, and holds only that person's accounts.
    """

    name = models.CharField(max_length=64, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    accounts = models.ManyToManyField(TradingAccount, related_name="+", blank=True)
    instruments = models.ManyToManyField(Instrument, related_name="+", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
