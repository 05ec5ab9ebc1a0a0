"""Filters that lists of orders and their consequences share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import TradingAccount
from instruments.models import Instrument
from tradeplatform.common.admin.filters import ChoiceFilter, DaysFilter, TextFilter


class AccountFilter(TextFilter):
    """Of one account: read from the index (account, id)."""

    title, parameters, placeholder = "account", ("account",), "ACC-000001"

    def narrow(self, queryset: QuerySet[Any], typed: str) -> QuerySet[Any]:
        """By the account's id, looked up first so that the index serves both filter and order."""
        found = TradingAccount.objects.filter(account_number=typed).values_list("id", flat=True).first()
        return queryset.none() if found is None else queryset.filter(account_id=found)


class InstrumentFilter(ChoiceFilter):
    """Of one instrument: read from the index (instrument, id)."""

    title, parameters = "instrument", ("instrument",)

    def lookups(self) -> list[tuple[str, str]]:
        """All symbols."""
        symbols = Instrument.objects.order_by("symbol").values_list("symbol", flat=True)
        return [(symbol, symbol) for symbol in symbols]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        """By the instrument's id, looked up first."""
        return queryset.filter(
            instrument_id=Instrument.objects.values_list("id", flat=True).get(symbol=chosen)
        )


class CreatedDays(DaysFilter):
    """When it was accepted."""

    field = "created_at"


class AtDays(DaysFilter):
    """When it happened."""

    field = "at"
