"""An asset: something that can be owned and counted, with a fixed smallest unit."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper


class Asset(models.Model):
    """A currency, coin or commodity. Amounts of it are multiples of 10**-decimals, always."""

    id = models.SmallAutoField(primary_key=True)
    code = models.CharField(max_length=16, unique=True, help_text="Upper-case code, such as BTC or USDT.")
    name = models.CharField(max_length=64)
    decimals = models.PositiveSmallIntegerField(
        default=8, help_text="Digits after the point of the smallest unit the ledger keeps."
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(decimals__lte=18), name="asset_decimals_at_most_18"),
            models.CheckConstraint(condition=Q(code=Upper("code")), name="asset_code_upper_case"),
        ]

    def __str__(self) -> str:
        return self.code
