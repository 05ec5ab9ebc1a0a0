"""The kinds of exact number a table may hold. There is no float anywhere near money."""

from __future__ import annotations

from typing import Any

from django.db import models


class _ExactField(models.DecimalField):  # type: ignore[type-arg]
    """NUMERIC(38, 18): exact to 18 digits after the point, up to 10**20 before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 38)
        kwargs.setdefault("decimal_places", 18)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Appear in migrations as an ordinary DecimalField: history must not depend on this class."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs


class AmountField(_ExactField):
    """An amount of an asset, in whole units of it (1.5 = one and a half)."""


class AccruedField(_ExactField):
    """An amount times a rate, before it is rounded to the asset's unit: six more digits after the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 44)
        kwargs.setdefault("decimal_places", 24)
        super().__init__(*args, **kwargs)


class SumField(AmountField):
    """A sum of any number of amounts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 60)
        super().__init__(*args, **kwargs)


class PriceField(_ExactField):
    """A price: units of the quote asset for one unit of the base asset."""


class QuantityField(_ExactField):
    """A quantity of the base asset, or a notional in the quote asset."""


class RateField(_ExactField):
    """A ratio (0.001 = 0.1 %), six digits after the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 10)
        kwargs.setdefault("decimal_places", 6)
        super().__init__(*args, **kwargs)
