"""The liquidity app."""

from django.apps import AppConfig


class LiquidityConfig(AppConfig):
    """Django's handle on the app."""

    name = "liquidity"
    default_auto_field = "django.db.models.BigAutoField"
