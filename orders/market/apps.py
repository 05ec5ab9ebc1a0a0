"""The market data app."""

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """Django's handle on the app."""

    name = "orders.market"
    # Not "market": the admin has pages of markets at that address.
    label = "marketdata"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Market data"
